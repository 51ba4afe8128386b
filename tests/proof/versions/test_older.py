# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of PostgreSQL 15 on a newer release: healthy ones pass and say how they were compared, damaged ones fail, all are restored."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.integration.app import servers
from tests.integration.postgres import support
from tests.integration.postgres.damage import Backup, copy_of
from tests.integration.postgres.support import ROWS, Place
from tests.proof.versions.older import EVERYTHING, HEALTHY, given

_ACROSS = "structure_across_releases"
_DATABASES = "SELECT oid, datname FROM pg_database ORDER BY 1"
# What releases are known to write otherwise; all else is word by word as it was.
_REWRITTEN = ("VIEW ", "MATERIALIZED VIEW ", "none")


def copied(place: Place, room: Path, name: str) -> tuple[Backup, str]:
    repository, database = given(name)
    return copy_of(place, repository, room), database


def judged(backup: Backup, room: Path, database: str, **options: Any) -> dict[str, Any]:
    return backup.verify(room, database=database, **{"accept_newer_server": True, **options}).result


@pytest.mark.parametrize("name", ["stack", *HEALTHY])
def test_a_healthy_one_passes(name: str, place: Place, room: Path) -> None:
    backup, database = copied(place, room, name)
    made = backup.manifest
    assert (made.server.major, made.dumped_by) == (15, 15)
    result = judged(backup, room, database)
    assert (result["verdict"], result["reason"], result["differences"]) == ("passed", "", [])
    assert (result["structure"], result["scratch_version"].split(".")[0]) == ("structural", str(servers.MAJOR))
    assert (result["checked"]["rows"], result["checked"]["entries"]) == (made.rows, len(made.entries))
    told = next(finding["evidence"] for finding in result["findings"] if finding["id"] == _ACROSS)
    assert all(subject.startswith(_REWRITTEN) for subject in told.partition("otherwise here: ")[2].split(", "))


def test_a_newer_server_is_taken_only_when_that_is_accepted(place: Place, room: Path) -> None:
    backup, database = copied(place, room, "stack")
    result = judged(backup, room, database, accept_newer_server=False)
    assert (result["verdict"], result["differences"]) == ("could_not_verify", [])
    assert "There is no postgres, initdb of PostgreSQL 15" in result["reason"]
    assert "With accept_newer_server" in result["reason"]


def test_files_and_objects_are_compared_by_newer_programs(place: Place, room: Path) -> None:
    backup, database = copied(place, room, EVERYTHING)
    result = judged(backup, room, database, level="checksum", accept_newer_server=False)
    assert (result["verdict"], result["reason"]) == ("passed", "")


def _other_rows(backup: Backup) -> None:
    backup.edit_rows(backup.busiest, lambda rows: [row.replace(b"\t200\t", b"\t207\t") for row in rows])


def _a_reference_to_nothing(backup: Backup) -> None:
    backup.edit_rows(backup.busiest, lambda rows: [rows[0].replace(b"/api/", b"/apj/"), *rows[1:]])


def _a_row_less(backup: Backup) -> None:
    backup.edit_rows(backup.busiest, lambda rows: rows[1:])


def _an_object_less(backup: Backup) -> None:
    entries = backup.manifest.entries
    backup.forge(entries=(*entries, replace(entries[0], name="lost")))


def _an_object_of_other_words(backup: Backup) -> None:
    first = next(entry for entry in backup.manifest.entries if entry.kind in ("VIEW", "INDEX"))
    others = [entry for entry in backup.manifest.entries if entry != first]
    backup.forge(entries=tuple(sorted([*others, replace(first, sha256="0" * 64)])))


def _a_superuser_more(backup: Backup) -> None:
    backup.replace("globals.sql", lambda data: data + b"ALTER ROLE api WITH SUPERUSER;\n", reseal=True)


def _a_byte_less(backup: Backup) -> None:
    backup.replace("dump/toc.dat", lambda data: data[:-100], reseal=True)


