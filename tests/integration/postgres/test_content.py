# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a manifest says of the content of tables: the same after every healthy restore, and another one after every change."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.answer import SETTINGS
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.content import LARGE_OBJECT_RIGHTS, LARGE_OBJECTS
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.table_content import TableContent

from tests.integration.postgres import support
from tests.integration.postgres.damage import Backup, copy_of
from tests.integration.postgres.support import DATABASE, Place

TYPES = """
CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree; CREATE EXTENSION cube;
CREATE TYPE state AS ENUM ('new', 'old', '"odd"');
CREATE DOMAIN percent AS numeric(7, 3) CHECK (VALUE >= 0);
CREATE DOMAIN whole AS percent;
CREATE TYPE pair AS (low float8, high text);
CREATE DOMAIN sorted AS pair CHECK ((VALUE).low IS DISTINCT FROM 7);
CREATE TYPE states AS RANGE (subtype = state);
CREATE DOMAIN ratio AS float8 CHECK (VALUE = 'NaN' OR VALUE < 10);
CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
"""
# Of each type two values that are not the same in a dump; most of them are equal to PostgreSQL, or have the same hash there.
VALUES: dict[str, tuple[str, str]] = {
    "boolean": ("true", "false"),
    "smallint": ("1", "-1"),
    "integer": ("1", "NULL"),
    "bigint": ("1", "4294967296"),
    "numeric": ("1.0", "1.00"),
    "numeric(9, 4)": ("1.5", "-1.5"),
    "real": ("0", "'-0'"),
    "double precision": ("0", "'-0'"),
    "float": ("'infinity'::float8 - 'infinity'::float8", "'infinity'"),
    "money": ("12.3", "-12.3"),
    '"char"': ("'a'", "'b'"),
    "name": ("'a'", "'b'"),
    "text": ("NULL", "'NULL'"),
    "character varying": ("'a'", "'a '"),
    "character(5)": ("'ab'", "'ac'"),
    "bpchar": ("'a'", "'a  '"),
    'text COLLATE "blind"': ("'A'", "'a'"),
    "citext": ("'A'", "'a'"),
    "bytea": (r"'\x00ff'", r"'\x00fe'"),
    "date": ("'infinity'", "'5874897-12-31'"),
    "time": ("'24:00'", "'00:00'"),
    "timetz": ("'12:00+00'", "'13:00+01'"),
    "timestamp": ("'-infinity'", "'4713-01-01 BC'"),
    "timestamptz": ("'294276-12-31 23:59:59.999999Z'", "'294276-12-31 23:59:59.999998Z'"),
    "interval": ("'1 month'", "'30 days'"),
    "uuid": ("'0b4f9c1e-6a53-4d6e-8e3d-1f7c9a2b5d60'", "'0b4f9c1e-6a53-4d6e-8e3d-1f7c9a2b5d61'"),
    "json": ("""'{"a": 1}'""", """'{"a":1}'"""),
    "jsonb": ("""'{"a": 1.0}'""", """'{"a": 1.00}'"""),
    "jsonb DEFAULT NULL": ("""'{"a": 5}'""", """'{"a": -5}'"""),
    "jsonpath": ("'$.a'", "'$.b'"),
    "xml": ("""'<a b="c"/>'""", """'<a b="c"></a>'"""),
    "bit(3)": ("'101'", "'100'"),
    "bit varying": ("'1'", "'10'"),
    "inet": ("'192.0.2.1/24'", "'192.0.2.1/25'"),
    "cidr": ("'192.0.2.0/24'", "'192.0.2.0/25'"),
    "macaddr": ("'08:00:2b:01:02:03'", "'08:00:2b:01:02:04'"),
    "macaddr8": ("'08:00:2b:01:02:03:04:05'", "'08:00:2b:01:02:03:04:06'"),
    "point": ("'(0,1)'", "'(-0,1)'"),
    "box": ("'(1,1),(0,0)'", "'(2,0.5),(0,0)'"),
    "circle": ("'<(0,1),2>'", "'<(0,2),2>'"),
    "tsvector": ("'a:1 b:2'", "'a:1 b:2A'"),
    "tsquery": ("'a'::tsquery && ('b'::tsquery && 'c'::tsquery)", "'a & b & d'"),
    "oid": ("7", "4294967295"),
    "oidvector": ("'1 2'", "'2 1'"),
    "regclass": ("'pg_class'", "'first'"),
    "regtype": ("'state'", "'pair'"),
    "regprocedure": ("'hstore_in(cstring)'", "'sum(integer)'"),
    "pg_lsn": ("'0/1'", "'1/0'"),
    "tid": ("'(0,1)'", "'(1,0)'"),
    "aclitem": ("'owner=r/owner'", "'api=r/owner'"),
    "int4range": ("'[1,5)'", "'[1,6)'"),
    "numrange": ("'[1.0,5)'", "'[1.00,5)'"),
    "tstzrange": ("'[2026-01-01Z,)'", "'(2026-01-01Z,)'"),
    "int4multirange": ("'{[1,2),[3,4)}'", "'{[1,4)}'"),
    "nummultirange": ("'{[1.0,2)}'", "'{[1.00,2)}'"),
    "integer[]": ("'{1,2}'", "'[0:1]={1,2}'"),
    "integer[] DEFAULT NULL": ("'{{1,2}}'", "'{{1},{2}}'"),
    "text[]": ("'{NULL}'", """'{"NULL"}'"""),
    "numeric[]": ("'{1.0}'", "'{1.00}'"),
    "float8[]": ("ARRAY['infinity'::float8 - 'infinity'::float8]", "'{0}'"),
    "regclass[]": ("'{pg_class}'", "'{first}'"),
    "state": ("'new'", "'old'"),
    "state[]": ("'{new,old}'", "'{old,new}'"),
    "states": ("'[new,old]'", "'[new,new]'"),
    "percent": ("1.5", "2.5"),
    "percent[]": ("'{1.5}'", "'{2.5}'"),
    "whole": ("1.0", "2.0"),
    "ratio": ("'infinity'::float8 - 'infinity'::float8", "1"),
    "pair": ("ROW(NULL, NULL)", "NULL"),
    "pair[]": ("ARRAY[ROW(0, 'x')::pair]", "ARRAY[ROW('-0', 'x')::pair]"),
    "sorted": ("ROW(1, 'a')", "ROW(1, 'A')"),
    "hstore": ("'a=>1'", "'a=>NULL'"),
    "ltree": ("'a.b'", "'a.c'"),
    "ltree[]": ("'{a.b}'", "'{a.c}'"),
    "cube": ("'(0,1)'", "'(0,2)'"),
}
# What a restore makes otherwise, although nothing is lost; and names that shadow those of the query.
SHAPES = r"""
CREATE TABLE first (t integer, r text, "R" text, hash integer, hashed integer, rows integer, "odd "" 'name" integer);
INSERT INTO first VALUES (1, 'r', 'R', 2, 3, 4, 5);
CREATE TABLE t (t integer, r first);
INSERT INTO t VALUES (1, ROW(1, 'r', 'R', 2, 3, 4, 5)), (NULL, NULL);
CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES; INSERT INTO nothing DEFAULT VALUES;
CREATE TABLE parent (b integer, a text);
CREATE TABLE child (a text, b integer, c date) INHERITS (parent);
ALTER TABLE parent ADD COLUMN d jsonb;
INSERT INTO parent VALUES (1, 'a');
INSERT INTO child VALUES (2, 'b', NULL, '{}');
CREATE TABLE late (z integer, y text);
ALTER TABLE late DROP COLUMN z;
ALTER TABLE late ADD COLUMN a integer;
INSERT INTO late VALUES ('y', 1);
CREATE TABLE of_states (state state, n integer) PARTITION BY LIST ((n / 100));
CREATE TABLE of_states_low PARTITION OF of_states FOR VALUES IN (0) PARTITION BY HASH (state);
CREATE TABLE of_states_low_0 (n integer, state state);
ALTER TABLE of_states_low ATTACH PARTITION of_states_low_0 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE of_states_low_1 PARTITION OF of_states_low FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE of_states_high PARTITION OF of_states FOR VALUES IN (1);
INSERT INTO of_states SELECT (enum_range(NULL::state))[1 + n % 3], n FROM generate_series(0, 150) n;
CREATE TABLE by_number (n integer) PARTITION BY HASH (n);
CREATE TABLE by_number_0 PARTITION OF by_number FOR VALUES WITH (MODULUS 1, REMAINDER 0);
INSERT INTO by_number VALUES (1), (2);
CREATE FUNCTION made(n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT n * 2';
CREATE TABLE generated (n integer, twice integer GENERATED ALWAYS AS (made(n)) STORED, half numeric GENERATED ALWAYS AS (n / 2.0) STORED);
INSERT INTO generated VALUES (1), (2);
CREATE TABLE changed (n integer, twice integer GENERATED ALWAYS AS (made(n)) STORED);
INSERT INTO changed VALUES (1), (5);
CREATE OR REPLACE FUNCTION made(n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT n * CASE WHEN n < 3 THEN 2 ELSE 3 END';
SELECT lo_create(40000), lo_from_bytea(40001, 'bytes'), lo_from_bytea(40002, ''), lo_from_bytea(40003, decode(repeat('00', 5000), 'hex'));
SELECT lo_put(40000, 10000, 'after a hole'), lo_put(40001, 2040, 'over two pages');
ALTER LARGE OBJECT 40001 OWNER TO owner;
GRANT SELECT ON LARGE OBJECT 40001 TO api, backup; GRANT UPDATE ON LARGE OBJECT 40001 TO api;
CREATE UNLOGGED TABLE fleeting AS SELECT 1 AS n;
CREATE TABLE hidden (n integer);
INSERT INTO hidden VALUES (1);
ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;
CREATE TABLE listed (id integer, note text, at timestamptz);
INSERT INTO listed SELECT n, CASE WHEN n % 3 > 0 THEN n % 7 || E'\r\n\\.\n' END, '2026-01-01Z'::timestamptz + n * interval '1 hour'
FROM generate_series(1, 200) n;
"""
# What becomes of rows whose number stays the same, or of their number.
CHANGES = {
    "values of two rows swapped": "UPDATE listed a SET at = b.at FROM listed b WHERE a.id IN (5, 6) AND b.id = 11 - a.id",
    "two columns of two rows swapped": (
        "UPDATE listed a SET at = b.at, note = b.note FROM listed b WHERE a.id IN (5, 6) AND b.id = 11 - a.id"
    ),
    "a column rotated by one row": "UPDATE listed a SET at = b.at FROM listed b WHERE b.id = a.id % 200 + 1",
    "one value changed": "UPDATE listed SET at = at + interval '1 microsecond' WHERE id = 77",
    "a line end changed": r"UPDATE listed SET note = replace(note, E'\r\n', E'\n') WHERE id = 77",
    "NULL instead of nothing": "UPDATE listed SET note = '' WHERE id = 3",
    "one row twice, another one not at all": (
        "UPDATE listed a SET (note, at, id) = (b.note, b.at, b.id) FROM listed b WHERE a.id = 5 AND b.id = 6"
    ),
    "two rows merged into what they have in common": "UPDATE listed SET id = 200 - id WHERE id IN (50, 51)",
}
BYTES = {
    "a byte": "SELECT lo_put(40001, 2, '!')",
    "a byte of a later page": "SELECT lo_put(40001, 2050, '!')",
    "a byte less": "DO $$ BEGIN PERFORM lo_truncate(lo_open(40001, 131072), 2053); END $$",
    "a zero more at the end": r"SELECT lo_put(40001, 2054, '\x00')",
    "bytes at another place": "SELECT lo_put(40000, 10000, 'after  ahole')",
    "one for another": "SELECT lo_unlink(40001), lo_from_bytea(40004, 'bytes')",
}
RIGHTS = {
    "the owner": "ALTER LARGE OBJECT 40001 OWNER TO api",
    "a right": "REVOKE UPDATE ON LARGE OBJECT 40001 FROM api",
    "one for another": "SELECT lo_unlink(40002), lo_create(40004)",
}
OBJECTS = {LARGE_OBJECTS: BYTES, LARGE_OBJECT_RIGHTS: RIGHTS}


