# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.need import Limits, Need, Table, needs

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)
LIMITS = Limits(threshold=50, vacuum_scale=0.05, analyze_scale=0.1, freeze_age=150_000_000)


def table(name: str, oid: int = 1, **changes: Any) -> Table:
    """A table of 1000 rows that needs nothing."""
    known: dict[str, Any] = {
        "oid": oid,
        "schema": "public",
        "name": name,
        "is_partitioned": False,
        "rows": 1000.0,
        "size_bytes": 8192,
        "dead_rows": 0,
        "changed_rows": 0,
        "age": 100,
        "last_vacuum": NOON,
        "last_autovacuum": None,
        "last_analyze": NOON,
        "last_autoanalyze": None,
    }
    return Table(**{**known, **changes})


def parent(**changes: Any) -> Table:
    return table("all", 10, is_partitioned=True, age=0, **{"last_vacuum": None, "rows": 2000.0, **changes})


def summary(found: list[Need]) -> list[tuple[str, str]]:
    return [(need.table.name, need.action) for need in found]


@pytest.mark.parametrize(
    ("changes", "action", "reason"),
    [
        ({}, None, ""),
        ({"dead_rows": 100}, None, ""),
        ({"dead_rows": 101}, "vacuum", "101 dead rows of 1000"),
        ({"rows": 0.0, "dead_rows": 50}, None, ""),
        ({"rows": 0.0, "dead_rows": 51}, "vacuum", "51 dead rows of 0"),
        ({"changed_rows": 150}, None, ""),
        ({"changed_rows": 151}, "analyze", "151 rows changed since it was analyzed"),
        ({"changed_rows": 151, "dead_rows": 101}, "vacuum", "101 dead rows of 1000"),
        ({"age": 150_000_000}, None, ""),
        ({"age": 150_000_001}, "vacuum", "its oldest transaction is 150000001 transactions old"),
        ({"last_vacuum": None, "last_analyze": None}, "vacuum", "its rows were never counted"),
        ({"last_vacuum": None, "last_analyze": None, "last_autovacuum": NOON}, "analyze", "it was never analyzed"),
        ({"last_vacuum": None, "last_analyze": None, "last_autoanalyze": NOON}, None, ""),
    ],
)
def test_a_table_is_tended_when_it_needs_it(changes: dict[str, Any], action: str | None, reason: str) -> None:
    found = needs([table("one", **changes)], {}, LIMITS)
    assert [(need.action, need.reason) for need in found] == ([(action, reason)] if action else [])


def test_the_most_dead_rows_come_first() -> None:
    found = needs([table("a", 1, dead_rows=200), table("b", 2), table("c", 3, dead_rows=300), table("d", 4, dead_rows=200)], {}, LIMITS)
    assert [need.table.name for need in found] == ["c", "a", "d"]


PARTS = {1: 10, 2: 10}


@pytest.mark.parametrize(
    ("whole", "part", "expected"),
    [
        ({}, {}, []),
        ({"last_analyze": None}, {}, [("all", "analyze")]),
        ({}, {"changed_rows": 500}, [("a", "analyze"), ("all", "analyze")]),
        ({}, {"dead_rows": 500}, [("a", "vacuum"), ("all", "analyze")]),
        ({}, {"last_autoanalyze": LATER}, [("all", "analyze")]),
        ({}, {"last_analyze": LATER}, []),
        ({"rows": 2250.0}, {}, []),
        ({"rows": 2500.0}, {}, [("all", "analyze")]),
    ],
)
def test_a_partitioned_table_is_analyzed_when_its_partitions_changed(
    whole: dict[str, Any], part: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    found = needs([parent(**whole), table("a", 1, **part), table("b", 2)], PARTS, LIMITS)
    assert summary(found) == expected


def test_partitions_of_partitions_count_and_other_tables_do_not() -> None:
    whole, middle = parent(), table("middle", 5, is_partitioned=True, last_vacuum=None)
    leaf, other = table("leaf", 6, dead_rows=500), table("b", 2)
    nested = {6: 5, 5: 10, 2: 10}
    assert summary(needs([whole, middle, leaf, other], nested, LIMITS)) == [("leaf", "vacuum"), ("all", "analyze"), ("middle", "analyze")]
    stranger = table("stranger", 7, dead_rows=500)
    assert summary(needs([whole, table("a", 1), table("b", 2), stranger], PARTS, LIMITS)) == [("stranger", "vacuum")]