DAMAGES: dict[str, tuple[Callable[[Backup], None], str]] = {
    "a value changed": (_other_rows, "content"),
    "a reference to nothing": (_a_reference_to_nothing, "restore"),
    "a row less": (_a_row_less, "rows"),
    "an object less": (_an_object_less, "entry_missing"),
    "an object of other words": (_an_object_of_other_words, "entry_changed"),
    "a superuser more": (_a_superuser_more, "role_changed"),
    "a table of contents cut": (_a_byte_less, "dump_unreadable"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_one_fails_with(name: str, place: Place, room: Path) -> None:
    backup, database = copied(place, room, "stack")
    damage, kind = DAMAGES[name]
    damage(backup)
    result = judged(backup, room, database)
    assert (result["verdict"], {difference["kind"] for difference in result["differences"]}) == ("failed", {kind})


@pytest.mark.parametrize(("change", "lacking"), [(_a_row_less, 1), (_other_rows, 0)], ids=["a row less", "a value changed"])
def test_rows_that_differ_are_named(change: Callable[[Backup], None], lacking: int, place: Place, room: Path) -> None:
    """The newer server's sums of parts are those of the older one."""
    backup, database = copied(place, room, "stack")
    change(backup)
    (difference,) = judged(backup, room, database, level="data")["differences"]
    ranges = difference["ranges"]
    assert sum(part["expected_rows"] - part["found_rows"] for part in ranges) == lacking
    assert 0 < sum(part["expected_rows"] for part in ranges) <= ROWS
    assert all(f'"{backup.busiest}"' in part["query"] for part in ranges)


def restored(place: Place, backup: Backup, database: str, **options: Any) -> dict[str, Any]:
    """As the administrator of the newer server, which never had the database that was backed up."""
    support.credentials(place.directory / "admin", "admin")
    known = {**place.options("admin"), "directory": str(backup.repository), "backup": backup.path.name, "database": database}
    del known["credentials_dir"]
    return {**known, "user": "admin", "password": servers.PASSWORD, "require_proven": False, "accept_other_server": True, **options}


@pytest.fixture
def moved(place: Place, room: Path) -> tuple[Backup, str]:
    """A backup of an older server, and the database of the newer one that it is to replace."""
    place.create_database()
    place.postgresql.sql("DELETE FROM requests WHERE number < 1000")
    return copied(place, room, "stack")


def test_it_is_restored_in_the_place_of_a_database(place: Place, moved: tuple[Backup, str]) -> None:
    options = restored(place, *moved)
    result = place.good(place.run("pg_restore", options)).result
    told = next(finding["evidence"] for finding in result["findings"] if finding["id"] == _ACROSS)
    assert told.startswith(f"{moved[0].manifest.server.version}, here {servers.MAJOR}.")
    assert place.postgresql.sql("SELECT count(*) FROM requests") == str(ROWS)
    assert place.postgresql.sql("SELECT count(*) < 3000 FROM requests", result["kept_database"]) == "t"
    place.good(place.run("pg_restore", {**options, "state": "undone"}))
    assert place.postgresql.sql("SELECT count(*) < 3000 FROM requests") == "t"


def test_all_objects_are_restored_where_there_was_no_database(place: Place, room: Path) -> None:
    backup, database = copied(place, room, EVERYTHING)
    try:
        result = place.good(place.run("pg_restore", restored(place, backup, database))).result
        assert {_ACROSS, "database_was_gone"} <= {finding["id"] for finding in result["findings"]}
        assert place.postgresql.sql("SELECT count(*) FROM app.orders", database) == "200"
    finally:
        place.postgresql.sql(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)", "postgres")


def test_a_damaged_one_takes_nobodys_place(place: Place, moved: tuple[Backup, str]) -> None:
    _other_rows(moved[0])
    before = place.postgresql.sql(_DATABASES, "postgres")
    refused = place.run("pg_restore", restored(place, *moved))
    assert "What was restored is not what the backup" in refused.message
    assert place.postgresql.sql(_DATABASES, "postgres") == before


def test_a_table_of_it_comes_beside_the_live_one(place: Place, moved: tuple[Backup, str], room: Path) -> None:
    table = f"public.{moved[0].busiest}"
    options = restored(place, *moved, tables=[table], scratch_dir=str(room / "scratch"))
    result = place.good(place.run("pg_restore", options)).result
    assert [(side["table"], side["rows"]) for side in result["side_tables"]] == [(table, ROWS)]
    place.postgresql.sql(f"DROP SCHEMA {result['side_schema']} CASCADE")


def test_the_records_say_where_it_was_proven(place: Place, moved: tuple[Backup, str], room: Path) -> None:
    backup, database = moved
    judged(backup, room, database)
    kept = (backup.repository / "records" / "chain.jsonl").read_text()
    assert f'"scratch_version": "{servers.MAJOR}.' in kept or f'"scratch_version":"{servers.MAJOR}.' in kept
    shutil.rmtree(room / "scratch")
    again = judged(backup, room, database, recorded_max_age_seconds=60)
    assert (again["cached"], again["structure"]) == (True, "structural")
