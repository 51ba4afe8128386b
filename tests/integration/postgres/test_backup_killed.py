# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that are killed, and runs that meet another; the proof of faults kills at each phase."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.app import servers
from tests.integration.postgres import gate, killed
from tests.integration.postgres.support import Place


@pytest.mark.parametrize("phase", ["after the dump", "before the name", "in a deletion"])
def test_what_a_killed_run_leaves_is_no_backup_and_gone_after_the_next(place: Place, backups: Path, room: Path, phase: str) -> None:
    killed.backup_killed(place, backups, room, phase)
    assert len([path for path in backups.iterdir() if path.name.startswith("2")]) == 1


def test_a_second_run_is_refused_or_waits(place: Place, backups: Path, room: Path) -> None:
    with gate.of_program(room, "pg_dump") as stopped:
        running = place.start("pg_backup", place.backup_options(backups), programs=stopped.programs)
        stopped.wait()
        for check in (True, False):
            outcome = place.backup(backups, check=check)
            assert outcome.failed
            assert f"pg_backup did not begin. Where: {backups}/.lock. Cause: pg_backup on " in outcome.message
            assert f"process {running.process.pid}" in outcome.message
        waiting = place.start("pg_backup", place.backup_options(backups, lock_wait_seconds=60))
        descriptors = Path("/proc", str(waiting.process.pid), "fd")
        servers.wait_until(lambda: backups / ".lock" in [path.resolve() for path in descriptors.iterdir()], "a run that waits")
        stopped.open()
        first, second = place.good(running.outcome()).result, place.good(waiting.outcome()).result
    assert first["backup"] < second["backup"]
    assert second["kept"][-2:] == [first["backup"], second["backup"]]
    assert second["leftovers_removed"] == []


def test_nobody_sees_the_password_while_it_is_at_work(place: Place, room: Path) -> None:
    progress = room / "progress"
    options = place.backup_options(room / "backups", progress_path=str(progress), metrics_path=str(room / "metrics"))
    with gate.of_program(room, "pg_dump") as stopped:
        running = place.start("pg_backup", options, programs=stopped.programs)
        stopped.wait()
        seen = b"".join(command_line(process) for process in Path("/proc").iterdir() if process.name.isdecimal())
        said = json.loads(progress.read_text())
        stopped.open()
        outcome = place.good(running.outcome())
    assert b"--snapshot=" in seen
    everything = [seen, outcome.output.encode(), *(path.read_bytes() for path in room.rglob("*") if path.is_file())]
    assert not [text for text in everything if servers.PLANTED.encode() in text]
    assert (said["phase"], said["unit"], said["total"] > 1_000_000) == ("dump", "bytes", True)


def command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""
