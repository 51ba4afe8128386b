# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a restored database, without one."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import compare
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.content import Question, Questions
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.contents import Entry, EntryDifference, entries

from tests.unit.plugins.module_utils._postgres import backups

HEAD = "--\n-- Name: {name}; Type: {kind}; Schema: public; Owner: o\n--\n\n{body}\n\n\n"
TABLE = HEAD.format(name="t", kind="TABLE", body="CREATE TABLE public.t (a character varying DEFAULT 'x'::character varying);")
VALUE = HEAD.format(name="s", kind="SEQUENCE SET", body="SELECT pg_catalog.setval('public.s', 500, true);")
ODD = HEAD.format(name="o's", kind="SEQUENCE SET", body="""SELECT pg_catalog.setval('public."o''s"', -7, false);""")
FILLED = HEAD.format(name="v", kind="MATERIALIZED VIEW DATA", body="REFRESH MATERIALIZED VIEW public.v;")
OBJECT = HEAD.format(name="16400", kind="BLOB", body="SELECT pg_catalog.lo_create('16400');")
GRANT = HEAD.format(name="LARGE OBJECT 16400", kind="ACL", body="GRANT SELECT ON LARGE OBJECT 16400 TO o;")


class Connection:
    """Answers by a word of the question."""

    def __init__(self, answers: dict[str, list[dict[str, Any]]]) -> None:
        self.answers = answers

    def execute(self, query: Any) -> Connection:
        text = query if isinstance(query, str) else query.as_string(None)
        self.rows = next(rows for word, rows in self.answers.items() if word in text)
        return self

    def __iter__(self) -> Any:
        return iter(self.rows)

    def fetchone(self) -> dict[str, Any]:
        return self.rows[0]


def no_advance(_done: float) -> None:
    """Nobody watches."""


def asked(name: str) -> Question:
    return Question("public", name, f"public.{name}", "SELECT 1")


def never() -> Any:
    raise AssertionError("nothing is there that could be asked")


def test_tables_that_came_or_went_are_told_and_do_not_count_as_looked_at() -> None:
    seen = compare.tables([backups.table("gone", 1)], Questions((asked("extra"),)), never, 2, no_advance)
    assert [(found.kind, found.subject) for found in seen.differences] == [
        ("table_missing", "public.gone"),
        ("table_unexpected", "public.extra"),
    ]
    assert (seen.checked, seen.rows) == (0, 0)


def test_queries_that_nobody_derives_here_are_told() -> None:
    expected = [backups.table("known", 1), backups.table("forged", 1, query="SELECT 2"), backups.table("gone", 1)]
    seen = compare.queries(expected, Questions((asked("known"), asked("forged"))))
    assert seen.differences == (EntryDifference("query", "public.forged", "SELECT 1", "SELECT 2"),)
    assert seen.checked == 2


def test_a_restored_structure_is_that_of_the_dump_without_its_content() -> None:
    again = TABLE.replace("DEFAULT 'x'::character varying", "DEFAULT ('x'::text)::character varying")
    assert compare.structure(TABLE + VALUE + FILLED + OBJECT + GRANT, TABLE).differences == ()
    assert compare.structure(TABLE, again).differences == ()
    assert [found.kind for found in compare.structure(TABLE, TABLE.replace("'x'", "'y'")).differences] == ["entry_changed"]
    assert [found.kind for found in compare.structure(TABLE, "").differences] == ["entry_missing"]


def test_a_dump_is_compared_with_the_manifest_to_the_letter() -> None:
    from_manifest = backups.manifest(entries=tuple(entries(TABLE + VALUE)))
    assert compare.dumped(from_manifest, TABLE + VALUE) == compare.Comparison((), 2)
    (found,) = compare.dumped(from_manifest, TABLE + VALUE.replace("500", "499")).differences
    assert (found.kind, found.subject) == ("entry_changed", "SEQUENCE SET public.s")
    assert compare.dumped(from_manifest, TABLE.replace("::character varying)", ")") + VALUE).differences != ()


@pytest.mark.parametrize(("value", "called", "found"), [(500, True, []), (500, False, ["500 next"]), (499, True, ["499 given"])])
def test_a_sequence_stands_where_the_dump_puts_it(value: int, called: bool, found: list[str]) -> None:
    connection = Connection({"public.s": [{"last_value": value, "is_called": called}]})
    seen = compare.sequences(connection, TABLE + VALUE, no_advance)
    assert ([difference.found for difference in seen.differences], seen.checked) == (found, 1)


def test_the_name_of_a_sequence_may_be_odd() -> None:
    connection = Connection({"""FROM public."o's\"""": [{"last_value": -7, "is_called": False}]})
    assert compare.sequences(connection, ODD, no_advance) == compare.Comparison((), 1)


def test_a_view_that_had_rows_has_rows() -> None:
    made = backups.manifest(entries=(Entry("MATERIALIZED VIEW DATA", "public", "v", "o", "1" * 64),))
    full = Connection({"relkind = 'm'": [{"schema": "public", "name": "v", "populated": True}]})
    empty = Connection({"relkind = 'm'": [{"schema": "public", "name": "v", "populated": False}]})
    assert compare.views(full, made) == compare.Comparison((), 1)
    expected = EntryDifference("view_not_populated", "public.v", "populated", "not populated")
    assert compare.views(empty, made) == compare.Comparison((expected,), 1)
