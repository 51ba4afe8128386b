# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores and a machine are lost while rows are written: the application comes back by itself, and every row is there."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.stack.client import canary, healthy
from tests.e2e.stack.outages import crash, delete, power_cut
from tests.e2e.support import Lab, wait_until

BACK_SECONDS = 180
LOSSES: dict[str, tuple[Callable[[Lab, str], None], str]] = {
    "PostgreSQL is killed": (crash, "postgres-0"),
    "the pod of PostgreSQL is deleted": (delete, "postgres-0"),
    "Redis is killed": (crash, "redis-0"),
    "the pod of Redis is deleted": (delete, "redis-0"),
    "a worker loses its power": (power_cut, "worker-1"),
}


@pytest.mark.parametrize("what", LOSSES)
def test_the_application_comes_back_with_every_row(stack_lab: Lab, tmp_path: Path, what: str) -> None:
    lose, subject = LOSSES[what]
    with canary(stack_lab.url, "outage", tmp_path) as rows:
        begun = time.monotonic()
        lose(stack_lab, subject)
        rows.await_rows(BACK_SECONDS)
        wait_until(lambda: healthy(stack_lab.url), seconds=BACK_SECONDS, what="health of both stores")
        print(f"{what}: back after {time.monotonic() - begun:.0f} s")
        rows.await_rows(30)
    assert rows.check()["verdict"] == "complete"
