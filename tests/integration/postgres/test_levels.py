# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each level of a verification looks at, and what it costs."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.app import servers
from tests.integration.postgres import gate
from tests.integration.postgres.damage import Backup, copy_of
from tests.integration.postgres.support import Place

DATABASE = "leveled"
# One of each that rows can break, some that they cannot, and what keeps a table from being unlogged by the statement of that name.
SCHEMA = """
CREATE TABLE owners (id integer PRIMARY KEY, name text UNIQUE);
INSERT INTO owners SELECT n, 'owner ' || n FROM generate_series(1, 9) n;
CREATE TABLE things (id integer NOT NULL, owner integer REFERENCES owners, share integer CHECK (share < 1000), note text)
  PARTITION BY RANGE (id);
CREATE TABLE things_1 PARTITION OF things FOR VALUES FROM (1) TO (5000);
INSERT INTO things SELECT n, 1 + n % 9, 1 + n % 900, repeat('note ', 20) || n FROM generate_series(1, 4000) n;
CREATE INDEX ON things (owner);
CREATE INDEX ON things_1 (note);
CREATE INDEX halves ON things_1 ((1000 / share));
CREATE INDEX parts ON things_1 (id) WHERE 1000 / share > 5;
COMMENT ON INDEX things_1_note_idx IS 'plain';
CREATE TABLE slots (during int4range, EXCLUDE USING gist (during WITH &&));
INSERT INTO slots VALUES ('[1,2)'), ('[2,3)'), ('[3,4)');
CREATE MATERIALIZED VIEW seen AS SELECT owner, count(*) FROM things GROUP BY owner;
CREATE INDEX ON seen (owner);
CREATE PUBLICATION told FOR TABLE owners;
"""


@pytest.fixture(scope="module")
def made(place: Place) -> Iterator[Path]:
    """A directory with one good backup of it."""
    with place.room() as room:
        place.postgresql.sql(f"CREATE DATABASE {DATABASE} OWNER owner", "postgres")
        try:
            place.postgresql.sql(SCHEMA, DATABASE)
            place.good(place.backup(room / "backups", database=DATABASE))
        finally:
            place.postgresql.sql(f"DROP DATABASE {DATABASE} WITH (FORCE)", "postgres")
        yield room / "backups"


@pytest.fixture
def leveled(place: Place, made: Path, room: Path) -> Backup:
    """A copy of it that may be damaged."""
    return copy_of(place, made, room)


_COLLECTION = "ansible_collections.endpoint_stats.ops.plugins"
SPLIT = f"""
from {_COLLECTION}.module_utils._postgres import compressed, streams
streams._SPLIT_BYTES = compressed._BLOCK_BYTES = 4096
from {_COLLECTION}.modules import pg_backup_verify
pg_backup_verify.main()
"""
PHASES = {
    "data": ["server", "roles", "restore", "sequences", "indexes", "rows"],
    "constraints": ["server", "roles", "restore", "sequences", "indexes", "rows", "structure"],
    "full": ["server", "roles", "restore", "sequences", "indexes", "rows", "structure", "amcheck"],
}


@pytest.mark.parametrize("level", PHASES)
def test_a_healthy_backup_passes_at_level(level: str, leveled: Backup, room: Path) -> None:
    result = leveled.verify(room, database=DATABASE, level=level, amcheck=level == "full").result
    assert (result["verdict"], result["differences"], result["level"]) == ("passed", [], level)
    assert [phase for phase in result["seconds"] if phase in PHASES["full"]] == PHASES[level]
    # Two of things, one of its partition and one of the view.
    assert result["checked"]["indexes_parsed"] == {"constraints": 4}.get(level, 0)
    assert (result["checked"]["relations_examined"] > 10) is (level == "full")
    assert (result["restore_seconds"] is None) is (level != "full")
    assert result["checked"]["views"] == (1 if level == "full" else 0)


