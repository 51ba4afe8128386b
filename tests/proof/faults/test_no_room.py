# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk runs full at each phase: of the backups, of the server that is thrown away, of the live one, of metrics and temporary files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.integration.postgres import damage, gate, killed
from tests.integration.postgres.damage import Backup
from tests.integration.postgres.disk import MEBIBYTE, Disk, disk
from tests.integration.postgres.elsewhere import Elsewhere, files
from tests.integration.postgres.scene import RIGHTS, Scene
from tests.integration.postgres.support import DATABASE, Place
from tests.proof.faults import aftermath

_FULL = "No space left on device"
_BACKUP = partial(gate.of_phase, module="pg_backup")
_VERIFY = partial(gate.of_phase, module="pg_backup_verify")
_RESTORE = partial(gate.of_phase, module="pg_restore")
_OFFSITE = partial(gate.of_phase, module="backup_offsite")
_PLAIN = -1
# When the disk runs full, how many bytes are left then (or as many as the plain dump has), and what failed by the error's own words.
BACKUP: dict[str, tuple[killed.Stop, int, str]] = {
    "before the snapshot": (partial(_BACKUP, name="snapshot"), 0, "The backup could not be written"),
    "before the dump": (partial(_BACKUP, name="dump"), 0, "The dump failed"),
    "in the table of contents": (partial(_BACKUP, name="dump"), 16384, "The dump failed"),
    "in the rows": (partial(_BACKUP, name="dump"), MEBIBYTE, "The dump failed"),
    "while they are compressed": (partial(_BACKUP, name="dump"), _PLAIN, "its files could not be compressed"),
    "before it is read back": (partial(_BACKUP, name="read_back"), 0, "The backup could not be written"),
    "before the manifest": (partial(_BACKUP, name="publish"), 0, "manifest.json could not be written"),
}
# When the disk of the scratch server runs full, and how many bytes are left; whether nothing of it is needed any more then.
VERIFICATION: dict[str, tuple[killed.Stop, int, bool]] = {
    "before the server": (partial(gate.of_program, name="initdb"), 0, False),
    "while it is made": (partial(gate.of_program, name="initdb"), 20 * MEBIBYTE, False),
    "before the roles": (partial(_VERIFY, name="roles"), 0, False),
    "before the load": (partial(_VERIFY, name="restore"), 0, False),
    "in the load": (partial(_VERIFY, name="restore"), 4 * MEBIBYTE, False),
    "before indexes": (partial(_VERIFY, name="indexes"), 0, False),
    "before rows are compared": (partial(_VERIFY, name="rows"), 0, True),
    "before the structure is compared": (partial(_VERIFY, name="structure"), 0, True),
}
RESTORE: dict[str, tuple[killed.Stop, int]] = {
    "before the new database is made": (partial(_RESTORE, name="create"), 0),
    "before rows are loaded": (partial(_RESTORE, name="load"), 0),
    "while rows are loaded": (partial(_RESTORE, name="load"), 2 * MEBIBYTE),
}


@pytest.fixture
def small(place: Place, made_backup: Path, room: Path) -> Iterator[tuple[Disk, Backup]]:
    """A directory of backups on a disk of its own."""
    with disk(room / "disk", 110) as made:
        yield made, damage.copy_of(place, made_backup, made.path)


@pytest.mark.parametrize("phase", BACKUP)
def test_pg_backup_without_room(place: Place, small: tuple[Disk, Backup], room: Path, phase: str) -> None:
    full, backup = small
    known, (stop, left, said) = aftermath.before(place, backup.repository), BACKUP[phase]
    with stop(room) as stopped:
        running = place.start("pg_backup", place.backup_options(backup.repository), code=stopped.code)
        stopped.wait()
        full.fill(backup.manifest.plain_bytes + 300_000 if left == _PLAIN else left)
        stopped.open()
        outcome = aftermath.ended(running)
    aftermath.explained(outcome, said, _FULL, "room")
    assert known.repository.leftovers() == []
    full.empty()
    known.nobody("backup", room)
    known.same()
    known.made_good()


def test_pg_backup_without_room_for_a_record_deletes_nothing(place: Place, small: tuple[Disk, Backup], room: Path) -> None:
    """What cannot be put on record is not done; the new backup is good."""
    full, backup = small
    known = aftermath.before(place, backup.repository)
    options = place.backup_options(backup.repository, retention={"last": 1})
    with gate.of_phase(room, "retention", module="pg_backup") as stopped:
        running = place.start("pg_backup", options, code=stopped.code)
        stopped.wait()
        full.fill()
        stopped.open()
        result = place.good(aftermath.ended(running)).result
    assert [(one["backup"], _FULL in one["why"]) for one in result["not_deleted"]] == [(backup.path.name, True)]
    assert killed.whole(known.repository) == [backup.path.name, result["backup"]]
    assert known.repository.records().problems == ()
    full.empty()
    again = place.good(place.backup(backup.repository, retention={"last": 1})).result
    assert again["deleted"] == [backup.path.name, result["backup"]]
    known.made_good()


@pytest.mark.parametrize("phase", VERIFICATION)
def test_pg_backup_verify_without_room(backup: Backup, room: Path, phase: str) -> None:
    """That says nothing of the backup."""
    known, (stop, left, enough) = aftermath.before(backup.place, backup.repository), VERIFICATION[phase]
    with disk(room / "scratch", 220) as full:
        options = {"directory": str(backup.repository), "scratch_dir": str(full.path), "level": "full", "require_passed": False}
        options |= {"recorded_max_age_seconds": 0}
        with stop(room) as stopped:
            running = backup.place.start("pg_backup_verify", options, code=stopped.code, programs=stopped.programs)
            stopped.wait()
            full.fill(left)
            stopped.open()
            result = aftermath.ended(running).result
        assert result["differences"] == []
        assert result["verdict"] in ("could_not_verify", *(("passed",) if enough else ()))
        assert result["verdict"] == "passed" or "full" in result["reason"] or "pace" in result["reason"]
        full.empty()
        known.nobody("backup", full.path)
        known.same()
        assert [path.name for path in full.path.iterdir()] == [".lock"]
        assert backup.place.good(backup.place.run("pg_backup_verify", options)).result["verdict"] == "passed"
        known.same()


