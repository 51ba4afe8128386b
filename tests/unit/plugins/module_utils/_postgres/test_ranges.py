# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How rows that differ are named, and that nothing of it decides."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import buckets, ranges
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.contents import EntryDifference, RowRange
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.table_content import Buckets

from tests.unit.plugins.module_utils._postgres import backups

DIFFERS = EntryDifference("content", "public.t", "4 rows with sums 1 and 2", "4 rows with sums 1 and 3")
GONE = EntryDifference("entry_missing", "TABLE public.t", "owner o", "none")


class Sessions:
    """They answer with the parts that have rows."""

    def __init__(self, *parts: tuple[int, int, int, int]) -> None:
        self.opened_times = 0
        self.parts = [dict(zip(("bucket", "rows", "first", "second"), part, strict=True)) for part in parts]

    @contextmanager
    def opened(self) -> Iterator[Any]:
        self.opened_times += 1
        yield self

    def execute(self, _query: str, _values: object = None) -> Any:
        return self.parts

    def found(self, *differences: EntryDifference, by: str = "int8", bounds: tuple[str, ...] = ("10", "20", "30")) -> list[EntryDifference]:
        parts = Buckets('"public"."t"', ("id", "n"), 'r."id"', by, bounds, "SELECT parts", ("1 1 1", "2 5 5", "0 0 0", "1 7 7"))
        return ranges.located(differences, [backups.table("t", 4, buckets=parts), backups.table("u", 1)], self.opened)


def words(sessions: Sessions, **how: Any) -> list[str]:
    (difference,) = sessions.found(DIFFERS, **how)
    return [part.line for part in difference.ranges]


def test_only_tables_that_differ_and_have_parts_are_asked() -> None:
    sessions = Sessions()
    other = EntryDifference("rows", "public.u", "1 rows", "2 rows")
    assert (sessions.found(GONE, other), sessions.opened_times) == ([GONE, other], 0)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ([(0, 1, 1, 1), (1, 2, 5, 6), (3, 1, 7, 7)], ["id 10 to 19: 2 rows, content differs"]),
        ([(1, 2, 5, 5), (3, 1, 7, 7)], ["id up to 9: 1 rows expected, 0 found"]),
        ([(0, 1, 1, 1), (1, 2, 5, 5), (2, 1, 9, 9)], ["id from 20: 1 rows, content differs"]),
        ([(1, 2, 5, 5), (3, 2, 7, 7)], ["id up to 9: 1 rows expected, 0 found", "id from 30: 1 rows expected, 2 found"]),
        ([], ["id up to 19: 3 rows expected, 0 found", "id from 30: 1 rows expected, 0 found"]),
    ],
)
def test_neighbours_are_one_range(parts: list[tuple[int, int, int, int]], told: list[str]) -> None:
    assert words(Sessions(*parts)) == told


def test_parts_that_contradict_the_whole_are_named() -> None:
    (told,) = words(Sessions((0, 1, 1, 1), (1, 2, 5, 5), (3, 1, 7, 7)))
    assert told == "all rows, as no part of them differs, which contradicts the sums of the table: 4 rows, content differs"


def test_times_are_told_as_the_server_writes_them() -> None:
    days = ("2026-01-01", "2026-02-01", "infinity")
    assert words(Sessions((0, 1, 1, 1), (1, 2, 5, 6), (3, 1, 7, 7)), by="date", bounds=days) == [
        "id from 2026-01-01 to before 2026-02-01: 2 rows, content differs"
    ]
    assert words(Sessions((1, 2, 5, 5), (3, 1, 7, 7)), by="date", bounds=days) == ["id before 2026-01-01: 1 rows expected, 0 found"]


def test_the_query_has_names_and_values_as_sql_has_them() -> None:
    (difference,) = Sessions((0, 1, 1, 1), (1, 2, 5, 6), (3, 1, 7, 7)).found(DIFFERS)
    assert [part.query for part in difference.ranges] == [
        'SELECT * FROM ONLY "public"."t" AS r WHERE r."id" >= 10 AND r."id" < 20 ORDER BY r."id", r."n"'
    ]


def test_a_difference_tells_some_of_its_ranges_in_its_line() -> None:
    many = tuple(RowRange(f"id {number}", 1, 0, "SELECT") for number in range(5))
    assert EntryDifference("rows", "public.t", "5 rows", "0 rows", many).line == (
        "rows public.t: expected 5 rows, found 0 rows"
        " (id 0: 1 rows expected, 0 found; id 1: 1 rows expected, 0 found; id 2: 1 rows expected, 0 found, and 2 more ranges)"
    )


class Keys:
    """The catalog has a key for so many tables."""

    def __init__(self, tables: int) -> None:
        self.tables = tables

    def execute(self, _query: str, _values: object) -> list[dict[str, Any]]:
        return [{"relation": number, "names": ["id"], "types": [20]} for number in range(self.tables)]


class Integers:
    """Every type is one."""

    def plain(self, _oid: int) -> str:
        return "int8"


@pytest.mark.parametrize(("tables", "count"), [(1, 256), (256, 256), (1000, 65), (10000, 6)])
def test_many_tables_share_the_parts_of_a_manifest(tables: int, count: int) -> None:
    names = {number: f"t{number}" for number in range(tables)}
    made = buckets.dividers(Keys(tables), names, Integers(), 256)  # type: ignore[arg-type]
    assert {divider.count for divider in made.values()} == {count}
    assert buckets.dividers(Keys(tables), names, Integers(), 0) == {}  # type: ignore[arg-type]
