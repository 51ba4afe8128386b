# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Of a backup with sums of parts it is told which rows differ: each damage names its ranges, and no other ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.postgres.conftest import KEYED
from tests.integration.postgres.damage import Backup

FIRST, LAST = "day before 2026-01-07", "day from 2026-04-04"
# What was done to the rows, and for the table what is said of where: words, rows expected, rows found.
DAMAGES: dict[str, tuple[str, str, list[tuple[str, int, int]]]] = {
    "one value changed": ("UPDATE wide SET word = 'w' WHERE id = 100", "wide", [("id 62 to 123", 62, 62)]),
    "values swapped between two rows of two ranges": (
        "UPDATE wide SET word = CASE id WHEN -400 THEN 'word 300' ELSE 'word -400' END WHERE id IN (-400, 300)",
        "wide",
        [("id -438 to -377", 62, 62), ("id 249 to 311", 63, 63)],
    ),
    "values swapped between two rows of one range": (
        "UPDATE wide SET word = CASE id WHEN 70 THEN 'word 71' ELSE 'word 70' END WHERE id IN (70, 71)",
        "wide",
        [("id 62 to 123", 62, 62)],
    ),
    "values swapped between two rows of neighbours": (
        "UPDATE wide SET word = CASE id WHEN 123 THEN 'word 124' ELSE 'word 123' END WHERE id IN (123, 124)",
        "wide",
        [("id 62 to 186", 125, 125)],
    ),
    "a row lost": ("DELETE FROM wide WHERE id = -1", "wide", [("id -1 to 61", 63, 62)]),
    "a row moved to another range": (
        "UPDATE wide SET id = 1000 WHERE id = -500",
        "wide",
        [("id up to -439", 62, 61), ("id from 437", 63, 64)],
    ),
    "a row doubled, as nothing keeps it from": (
        "ALTER TABLE wide DROP CONSTRAINT wide_pkey; INSERT INTO wide SELECT * FROM wide WHERE id = 0",
        "wide",
        [("id -1 to 61", 63, 64)],
    ),
    "a column moved on by a row": (
        "UPDATE wide SET word = 'word ' || CASE id WHEN 499 THEN -500 ELSE id + 1 END",
        "wide",
        [("all rows", 1000, 1000)],
    ),
    "no row left": ("TRUNCATE wide", "wide", [("all rows", 1000, 0)]),
    "the row of -infinity": ("""UPDATE days SET "the note" = 'x' WHERE day = '-infinity'""", "days", [(FIRST, 145, 145)]),
    "the row of infinity": ("DELETE FROM days WHERE day = 'infinity'", "days", [(LAST, 169, 168)]),
    "a second later": (
        "UPDATE moments SET at = at + interval '1 second' WHERE n = 1",
        "moments",
        [("at before 2026-03-29 00:25:00+00", 24, 24)],
    ),
    "a key that is no range": (
        "UPDATE names SET note = 'x' WHERE name = 'name 17'",
        "names",
        [("part 11 of 16 by hash of name, part, with keys from name 127, x to name 96, x", 29, 29)],
    ),
    "a domain": ("UPDATE of_domain SET word = 'x' WHERE id = 100", "of_domain", [("id from 94", 7, 7)]),
    "the only row": ("UPDATE one SET id = 8", "one", [("id from 7", 1, 1)]),
    "a row where none was": ("INSERT INTO empty VALUES (-3)", "empty", [("all rows", 0, 1)]),
    "a row of a partition": ("DELETE FROM months WHERE id = 100", "months_1", [("id 100 to 107", 8, 7)]),
    "a row of a child": ("DELETE FROM child WHERE id = 1", "child", [("id 1", 1, 0)]),
    "a table without a key": ("UPDATE keyless SET word = 'c' WHERE id = 1", "keyless", []),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_it_is_told_where(name: str, keyed: Backup, room: Path) -> None:
    sql, table, expected = DAMAGES[name]
    keyed.graft(sql)
    if "CONSTRAINT" in sql:
        keyed.believe_dump()
    result = keyed.verify(room, database=KEYED, level="data").result
    (difference,) = result["differences"]
    told = [(part["rows"], part["expected_rows"], part["found_rows"]) for part in difference["ranges"]]
    assert (result["verdict"], difference["subject"], told) == ("failed", f"public.{table}", expected)


def test_keys_of_every_kind_pass_with_everything_built(keyed: Backup, room: Path) -> None:
    result = keyed.verify(room, database=KEYED).result
    assert (result["verdict"], result["reason"], result["level"]) == ("passed", "", "full")


def test_parts_that_contradict_the_sums_of_their_table_fail_nothing(keyed: Backup, room: Path) -> None:
    tables = keyed.manifest.tables
    forged = [
        replace(one, buckets=replace(one.buckets, sums=("1 1 1",) * 16)) if one.name == "wide" and one.buckets else one for one in tables
    ]
    assert forged != list(tables)
    keyed.forge(tables=tuple(forged))
    assert keyed.verify(room, database=KEYED, level="data").result["verdict"] == "passed"
