# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each machine is restarted, orderly and not, while rows are written: the application comes back by itself, and every row is there."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.stack.client import canary, healthy
from tests.e2e.stack.outages import power_cut, restart
from tests.e2e.support import Lab, wait_until

BACK_SECONDS = 300
SITE_SECONDS = 90
# A shared host may take twice as long as the promise.
LENIENCY = 2
WAYS: dict[str, Callable[[Lab, str], None]] = {"restarted": restart, "without power": power_cut}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("machine", ["worker-1", "control-1"])
def test_the_application_comes_back_with_every_row(stack_lab: Lab, tmp_path: Path, machine: str, way: str) -> None:
    with canary(stack_lab.url, "machines", tmp_path) as rows:
        begun = time.monotonic()
        WAYS[way](stack_lab, machine)
        rows.await_rows(BACK_SECONDS)
        wait_until(lambda: healthy(stack_lab.url), seconds=BACK_SECONDS, what="health of both stores")
        print(f"{machine}, {way}: back after {time.monotonic() - begun:.0f} s")
        rows.await_rows(30)
    assert rows.check()["verdict"] == "complete"
    # What the machine lost with its start is there again: a run finds nothing to repair.
    run = stack_lab.play("site").expect(changed=0)
    assert run.seconds < SITE_SECONDS * LENIENCY
