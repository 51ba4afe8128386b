# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows that are lost, added or changed while the dump restores without an error: each fails for its table and for no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.postgres.damage import Backup

ALIKE = "app.alike"
ORDERS = "app.orders"
COPIED = "app.copied"
# The dump is of the same database in which this was done; PostgreSQL takes most of the former and the latter values for equal.
CHANGED = {
    "values swapped between two rows": ("UPDATE app.orders SET number = 301 - number WHERE number IN (150, 151)", ORDERS),
    "values of a column moved on by a row": (
        "UPDATE app.copied c SET word = o.word FROM app.copied o WHERE o.number = c.number % 50 + 1",
        COPIED,
    ),
    "values of two columns swapped": ("UPDATE app.alike SET t = w::text, w = t::public.citext WHERE id = 3", ALIKE),
    "one value changed": ("UPDATE app.copied SET word = 'Word 7' WHERE number = 7", COPIED),
    "a number one higher and one one lower": (
        "UPDATE app.alike SET f = f + CASE id WHEN 2 THEN 1 ELSE -1 END WHERE id > 1",
        ALIKE,
    ),
    "a row doubled and one lost": (
        "DELETE FROM app.copied WHERE number = 8; INSERT INTO app.copied SELECT * FROM app.copied WHERE number = 9",
        COPIED,
    ),
    "1.0 is 1.00": ("UPDATE app.alike SET n = 1.00 WHERE id = 1", ALIKE),
    "0 is -0": ("UPDATE app.alike SET f = '-0' WHERE id = 1", ALIKE),
    "a month is 30 days": ("UPDATE app.alike SET i = '30 days' WHERE id = 1", ALIKE),
    "a word in other letters": ("UPDATE app.alike SET w = 'word' WHERE id = 1", ALIKE),
    "an array from another bound": ("UPDATE app.alike SET a = '[0:1]={1,2}' WHERE id = 1", ALIKE),
    "an array of another shape": ("UPDATE app.alike SET a = '{{1,2}}' WHERE id = 1", ALIKE),
    "a composite of nulls that was null": ("UPDATE app.alike SET p = ROW(NULL, NULL) WHERE id = 1", ALIKE),
    "1.0 is 1.00 in a document": ("""UPDATE app.alike SET j = '{"k": 1.00}' WHERE id = 1""", ALIKE),
    "1.0 is 1.00 in a range": ("UPDATE app.alike SET r = '[1.00,2]' WHERE id = 1", ALIKE),
    "1.0 is 1.00 deep in a document": ("UPDATE app.orders SET document = jsonb_set(document, '{price}', '1.00') WHERE number = 5", ORDERS),
    "a text that was empty is null": ("UPDATE app.alike SET t = NULL WHERE id = 1", ALIKE),
    "bytes that were none are null": ("UPDATE app.alike SET b = NULL WHERE id = 1", ALIKE),
    "one bit": ("UPDATE app.alike SET b = '\\x02' WHERE id = 3", ALIKE),
    "bits that were none": ("UPDATE app.alike SET x = '0' WHERE id = 1", ALIKE),
    "another label": ("UPDATE app.alike SET s = 'paid' WHERE id = 1", ALIKE),
    "a second later": ("UPDATE app.alike SET z = z + interval '1 second' WHERE id = 2", ALIKE),
    "an hour of another zone": ("UPDATE app.alike SET z = '2026-01-02 00:00+01' WHERE id = 2", ALIKE),
    "spaces at the end": ("UPDATE app.copied SET word = word || ' ' WHERE number = 3", COPIED),
    "the numbers of all rows turned round": ("UPDATE app.copied SET number = 51 - number", COPIED),
}
COUNTED = {
    "a row missing": ("DELETE FROM app.copied WHERE number = 11", COPIED),
    "a row more": ("INSERT INTO app.copied VALUES (51, 'word 51')", COPIED),
    "a row doubled": ("INSERT INTO app.copied SELECT * FROM app.copied WHERE number = 12", COPIED),
    "no row left": ("TRUNCATE app.copied", COPIED),
    "one row of nulls more": ("INSERT INTO app.copied VALUES (NULL, NULL)", COPIED),
}


def differences(backup: Backup, room: Path, sql: str) -> tuple[str, list[tuple[str, str]]]:
    backup.graft(sql)
    result = backup.verify(room, level="data", database="everything").result
    return result["verdict"], sorted((difference["kind"], difference["subject"]) for difference in result["differences"])


@pytest.mark.parametrize("name", CHANGED)
def test_with_as_many_rows_as_before(name: str, everything: Backup, room: Path) -> None:
    sql, table = CHANGED[name]
    assert differences(everything, room, sql) == ("failed", [("content", table)])


@pytest.mark.parametrize("name", COUNTED)
def test_there_is(name: str, everything: Backup, room: Path) -> None:
    sql, table = COUNTED[name]
    assert differences(everything, room, sql) == ("failed", [("rows", table)])


def test_a_row_of_the_child_is_one_of_the_parent(everything: Backup, room: Path) -> None:
    """The rows of both together are as before."""
    sql = "DELETE FROM app.child; INSERT INTO app.parent VALUES (2, 'second')"
    assert differences(everything, room, sql) == ("failed", [("rows", "app.child"), ("rows", "app.parent")])


def test_rows_in_another_order_are_the_same(everything: Backup, room: Path) -> None:
    sql = "CREATE TABLE app.kept AS TABLE app.copied; TRUNCATE app.copied; "
    sql += "INSERT INTO app.copied SELECT * FROM app.kept ORDER BY number DESC; DROP TABLE app.kept"
    assert differences(everything, room, sql) == ("passed", [])