DAMAGED = {
    "a row without its owner": ("things_1", b"\t2\t", b"\t77\t", "violates foreign key"),
    "a name that is there twice": ("owners", b"owner 2\n", b"owner 1\n", "could not create unique index"),
    "a value that an expression does not take": ("things_1", b"\t3\tnote", b"\t0\tnote", "division by zero"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_making_what_rows_can_break_shows(name: str, leveled: Backup, room: Path) -> None:
    table, old, new, words = DAMAGED[name]
    leveled.edit_bytes(table, lambda data: data.replace(old, new, 1))
    result = leveled.verify(room, database=DATABASE, level="constraints").result
    assert (result["verdict"], [(found["kind"], found["subject"]) for found in result["differences"]]) == ("failed", [("restore", "dump")])
    assert words in result["reason"]


def test_a_row_that_breaks_its_table_is_named_at_the_lowest_level_that_loads_it(leveled: Backup, room: Path) -> None:
    leveled.edit_rows("things_1", lambda lines: [*lines[:99], lines[99].replace(b"\tnote", b"000\tnote", 1), *lines[100:]])
    result = leveled.verify(room, database=DATABASE, level="data").result
    file = str(leveled.data_file("things_1").relative_to(leveled.path))
    assert [(found["kind"], found["subject"]) for found in result["differences"]] == [("restore", file)]
    assert 'line 100: new row for relation "things_1" violates check constraint' in result["reason"]


@pytest.mark.parametrize("line", [0, 2999])
def test_a_file_that_several_sessions_load_is_whole_and_a_row_of_it_has_its_line(line: int, leveled: Backup, room: Path) -> None:
    """Files that are split are larger than those of tests; here four kilobytes are large."""
    if line:
        leveled.edit_rows("things_1", lambda lines: [*lines[: line - 1], b"garbage" + lines[line - 1], *lines[line:]])
    options = {"directory": str(leveled.repository), "database": DATABASE, "scratch_dir": str(room / "scratch"), "level": "data"}
    running = leveled.place.start("pg_backup_verify", {**options, "jobs": 3, "require_passed": False}, code=SPLIT)
    result = running.outcome().result
    words = [f"line {line}: invalid input syntax"] if line else []
    assert [word for word in words if word not in result["reason"]] == []
    assert (result["verdict"], result["checked"]["rows"]) == (("failed", 0) if line else ("passed", 4012))


def test_a_damaged_index_is_seen_by_amcheck(leveled: Backup, room: Path) -> None:
    options = {"directory": str(leveled.repository), "database": DATABASE, "scratch_dir": str(room / "scratch"), "amcheck": True}
    with gate.of_phase(room, "amcheck", module="pg_backup_verify") as stopped:
        running = leveled.place.start("pg_backup_verify", {**options, "require_passed": False}, code=stopped.code)
        stopped.wait()
        exchange_with_damaged_copy(room)
        stopped.open()
        result = running.outcome().result
    assert (result["verdict"], [found["subject"] for found in result["differences"]]) == ("failed", ["public.owners_pkey"])
    assert result["differences"][0]["kind"] == "index_corrupt"


def exchange_with_damaged_copy(room: Path) -> None:
    """In the place of the restored database a copy, with other bytes in a page of an index that no server has read yet."""
    (scratch,) = (room / "scratch").glob("scratch-*")
    # The name of the superuser is told nobody; it stands in the table of roles.
    (name,) = set(re.findall(rb"scratch_[0-9a-f]{8}", (scratch / "data" / "global" / "1260").read_bytes()))
    psql(scratch, name.decode(), f"CREATE DATABASE damaged TEMPLATE {DATABASE} STRATEGY file_copy")
    path = scratch / "data" / psql(scratch, name.decode(), "SELECT pg_relation_filepath('owners_pkey')", "damaged")
    with path.open("r+b") as stream:
        # The key of the first tuple, before the special space of the first page that holds any.
        stream.seek(2 * 8192 - 16 - 8)
        stream.write(bytes([0x5A]) * 4)
    psql(scratch, name.decode(), f"DROP DATABASE {DATABASE}")
    psql(scratch, name.decode(), f"ALTER DATABASE damaged RENAME TO {DATABASE}")


def psql(scratch: Path, name: str, statement: str, database: str = "template1") -> str:
    argv = [str(servers.BINARIES / "psql"), "--no-psqlrc", "--tuples-only", "--no-align", "--quiet", f"--host={scratch}", "--port=5432"]
    done = subprocess.run([*argv, f"--username={name}", database, f"--command={statement}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_level_and_amcheck_that_do_not_fit_are_refused(leveled: Backup, room: Path) -> None:
    options = {"directory": str(leveled.repository), "database": DATABASE, "scratch_dir": str(room / "scratch")}
    outcome = leveled.place.run("pg_backup_verify", {**options, "level": "data", "amcheck": True})
    assert (outcome.failed, "amcheck looks at the indexes of level full" in outcome.message) == (True, True)


def test_a_database_above_the_ceiling_could_not_be_verified(leveled: Backup, room: Path) -> None:
    result = leveled.verify(room, database=DATABASE, scratch_max_bytes=1 << 20).result
    assert (result["verdict"], "scratch_max_bytes allows 1,048,576" in result["reason"]) == ("could_not_verify", True)
    assert not os.path.lexists(room / "scratch")
