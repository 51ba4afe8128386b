# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tables need VACUUM or ANALYZE, by what the server has counted. No query here waits for a lock of a table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Action = Literal["vacuum", "analyze"]

# pg_relation_size would wait for whoever has locked the table, so the size is the one of the last VACUUM or ANALYZE.
_TABLES = """
SELECT c.oid::int8 AS oid, n.nspname AS schema, c.relname AS name, c.relkind = 'p' AS is_partitioned,
       greatest(c.reltuples, 0)::float8 AS rows, c.relpages::int8 * current_setting('block_size')::int8 AS size_bytes,
       coalesce(s.n_dead_tup, 0)::int8 AS dead_rows, coalesce(s.n_mod_since_analyze, 0)::int8 AS changed_rows,
       CASE WHEN c.relkind = 'p' THEN 0 ELSE age(c.relfrozenxid) END::int8 AS age,
       s.last_vacuum, s.last_autovacuum, s.last_analyze, s.last_autoanalyze
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_stat_all_tables s ON s.relid = c.oid
WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
ORDER BY n.nspname, c.relname
"""
_PARENTS = """
SELECT i.inhrelid::int8 AS child, i.inhparent::int8 AS parent
FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhparent WHERE c.relkind = 'p'
"""


@dataclass(frozen=True)
class Table:
    """A table, materialized view or partitioned table as the server's statistics describe it."""

    oid: int
    schema: str
    name: str
    is_partitioned: bool
    rows: float
    size_bytes: int
    dead_rows: int
    changed_rows: int
    age: int
    last_vacuum: datetime | None
    last_autovacuum: datetime | None
    last_analyze: datetime | None
    last_autoanalyze: datetime | None

    @property
    def identity(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def is_known(self) -> bool:
        """Whether anybody has counted its rows since it was made or the server crashed."""
        return any((self.last_vacuum, self.last_autovacuum, self.last_analyze, self.last_autoanalyze))

    @property
    def analyzed_at(self) -> datetime | None:
        return max(filter(None, (self.last_analyze, self.last_autoanalyze)), default=None)


@dataclass(frozen=True)
class Limits:
    """As autovacuum's: a number of rows, and a share of the table's rows on top of it."""

    threshold: int
    vacuum_scale: float
    analyze_scale: float
    freeze_age: int


@dataclass(frozen=True)
class Need:
    """What is to be done with a table, and why."""

    table: Table
    action: Action
    reason: str


def tables(connection: Any) -> list[Table]:
    return [Table(**row) for row in connection.execute(_TABLES).fetchall()]


def parents(connection: Any) -> dict[int, int]:
    """Partition to partitioned table."""
    return {row["child"]: row["parent"] for row in connection.execute(_PARENTS).fetchall()}


def needs(found: Sequence[Table], parent_of: Mapping[int, int], limits: Limits) -> list[Need]:
    """The most dead rows first, and partitioned tables after their partitions."""
    leaves = [need for table in found if not table.is_partitioned and (need := _need(table, limits))]
    leaves.sort(key=lambda need: (-need.table.dead_rows, need.table.identity))
    touched = {need.table.oid for need in leaves}
    partitioned = [table for table in found if table.is_partitioned]
    below = {
        table.oid: [leaf for leaf in found if not leaf.is_partitioned and _is_below(leaf.oid, table.oid, parent_of)]
        for table in partitioned
    }
    roots = [Need(table, "analyze", reason) for table in partitioned if (reason := _stale(table, below[table.oid], touched, limits))]
    return [*leaves, *roots]


def _need(table: Table, limits: Limits) -> Need | None:
    if not table.is_known:
        return Need(table, "vacuum", "its rows were never counted")
    if table.age > limits.freeze_age:
        return Need(table, "vacuum", f"its oldest transaction is {table.age} transactions old")
    if table.dead_rows > limits.threshold + limits.vacuum_scale * table.rows:
        return Need(table, "vacuum", f"{table.dead_rows} dead rows of {table.rows:.0f}")
    if table.analyzed_at is None:
        return Need(table, "analyze", "it was never analyzed")
    if table.changed_rows > limits.threshold + limits.analyze_scale * table.rows:
        return Need(table, "analyze", f"{table.changed_rows} rows changed since it was analyzed")
    return None


def _stale(table: Table, leaves: Sequence[Table], touched: Collection[int], limits: Limits) -> str:
    """Why the statistics over all partitions are old; autovacuum never makes them."""
    if table.last_analyze is None:
        return "it was never analyzed"
    if any(leaf.oid in touched for leaf in leaves):
        return "its partitions changed"
    if any(leaf.last_autoanalyze and leaf.last_autoanalyze > table.last_analyze for leaf in leaves):
        return "autovacuum has analyzed its partitions since"
    if abs(sum(leaf.rows for leaf in leaves) - table.rows) > limits.threshold + limits.analyze_scale * table.rows:
        return "its partitions have another number of rows"
    return ""


def _is_below(oid: int, ancestor: int, parent_of: Mapping[int, int]) -> bool:
    while oid in parent_of:
        oid = parent_of[oid]
        if oid == ancestor:
            return True
    return False