def test_pg_backup_verify_without_room_for_its_record(small: tuple[Disk, Backup], room: Path) -> None:
    """The verdict holds, and is told; what cannot be kept proves nothing later on."""
    full, backup = small
    known = aftermath.before(backup.place, backup.repository)
    full.fill()
    outcome = backup.verify(room)
    assert (outcome.result["verdict"], "verification_not_recorded" in outcome.findings()) == ("passed", True)
    assert not known.repository.is_proven(backup.path.name)
    full.empty()
    known.same()
    assert "verification_not_recorded" not in backup.verify(room).findings()
    assert known.repository.is_proven(backup.path.name)


@pytest.mark.parametrize("module", ["pg_backup", "pg_backup_verify"])
def test_metrics_without_room(backup: Backup, room: Path, module: str) -> None:
    """The file that a collector reads is the one before, whole."""
    place, old = backup.place, "endpoint_stats_old 1\n"
    with disk(room / "metrics", 1) as full:
        path = full.path / "backup.prom"
        path.write_text(old)
        full.fill()
        if module == "pg_backup":
            outcome = place.good(place.backup(backup.repository, metrics_path=str(path)))
        else:
            outcome = backup.verify(room, metrics_path=str(path))
        (said,) = [finding for finding in outcome.result["findings"] if finding["id"].endswith("_metrics_not_written")]
        assert (said["subject"], said["evidence"], path.read_text()) == (str(path), _FULL, old)
        assert sorted(one.name for one in full.path.iterdir()) == ["backup.prom", "filler"]


@pytest.fixture
def tablespace(scene: Scene, room: Path) -> Iterator[Disk]:
    """The live database on a disk of its own."""
    sql = partial(scene.sql, database="postgres")
    with disk(room / "space", 100) as made:
        sql(f"CREATE TABLESPACE small LOCATION '{made.path}'")
        sql("GRANT CREATE ON TABLESPACE small TO restore, owner")
        sql(f"ALTER DATABASE {DATABASE} SET TABLESPACE small")
        sql(RIGHTS)
        yield made
        made.empty()
        scene.renew()
        sql("DROP TABLESPACE small")


@pytest.mark.parametrize("phase", RESTORE)
def test_pg_restore_without_room_on_the_server(scene: Scene, tablespace: Disk, room: Path, phase: str) -> None:
    lost, (stop, left) = aftermath.lost(scene), RESTORE[phase]
    with stop(room) as stopped:
        running = scene.place.start("pg_restore", scene.options(), code=stopped.code)
        stopped.wait()
        tablespace.fill(left)
        stopped.open()
        outcome = aftermath.ended(running)
    aftermath.explained(outcome)
    # With no room for anything the server has other words for it.
    assert _FULL in outcome.message or "could not write" in outcome.message
    tablespace.empty()
    scene.place.await_nobody("restore", room)
    assert killed.beside(scene) == []
    lost.same()
    lost.restored()


def test_pg_restore_without_room_for_temporary_files(scene: Scene, room: Path) -> None:
    lost = aftermath.lost(scene)
    with disk(room / "temporary", 1) as full:
        with gate.of_function(room, "_postgres.archive:_listed", module="pg_restore", most=1) as stopped:
            environment = {"TMPDIR": str(full.path)}
            running = scene.place.start("pg_restore", scene.options(), code=stopped.code, environment=environment)
            stopped.wait()
            full.fill()
            stopped.open()
            outcome = aftermath.ended(running)
        aftermath.explained(outcome, _FULL, str(full.path))
        assert [path.name for path in full.path.iterdir()] == ["filler"]
        assert killed.beside(scene) == []
        lost.same()
        full.empty()
        lost.restored()


def test_a_copy_without_room_for_its_record(elsewhere: Elsewhere, small: tuple[Disk, Backup]) -> None:
    """It is there and whole, and the next run sends nothing twice."""
    full, backup = small
    here = replace(elsewhere, backups=backup.repository)
    known = aftermath.before(backup.place, backup.repository)
    full.fill()
    aftermath.explained(here.run(), "A record could not be written", _FULL, str(backup.repository))
    full.empty()
    known.same()
    again = here.good()
    assert (again["kept"], again["transferred_bytes"]) == ([backup.path.name], 0)
    assert files(here.there / backup.path.name) == files(backup.path)
    known.same()


@pytest.mark.parametrize("left", [0, 300_000])
def test_a_fetch_without_room(elsewhere: Elsewhere, room: Path, left: int) -> None:
    (newest,) = elsewhere.names
    elsewhere.good()
    with disk(room / "disk", 50) as full, contextlib.ExitStack() as stack:
        target = full.path / "fetched"
        options = elsewhere.options(state="fetched", directory=str(target))
        stopped = stack.enter_context(_OFFSITE(elsewhere.room, name="fetch"))
        running = elsewhere.place.start("backup_offsite", options, code=stopped.code)
        stopped.wait()
        full.fill(left)
        stopped.open()
        aftermath.explained(aftermath.ended(running), "The disk here is full", "Make room")
        assert not (target / newest).exists()
        full.empty()
        elsewhere.place.good(elsewhere.place.run("backup_offsite", options))
        assert files(target / newest) == files(elsewhere.backups / newest)
        assert files(target / "records") == files(elsewhere.there / "records")
