# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bare machines become a cluster, a second run finds nothing to do, and both in time; one that was given back becomes one again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Built
from tests.e2e.support import Lab

# A shared host may take twice as long as the promise.
LENIENCY = 2
FIRST_RUN_SECONDS = 150
SECOND_RUN_SECONDS = 60


def test_a_dry_run_on_bare_machines_changes_nothing(built: Built) -> None:
    """It says what would happen and ends well, though nothing is installed yet."""
    built.dry.expect(changed=0)
    said = [result["msg"] for _host, result in built.dry.results if isinstance(result.get("msg"), dict)]
    assert any("start a new cluster" in text.get("control-1", "") and "join" in text.get("worker-1", "") for text in said), said


def test_bare_machines_become_a_cluster_in_time(built: Built) -> None:
    """Two Ready nodes with storage and metrics; the playbook waits for all of it."""
    print(f"bare machines to a cluster: {built.first.seconds:.0f} s")
    assert built.first.seconds < FIRST_RUN_SECONDS * LENIENCY


def test_a_second_run_finds_nothing_to_do(built: Built) -> None:
    """Not one task reports a change."""
    built.second.expect(changed=0)
    print(f"second run: {built.second.seconds:.0f} s")
    assert built.second.seconds < SECOND_RUN_SECONDS * LENIENCY


@pytest.fixture
def small() -> Iterator[Lab]:
    """A lab of one machine."""
    lab = Lab("small")
    lab.command("down")
    lab.command("up", "--control-planes", "1", "--workers", "0")
    yield lab
    lab.command("down")


def test_a_machine_that_was_given_back_becomes_a_cluster_again(small: Lab) -> None:
    small.play().expect()
    small.play("reset", variables={"confirm": f"{small.name}/machines/all"}).expect()
    small.play().expect()
    assert small.ready() == {"control-1"}
