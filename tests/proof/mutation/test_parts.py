# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of a part of a database: what is chosen passes, and each damage to it fails for its own reason."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.postgres import support
from tests.integration.postgres.damage import Backup, copied
from tests.integration.postgres.parts import LEFT_OUT, NAME, SELECTIONS, back_up, judged
from tests.integration.postgres.support import Place

LESS = ("--exclude-schema=audit", "--exclude-table=public.many")
BARE = (*LESS, "--exclude-table-data=public.log_*")
# What was done to the database, how pg_dump was called, whether the manifest lists what is in the dump, and what has to be named.
MUTANTS: dict[str, tuple[str, tuple[str, ...], bool, list[tuple[str, str]]]] = {
    "a value of a table that was chosen": (
        "UPDATE customers SET name = 'NAME 7' WHERE id = 7",
        BARE,
        False,
        [("content", "public.customers")],
    ),
    "a row of a table that was chosen": ("DELETE FROM orders WHERE id = 7", BARE, False, [("rows", "public.orders")]),
    "a table that was chosen": (
        "",
        (*BARE, "--exclude-table=public.orders"),
        False,
        [
            ("entry_missing", "CONSTRAINT public.orders orders_pkey"),
            ("entry_missing", "FK CONSTRAINT public.orders of_customer"),
            ("entry_missing", "TABLE public.orders"),
        ],
    ),
    "a table that was chosen, and its entries": ("", (*BARE, "--exclude-table=public.orders"), True, [("table_missing", "public.orders")]),
    "rows that were left out are there": ("", LESS, False, [("rows", "public.log_1"), ("rows", "public.log_2")]),
    "a table that was left out is there": (
        "CREATE TABLE public.secret AS SELECT 1 AS n",
        BARE,
        False,
        [("entry_unexpected", "TABLE public.secret")],
    ),
    "a table that was left out is there, with its entry": (
        "CREATE TABLE public.secret AS SELECT 1 AS n",
        BARE,
        True,
        [("table_unexpected", "public.secret")],
    ),
    "a view that was left out is there": (
        "",
        ("--exclude-schema=audit", BARE[-1]),
        False,
        [("entry_unexpected", "MATERIALIZED VIEW DATA public.many"), ("entry_unexpected", "MATERIALIZED VIEW public.many")],
    ),
    "nothing": ("", BARE, False, []),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_lost_or_otherwise_is(name: str, partial: Backup, room: Path) -> None:
    statements, options, believed, named = MUTANTS[name]
    partial.graft(statements, *options)
    if believed:
        partial.believe_dump()
    verdict, differences = judged(partial, room)
    assert (verdict, differences) == ("failed" if named else "passed", named)


def test_a_part_among_backups_of_all_is_seen(partial: Backup, room: Path) -> None:
    """The directory knows of what its backups are."""
    marker = partial.repository / ".endpoint-stats-backups.json"
    text = re.sub(r', "selection": .*', "}", marker.read_text())
    marker.write_text(text + "\n")
    assert judged(partial, room, "checksum") == ("failed", [("other_selection", "manifest.json")])


def test_a_manifest_that_says_it_is_of_all_is_seen(partial: Backup, room: Path) -> None:
    partial.forge(selection=None)
    assert judged(partial, room, "checksum") == ("failed", [("other_selection", "manifest.json")])


def test_a_table_that_was_left_out_and_is_said_to_be_there_is_seen(partial: Backup, room: Path) -> None:
    first = partial.manifest.tables[0]
    partial.forge(tables=tuple(sorted((*partial.manifest.tables, replace(first, schema="public", name="secret", group="public.secret")))))
    assert judged(partial, room) == ("failed", [("table_missing", "public.secret")])


@pytest.mark.parametrize("level", ["checksum", "data", "constraints", "full"])
def test_it_passes_at_each_level(partial: Backup, room: Path, level: str) -> None:
    result = partial.verify(room, level=level, database=NAME).result
    assert (result["verdict"], result["reason"]) == ("passed", "")
    assert [(found["id"], found["evidence"]) for found in result["findings"]] == [("backup_partial", f"it lacks {', '.join(LEFT_OUT)}")]
    assert level == "checksum" or (result["checked"]["tables"], result["checked"]["rows"]) == (5, 131)


@pytest.mark.parametrize("name", SELECTIONS)
def test_what_is_chosen_passes(source: Place, room: Path, name: str) -> None:
    selection, left_out = SELECTIONS[name]
    checked = source.good(back_up(source, room / "backups", selection, check=True)).result
    result = source.good(back_up(source, room / "backups", selection)).result
    assert (result["left_out"], checked["left_out"]) == (left_out, left_out)
    assert judged(Backup(source, Path(result["backup_path"])), room, "full") == ("passed", [])


def test_each_of_two_databases_of_a_server_passes_and_stays_in_its_own_directory(source: Place, room: Path) -> None:
    with copied(source, "DELETE FROM orders WHERE id < 10", NAME) as other:
        made = {name: Path(source.good(back_up(source, room / name, {}, database=name)).result["backup_path"]) for name in (NAME, other)}
        for name, path in made.items():
            assert Backup(source, path).verify(room, database=name).result["verdict"] == "passed"
    strayed = made[NAME].parent / made[other].name
    shutil.rmtree(made[NAME])
    shutil.copytree(made[other], strayed)
    for path in (strayed, *strayed.rglob("*")):
        support.own(path)
    assert judged(Backup(source, strayed), room, "checksum") == ("failed", [("other_database", "manifest.json")])


TORN = "The backup would lack what a part of it needs, and could not be restored"
REFUSED: dict[str, tuple[str, dict[str, list[str]], str]] = {
    "a schema that is not there": (
        "",
        {"include_schemas": ["publik"]},
        "include_schemas names what the database does not have: publik.*public",
    ),
    "a table without its schema": ("", {"exclude_tables": ["orders"]}, "exclude_tables names .*: orders.*with their schema.*public.orders"),
    "a pattern": ("", {"exclude_tables": ["public.*"]}, r"does not have: public\.\*.*Names are exact"),
    "the rows of a view": (
        "",
        {"exclude_table_data": ["audit.told"]},
        "exclude_table_data names what the database does not have: audit.told",
    ),
    "no table at all": ("", {"include_schemas": ["audit"], "exclude_tables": ["audit.events", "audit.told"]}, "leaves no table"),
    "a foreign key": (
        "",
        {"exclude_tables": ["public.customers"]},
        f"{TORN}.*constraint of_customer on table public.orders needs (column id of )?table public.customers.*Leave out",
    ),
    "the rows for a foreign key": (
        "",
        {"exclude_table_data": ["public.customers"]},
        "Foreign keys .*constraint of_customer on table public.orders needs the rows of table public.customers",
    ),
    "the table of a view": ("", {"exclude_tables": ["public.orders"]}, f"{TORN}.*materialized view public.many needs table public.orders"),
    "a partitioned table alone": ("", {"include_tables": ["public.log_1"]}, f"{TORN}.*table public.log_1 needs table public.log"),
    "the type of a column": (
        "ALTER TABLE orders ADD kind audit.kind",
        {"exclude_schemas": ["audit"]},
        f"{TORN}.*table public.orders needs type audit.kind",
    ),
    "the function of a default": (
        "ALTER TABLE orders ADD made timestamptz DEFAULT audit.now()",
        {"exclude_schemas": ["audit"]},
        f"{TORN}.*default value for column made of table public.orders needs function audit.now()",
    ),
    "the schema of an extension": (
        "CREATE EXTENSION pg_trgm SCHEMA audit",
        {"exclude_schemas": ["audit"]},
        f"{TORN}.*extension pg_trgm needs schema audit",
    ),
    "the function of a trigger": (
        "CREATE FUNCTION audit.seen() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';"
        "CREATE TRIGGER seen BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION audit.seen()",
        {"exclude_schemas": ["audit"]},
        f"{TORN}.*trigger seen on table public.orders needs function audit.seen()",
    ),
    "the function of an index": (
        "CREATE FUNCTION audit.half(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 / 2';"
        "CREATE INDEX halves ON orders (audit.half(id))",
        {"exclude_schemas": ["audit"]},
        f"{TORN}.*index public.halves needs function audit.half",
    ),
    "the table of a function": (
        "CREATE FUNCTION first() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT min(id) FROM audit.events; END",
        {"exclude_schemas": ["audit"]},
        f"{TORN}.*function (public.)?first.. needs table audit.events",
    ),
    "the parent of a table": (
        "CREATE TABLE late () INHERITS (orders)",
        {"exclude_tables": ["public.orders", "public.many"]},
        f"{TORN}.*table public.late needs table public.orders",
    ),
    "the sequence of a column": (
        "CREATE SEQUENCE audit.numbers; ALTER TABLE orders ALTER id SET DEFAULT nextval('audit.numbers')",
        {"exclude_schemas": ["audit"]},
        f"{TORN}.*default value for column id of table public.orders needs sequence audit.numbers",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_not_be_restored_is_refused_before_anything_is_written(source: Place, room: Path, name: str) -> None:
    statements, selection, told = REFUSED[name]
    with copied(source, statements, NAME) as database:
        outcome = source.backup(room / "backups", database=database, selection=selection)
    assert outcome.failed
    assert re.search(told, outcome.message, re.DOTALL), outcome.message
    assert list(room.iterdir()) == []
