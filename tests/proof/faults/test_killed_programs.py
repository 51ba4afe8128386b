# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that an operation uses is killed: before it does anything, in the middle, or with its work done and nobody to say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.postgres import deaths, gate, killed
from tests.integration.postgres.damage import Backup
from tests.integration.postgres.scene import Scene
from tests.integration.postgres.support import DATABASE, Place
from tests.proof.faults import aftermath

# The program, and words of the call that is meant.
BACKUP = {
    "pg_dumpall": ("pg_dumpall", ""),
    "pg_dump": ("pg_dump", ""),
    "zstd": ("zstd", ""),
    "pg_restore that lists": ("pg_restore", " --list "),
    "pg_restore that prints": ("pg_restore", " --file=- "),
}
VERIFICATION = {
    **{name: program for name, program in BACKUP.items() if "pg_dump" not in name},
    "zstd": ("zstd", " --decompress "),
    "initdb": ("initdb", ""),
    "postgres": ("postgres", " -D "),
    "psql": ("psql", ""),
    "pg_restore that loads": ("pg_restore", " --exit-on-error "),
    "pg_dump": ("pg_dump", " --schema-only "),
}
# A server has no end of its own; how it is killed later on is below.
VERIFICATION_LOSES = [(program, how) for program in VERIFICATION for how in deaths.HOWS if program != "postgres" or how == "at once"]
RESTORE = {name: VERIFICATION[name] for name in ("zstd", "pg_restore that prints", "pg_restore that loads", "pg_dump")}
# Before which phase its server is ended; one that serves us has a process of its own for that.
SERVER = ("roles", "restore", "indexes", "rows", "sequences", "structure")
SERVING = ("indexes", "sequences")
_WORKER = "echo 'pg_restore: error: a worker process died unexpectedly' >&2; exit 1"


@pytest.mark.parametrize("how", deaths.HOWS)
@pytest.mark.parametrize("program", BACKUP)
def test_pg_backup_loses(place: Place, backups: Path, room: Path, program: str, how: deaths.How) -> None:
    known = aftermath.before(place, backups)
    name, words = BACKUP[program]
    outcome = place.backup(backups, programs=deaths.dying(room, name, how, words))
    aftermath.explained(outcome, name, "SIGKILL")
    assert known.repository.leftovers() == []
    known.nobody("backup", room)
    known.same()
    known.made_good()


@pytest.mark.parametrize(("program", "how"), VERIFICATION_LOSES)
def test_pg_backup_verify_loses(backup: Backup, room: Path, program: str, how: deaths.How) -> None:
    """That says nothing of the backup."""
    known = aftermath.before(backup.place, backup.repository)
    name, words = VERIFICATION[program]
    result = backup.verify(room, programs=deaths.dying(room, name, how, words), level="full").result
    assert (result["verdict"], result["differences"]) == ("could_not_verify", [])
    assert "SIGKILL" in result["reason"] or "server" in result["reason"]
    _judged_after_all(backup, room, known)


@pytest.mark.parametrize("phase", [*SERVER, *(f"{phase}, what serves" for phase in SERVING)])
def test_pg_backup_verify_loses_its_server(backup: Backup, room: Path, phase: str) -> None:
    known = aftermath.before(backup.place, backup.repository)
    options = {"directory": str(backup.repository), "database": DATABASE, "scratch_dir": str(room / "scratch"), "level": "full"}
    name, _comma, serving = phase.partition(",")
    with gate.of_phase(room, name, module="pg_backup_verify") as stopped:
        running = backup.place.start("pg_backup_verify", {**options, "require_passed": False}, code=stopped.code)
        stopped.wait()
        deaths.kill_server(room / "scratch", backend=bool(serving))
        stopped.open()
        result = aftermath.ended(running).result
    assert (result["verdict"], result["differences"]) == ("could_not_verify", [])
    _judged_after_all(backup, room, known)


def test_pg_backup_verify_loses_a_worker_of_pg_restore(backup: Backup, room: Path) -> None:
    """Its main process tells that by words alone."""
    known = aftermath.before(backup.place, backup.repository)
    wrapper = gate.wrapper(room, "pg_restore", before=_WORKER, first="--exit-on-error")
    result = backup.verify(room, programs=wrapper.parent).result
    assert (result["verdict"], result["differences"]) == ("could_not_verify", [])
    _judged_after_all(backup, room, known)


def _judged_after_all(backup: Backup, room: Path, known: aftermath.Before) -> None:
    known.nobody("backup", room / "scratch")
    known.same()
    assert not known.repository.is_proven(backup.path.name)
    assert [path.name for path in (room / "scratch").glob("scratch-*")] == []
    assert backup.verify(room).result["verdict"] == "passed"
    known.same()


@pytest.mark.parametrize("how", deaths.HOWS)
@pytest.mark.parametrize("program", RESTORE)
def test_pg_restore_loses(scene: Scene, room: Path, program: str, how: deaths.How) -> None:
    lost = aftermath.lost(scene)
    name, words = RESTORE[program]
    outcome = scene.run({"programs": deaths.dying(room, name, how, words)})
    aftermath.explained(outcome, name, "SIGKILL")
    scene.place.await_nobody("restore", room)
    assert killed.beside(scene) == []
    lost.same()
    lost.restored()
