# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that are killed at each of their phases, and runs that meet another."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import manifest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.repository import Repository

from tests.integration.app import servers
from tests.integration.postgres import gate
from tests.integration.postgres.gate import Gate
from tests.integration.postgres.support import DATABASE, Place

Stop = Callable[[Path], AbstractContextManager[Gate]]
REPOSITORY = "_postgres.repository:Repository"
# Where it is killed, what it leaves of itself, and which backups there are then: the old one, the new one or both.
PHASES: dict[str, tuple[Stop, str, str]] = {
    "before the roles": (partial(gate.of_program, name="pg_dumpall"), ".incomplete", "old"),
    "before the dump": (partial(gate.of_program, name="pg_dump"), ".incomplete", "old"),
    "after the dump": (partial(gate.of_program, name="pg_dump", after=True), ".incomplete", "old"),
    "before it is read back": (partial(gate.of_program, name="pg_restore"), ".incomplete", "old"),
    "before the checksums": (partial(gate.of_function, function="_postgres.make:sealed"), ".incomplete", "old"),
    "before the manifest": (partial(gate.of_function, function="_postgres.make:write"), ".incomplete", "old"),
    "before the name": (partial(gate.of_function, function=f"{REPOSITORY}.publish"), ".incomplete", "old"),
    "after the name": (partial(gate.of_function, function=f"{REPOSITORY}.publish", after=True), "", "both"),
    "before a deletion": (partial(gate.of_function, function=f"{REPOSITORY}.delete"), "", "both"),
    "in a deletion": (partial(gate.of_function, function="_postgres.repository:shutil.rmtree"), ".deleting", "new"),
    "after a deletion": (partial(gate.of_function, function=f"{REPOSITORY}.delete", after=True), "", "new"),
}
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'backup'"


def whole(repository: Repository) -> list[str]:
    """The backups, each with a manifest that is right about every file."""
    for backup in repository.backups():
        path = repository.path(backup)
        for file in manifest.load(path).files:
            assert manifest.hash_file(path / file.path) == file.sha256
    return repository.backups()


@pytest.mark.parametrize("phase", PHASES)
def test_what_a_killed_run_leaves_is_no_backup_and_gone_after_the_next(place: Place, backups: Path, room: Path, phase: str) -> None:
    stop, leftover, there = PHASES[phase]
    repository = Repository(backups, DATABASE)
    (first,) = repository.backups()
    with stop(room) as stopped:
        running = place.start("pg_backup", place.backup_options(backups, keep=1), programs=stopped.programs, code=stopped.code)
        stopped.wait()
        running.kill()
    left, published = [path.name for path in repository.leftovers()], whole(repository)
    assert [name.rpartition("-")[0] for name in left] == ([leftover] if leftover else [])
    assert [name == first for name in published] == {"old": [True], "both": [True, False], "new": [False]}[there]
    servers.wait_until(lambda: place.postgresql.sql(SESSIONS) == "0", "end of the sessions")
    result = place.good(place.backup(backups, keep=1)).result
    assert result["leftovers_removed"] == left
    assert whole(repository) == result["kept"] == [result["backup"]]
    assert repository.leftovers() == []
    assert result["backup"] > published[-1]


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
        servers.wait_until(lambda: backups / ".lock" in [path.readlink() for path in descriptors.iterdir()], "a run that waits")
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
    assert not [text for text in everything if servers.PASSWORD.encode() in text]
    assert (said["phase"], said["unit"], said["total"] > 1_000_000) == ("dump", "bytes", True)


def command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""
