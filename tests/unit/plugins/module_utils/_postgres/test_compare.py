# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a restored database, without one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import compare, sequence_values
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.content import Question
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.contents import Entry, EntryDifference, entries
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.facts import SequenceState
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.table_content import TableContent

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
    seen = compare.tables([backups.table("gone", 1)], (asked("extra"),), never, 2, no_advance)
    assert [(found.kind, found.subject) for found in seen.differences] == [
        ("table_missing", "public.gone"),
        ("table_unexpected", "public.extra"),
    ]
    assert (seen.checked, seen.rows) == (0, 0)


class Tables:
    """Sessions that answer by the question."""

    def __init__(self, **answers: tuple[int, ...]) -> None:
        self.answers = answers

    @contextmanager
    def opened(self) -> Iterator[Any]:
        yield self

    def execute(self, query: str, _values: object = None) -> Any:
        self.query = query
        return self

    def fetchone(self) -> dict[str, int]:
        names = ("rows", "first", "second", "generated_first", "generated_second")
        return dict(zip(names, self.answers[self.query], strict=False))

    def cancel(self) -> None:
        """Nothing goes on."""

    def seen(self, *expected: TableContent) -> compare.Comparison:
        there = [Question(table.schema, table.name, table.group, table.query) for table in expected]
        return compare.tables(expected, there, self.opened, 1, no_advance)


def content(name: str, rows: int, *sums: str, **changes: Any) -> TableContent:
    return backups.table(name, rows, query=name, sums=sums[:2], generated_sums=sums[2:], **changes)


def test_rows_come_before_their_content() -> None:
    seen = Tables(same=(1, 1, 2), fewer=(3, 0, 0), other=(4, 1, 3)).seen(
        content("same", 1, "1", "2"), content("fewer", 4, "0", "0"), content("other", 4, "1", "2")
    )
    assert [(found.kind, found.subject, found.expected, found.found) for found in seen.differences] == [
        ("rows", "public.fewer", "4 rows", "3 rows"),
        ("content", "public.other", "4 rows with sums 1 and 2", "4 rows with sums 1 and 3"),
    ]
    assert (seen.checked, seen.rows, seen.odd) == (3, 8, ())


def test_parts_whose_rows_may_lie_otherwise_are_added_up() -> None:
    parts = [content("low", 3, "10", "-1", group="public.whole"), content("high", 1, "5", "2", group="public.whole")]
    assert Tables(low=(1, 7, 0), high=(3, 8, 1)).seen(*parts).differences == ()
    (found,) = Tables(low=(1, 7, 0), high=(3, 8, 2)).seen(*parts).differences
    assert (found.kind, found.subject, found.found) == ("content", "public.whole", "4 rows with sums 15 and 2")


def test_columns_that_are_computed_anew_are_odd_and_no_difference() -> None:
    seen = Tables(t=(1, 1, 2, 3, 4)).seen(content("t", 1, "1", "2", "3", "5"))
    assert (seen.differences, seen.odd) == ((), (EntryDifference("generated", "public.t", "3, 5", "3, 4"),))
    assert Tables(t=(1, 1, 2, 3, 4)).seen(content("t", 1, "1", "2", "3", "4")).odd == ()


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (SequenceState("public.s", 500, 1, False), []),
        (SequenceState("public.s", 501, 1, False), ["at 500"]),
        (SequenceState("public.s", 499, -1, False), ["at 500"]),
        (SequenceState("public.s", 501, 1, True), []),
        (SequenceState("public.s", None, 1, False), []),
        (SequenceState("public.elsewhere", 501, 1, False), []),
        (SequenceState("""public."o's\"""", 1, 1, False), ["never asked"]),
    ],
)
def test_a_sequence_that_was_set_back_after_the_snapshot_is_told(state: SequenceState, said: list[str]) -> None:
    found = sequence_values.since_snapshot(backups.manifest(sequences=(state,)), VALUE + ODD)
    assert [difference.found for difference in found] == said


def test_queries_that_nobody_derives_here_are_told_and_replaced() -> None:
    expected = [backups.table("known", 1, query="SELECT 1"), backups.table("forged", 1, query="SELECT 2"), backups.table("gone", 1)]
    here, others = compare.ours(expected, (asked("known"), asked("forged")))
    assert ([table.query for table in here[:2]], here[2], others) == (["SELECT 1"] * 2, expected[2], ["public.forged"])


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
    seen = sequence_values.sequences(connection, TABLE + VALUE, no_advance)
    assert ([difference.found for difference in seen.differences], seen.checked) == (found, 1)


def test_the_name_of_a_sequence_may_be_odd() -> None:
    connection = Connection({"""FROM public."o's\"""": [{"last_value": -7, "is_called": False}]})
    assert sequence_values.sequences(connection, ODD, no_advance) == compare.Comparison((), 1)


def test_a_view_that_had_rows_has_rows() -> None:
    made = backups.manifest(entries=(Entry("MATERIALIZED VIEW DATA", "public", "v", "o", "1" * 64),))
    full = Connection({"relkind = 'm'": [{"schema": "public", "name": "v", "populated": True}]})
    empty = Connection({"relkind = 'm'": [{"schema": "public", "name": "v", "populated": False}]})
    assert compare.views(full, made) == compare.Comparison((), 1)
    expected = EntryDifference("view_not_populated", "public.v", "populated", "not populated")
    assert compare.views(empty, made) == compare.Comparison((expected,), 1)


@pytest.mark.parametrize(
    ("after", "kinds"),
    [
        (TABLE.replace("'x'", "'y'"), []),
        (TABLE.replace("Owner: o", "Owner: p"), ["entry_changed"]),
        ("", ["entry_missing"]),
        (TABLE + HEAD.format(name="u", kind="TABLE", body="CREATE TABLE public.u ();"), ["entry_unexpected"]),
    ],
)
def test_across_releases_words_may_differ_and_nothing_else(after: str, kinds: list[str]) -> None:
    found = compare.structure(TABLE, after, across=True)
    assert [difference.kind for difference in found.differences] == kinds
    assert bool(found.odd) is ("'y'" in after)
    assert bool(compare.structure(TABLE, after).differences) is True
