# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network between an operation and PostgreSQL goes away at each phase, by a reset or without a word."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.repository import Repository

from tests.integration.modules import Outcome, Running
from tests.integration.postgres import gate, killed
from tests.integration.postgres.proxy import How, Network, network
from tests.integration.postgres.scene import Scene
from tests.integration.postgres.support import DATABASE, Place
from tests.proof.faults import aftermath

HOWS: tuple[How, ...] = ("reset", "silence")
_BACKUP = partial(gate.of_phase, module="pg_backup")
_RESTORE = partial(gate.of_phase, module="pg_restore")
# Where the network goes while a backup still needs it.
BACKUP: dict[str, killed.Stop] = {
    "before it looks": partial(_BACKUP, name="preflight"),
    "before the snapshot": partial(_BACKUP, name="snapshot"),
    "in the snapshot": partial(gate.of_function, function="_postgres.make:database_facts", most=1),
    "before the dump": partial(_BACKUP, name="dump"),
    "in the dump": partial(gate.within_phase, name="dump", module="pg_backup"),
    "before the locks are given back": partial(gate.of_function, function="_postgres.snapshot:Snapshot.ensure_held", most=1),
}
# Where it does not need it any more.
DUMPED = ("read_back", "checksums", "publish", "retention")
RESTORE: dict[str, killed.Stop] = {
    "before it looks": partial(_RESTORE, name="preflight"),
    "before the new database is made": partial(_RESTORE, name="create"),
    "before rows are loaded": partial(_RESTORE, name="load"),
    "while rows are loaded": partial(gate.within_phase, name="load", module="pg_restore"),
    "before rows are compared": partial(_RESTORE, name="compare"),
    "before statistics are made": partial(_RESTORE, name="analyze"),
    "before its properties are made": partial(_RESTORE, name="properties"),
}
_LIMITS = {"timeout_seconds": 3, "dump_timeout_seconds": 6, "table_lock_timeout_seconds": 3}
_RESTORE_LIMITS = {"timeout_seconds": 3, "restore_timeout_seconds": 12, "swap_timeout_seconds": 3}


def cut_off(running: Running, line: Network, stopped: gate.Gate, how: How) -> Outcome:
    """What becomes of an operation whose network goes when it has come to the gate."""
    stopped.wait()
    line.cut(how)
    stopped.open()
    return aftermath.ended(running)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("phase", BACKUP)
def test_pg_backup_cut_off(place: Place, backups: Path, room: Path, phase: str, how: How) -> None:
    known = aftermath.before(place, backups)
    with network(place.postgresql.port) as line, BACKUP[phase](room) as stopped:
        options = place.backup_options(backups, port=line.port, **_LIMITS)
        outcome = cut_off(place.start("pg_backup", options, code=stopped.code), line, stopped, how)
    aftermath.explained(outcome, DATABASE)
    assert known.repository.leftovers() == []
    known.nobody("backup", room)
    known.same()
    known.made_good()


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("phase", DUMPED)
def test_pg_backup_goes_on_without_the_network(place: Place, backups: Path, room: Path, phase: str, how: How) -> None:
    known = aftermath.before(place, backups)
    with network(place.postgresql.port) as line, gate.of_phase(room, phase, module="pg_backup") as stopped:
        options = place.backup_options(backups, port=line.port, **_LIMITS)
        result = place.good(cut_off(place.start("pg_backup", options, code=stopped.code), line, stopped, how)).result
    assert killed.whole(known.repository) == [*known.trees, result["backup"]]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("phase", RESTORE)
def test_pg_restore_cut_off(scene: Scene, room: Path, phase: str, how: How) -> None:
    lost = aftermath.lost(scene)
    with network(scene.place.postgresql.port) as line, RESTORE[phase](room) as stopped:
        options = scene.options(port=line.port, **_RESTORE_LIMITS)
        outcome = cut_off(scene.place.start("pg_restore", options, code=stopped.code), line, stopped, how)
    aftermath.explained(outcome)
    scene.place.await_nobody("restore", room)
    assert killed.whole(Repository(scene.repository, DATABASE)) == [scene.backup]
    lost.same()
    lost.restored()


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("state", ["restored", "undone"])
def test_pg_restore_cut_off_in_the_swap(scene: Scene, room: Path, state: str, how: How) -> None:
    """The names are as they were or changed, never half."""
    lost = aftermath.lost(scene)
    if state == "undone":
        scene.good()
    former, latter = (lost.content, scene.content) if state == "restored" else (scene.content, lost.content)
    with (
        network(scene.place.postgresql.port) as line,
        gate.of_function(room, "_postgres.swap:_try", module="pg_restore", most=1) as stopped,
    ):
        options = scene.options(port=line.port, state=state, **_RESTORE_LIMITS)
        outcome = cut_off(scene.place.start("pg_restore", options, code=stopped.code), line, stopped, how)
    aftermath.explained(outcome)
    scene.place.await_nobody("restore", room)
    assert scene.seen() == former
    again = scene.place.good(scene.run(state=state)).result
    assert (scene.seen(), scene.seen(again["kept_database"])) == (latter, former)


@pytest.mark.parametrize("how", HOWS)
def test_pg_restore_cut_off_after_the_swap(scene: Scene, room: Path, how: How) -> None:
    """It says that the name has changed already, and what leads back."""
    lost = aftermath.lost(scene)
    with network(scene.place.postgresql.port) as line, gate.of_phase(room, "check", module="pg_restore") as stopped:
        options = scene.options(port=line.port, **_RESTORE_LIMITS)
        outcome = cut_off(scene.place.start("pg_restore", options, code=stopped.code), line, stopped, how)
    aftermath.explained(outcome, "has changed already", "state=undone goes back to it")
    scene.place.await_nobody("restore", room)
    (kept,) = killed.beside(scene)
    assert (scene.seen(), scene.seen(kept)) == (scene.content, lost.content)
    scene.place.good(scene.undo())
    assert scene.seen() == lost.content