@dataclass(frozen=True)
class Made:
    """A database with all types, and a backup of it."""

    place: Place
    backup: Backup

    @property
    def name(self) -> str:
        return self.backup.manifest.database.name

    def table(self, name: str) -> TableContent:
        said = self.backup.manifest
        return next(table for table in (*said.tables, *said.large_objects) if table.name == name)

    def seen_after(self, name: str, *changes: str) -> list[TableContent]:
        """What the manifest's own query says of a table after each of some changes, which are taken back again."""
        settings = "".join(f"SET {key} TO {value!r};" for key, value in SETTINGS.items() if key != "search_path")
        known = self.table(name)
        rows = f"SET LOCAL search_path TO '';\n{known.query};\n"
        script = f"{settings}\nSET search_path TO public;\n" + "".join(
            f"BEGIN;\n\\o /dev/null\n{change};\n\\o\n{rows}ROLLBACK;\n" for change in changes
        )
        argv = [*self.place.postgresql.psql(self.name), "--no-align", "--field-separator=,"]
        done = subprocess.run(argv, input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        answers = [line.split(",") for line in done.stdout.splitlines()]
        return [replace(known, rows=int(rows), sums=(first, second), generated_sums=tuple(more)) for rows, first, second, *more in answers]


@pytest.fixture(scope="module")
def made(place: Place) -> Iterator[Made]:
    name = f"{DATABASE}_content"
    columns = ", ".join(f"c{number} {kind}" for number, kind in enumerate(VALUES))
    first, second = (", ".join(values[which] for values in VALUES.values()) for which in (0, 1))
    with place.room() as room:
        place.postgresql.sql(f"CREATE DATABASE {name} OWNER owner TEMPLATE template0", "postgres")
        table = f"CREATE TABLE vectors (id integer, {columns}); INSERT INTO vectors VALUES (1, {first}), (2, {second})"  # noqa: S608
        for script in (TYPES, SHAPES, table):
            place.postgresql.sql(script, name)
        options = {
            "credentials_dir": str(support.credentials(room / "admin", "admin")),
            "database": name,
            "directory": str(room / "backups"),
        }
        backup = place.good(place.run("pg_backup", {**place.options("admin"), **options}))
        yield Made(place, Backup(place, Path(backup.result["backup_path"])))
        place.postgresql.sql(f"DROP DATABASE {name} WITH (FORCE)", "postgres")


def test_healthy_values_and_tables_are_the_same_after_a_restore(made: Made, room: Path) -> None:
    result = made.backup.verify(room, database=made.name).result
    assert (result["verdict"], result["reason"], result["differences"]) == ("passed", "", [])
    assert [(found["id"], found["subject"]) for found in result["findings"]] == [("generated_columns_differ", "public.changed")]
    groups = {table.name: table.group for table in made.backup.manifest.tables if table.group != table.identity}
    assert groups == {"of_states_low_0": "public.of_states_low", "of_states_low_1": "public.of_states_low"}


def test_a_value_of_each_type_that_becomes_another_one_changes_the_sums(made: Made) -> None:
    known = made.table("vectors")
    changes = [f"UPDATE vectors SET c{number} = {values[1]} WHERE id = 1" for number, values in enumerate(VALUES.values())]  # noqa: S608
    same, *others = made.seen_after("vectors", "SELECT WHERE false", *changes)
    assert same == known
    unseen = [kind for kind, other in zip(VALUES, others, strict=True) if set(other.sums) & set(known.sums)]
    assert (unseen, len(others), {other.rows for other in others}) == ([], len(VALUES), {2})


def test_rows_that_change_change_the_sums(made: Made) -> None:
    known = made.table("listed")
    same, *others = made.seen_after("listed", "UPDATE listed SET id = id", *CHANGES.values())
    assert (same, {other.rows for other in others}) == (known, {200})
    assert [change for change, other in zip(CHANGES, others, strict=True) if set(other.sums) & set(known.sums)] == []


def test_swaps_are_seen_wherever_they_are(made: Made) -> None:
    swap = "UPDATE listed a SET at = b.at FROM listed b WHERE a.id IN ({0}, {1}) AND b.id = {0} + {1} - a.id"
    seen = made.seen_after("listed", *(swap.format(number, number + 1) for number in range(1, 200)))
    assert len({table.sums for table in seen} | {made.table("listed").sums}) == 200


def test_large_objects_are_seen_with_their_owners_and_rights(made: Made) -> None:
    for name, changes in OBJECTS.items():
        known = made.table(name)
        same, *others = made.seen_after(name, r"SELECT lo_put(40000, 5000, '\x0000')", *changes.values())
        assert (same, same.rows) == (known, 4)
        assert [change for change, other in zip(changes, others, strict=True) if set(other.sums) & set(known.sums)] == []


def test_the_manifest_tells_what_it_was_made_from(made: Made) -> None:
    said = made.backup.manifest
    assert (said.server.platform[:11], said.server.icu_version != "") == ("PostgreSQL ", True)
    assert {"bool", "int8", "text", "jsonb", "_int4", "numrange"} <= {answer.type for answer in said.known_answers}
    assert {table.query.partition("(")[0] for table in said.tables} == {"SELECT count"}
    assert said.not_dumped == ()


@pytest.fixture
def copy(made: Made, room: Path) -> Backup:
    """A copy of the backup that may be damaged."""
    return copy_of(made.place, made.backup.repository, room)


def test_a_restore_of_other_content_names_every_table(made: Made, copy: Backup, room: Path) -> None:
    damages = [
        CHANGES["values of two rows swapped"],
        "UPDATE of_states SET n = n + 1 WHERE n = 50",
        "UPDATE of_states SET n = n + 1 WHERE n = 120",
        "UPDATE generated SET n = 3 WHERE n = 2",
        "INSERT INTO nothing DEFAULT VALUES",
        "DELETE FROM first",
        "UPDATE vectors SET c4 = c4 + 0.00 WHERE id = 1",
        BYTES["a byte"],
    ]
    copy.graft(";".join(damages))
    result = copy.verify(room, database=made.name).result
    assert (result["verdict"], {(found["kind"], found["subject"]) for found in result["differences"]}) == (
        "failed",
        {
            ("content", "public.listed"),
            ("content", "public.of_states_low"),
            ("content", "public.of_states_high"),
            ("content", "public.generated"),
            ("rows", "public.nothing"),
            ("rows", "public.first"),
            ("content", "public.vectors"),
            ("content", "pg_catalog.pg_largeobject"),
        },
    )


def test_a_server_that_computes_otherwise_says_nothing_of_a_backup(made: Made, copy: Backup, room: Path) -> None:
    first, *others = copy.manifest.known_answers
    copy.forge(known_answers=(replace(first, sums=("1", "2")), *others))
    result = copy.verify(room, database=made.name).result
    assert (result["verdict"], result["differences"]) == ("could_not_verify", [])
    assert f"computes otherwise than the one that was backed up. Cause: samples of {first.type}." in result["reason"]
