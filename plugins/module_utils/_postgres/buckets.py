# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sums of parts of a table, so that of one that differs it can be told which rows do.

A part is a range of the first column of a key where that can be put in words, or what has the same hash of the key where it cannot.
The sums of the whole are those of the parts, from the same reading of the table. They alone decide; these name.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .answer import Answer, ask, ask_parts
from .forms import Types, quoted
from .table_content import Buckets

# A query with a WITH is not merged into the one around it, where the hash of a row would be computed for each of the sums.
ONCE = "WITH once AS (SELECT) "
WHOLE = "int8"
# What is ordered alike everywhere, with the type that bounds are written in.
_RANGED = {
    **dict.fromkeys(("int2", "int4", "int8"), WHOLE),
    **{name: name for name in ("date", "timestamp", "timestamptz", "uuid")},
}
MOST = 1024
# So that many tables do not make a manifest of hundreds of megabytes.
_MOST_IN_ALL = 65536
_SAMPLED_BYTES = 8 << 20
_KEYS = """
SELECT i.indrelid::int8 AS relation, k.names, k.types
FROM pg_index i CROSS JOIN LATERAL (
  SELECT array_agg(a.attname::text ORDER BY c.place) AS names, array_agg(a.atttypid::int8 ORDER BY c.place) AS types,
         bool_and(a.attnotnull AND a.attgenerated = '') AS is_kept
  FROM unnest(i.indkey) WITH ORDINALITY c(number, place) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = c.number
  WHERE c.place <= i.indnkeyatts
) k
WHERE i.indrelid = ANY(%s::oid[]) AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND k.is_kept
ORDER BY i.indrelid, i.indisprimary DESC, i.indnkeyatts, i.indexrelid
"""
_NONE = "0 0 0"
# Some pages are enough to know where the rows are.
_BOUNDS = """
SELECT coalesce(array_agg(DISTINCT bound ORDER BY bound)::text, '{{}}') AS literal,
       coalesce(array_agg(DISTINCT bound ORDER BY bound)::text[], '{{}}') AS bounds
FROM (SELECT unnest(percentile_disc('{{{shares}}}'::float8[]) WITHIN GROUP (ORDER BY {value})) AS bound
      FROM ONLY {table} AS r TABLESAMPLE SYSTEM ({percent}) REPEATABLE (1)) AS sampled
"""


@dataclass(frozen=True)
class Divider:
    """How a table is cut into so many parts; C(type) is that of the bounds of its ranges, empty where it is cut by a hash."""

    table: str
    key: tuple[str, ...]
    value: str
    type: str
    count: int

    def ask(self, connection: Any, query: str, size_bytes: int) -> Answer:
        """What a query says of the whole table, with the sums of its parts, in a session that is pinned."""
        bounds, bucket = self._ranges(connection, size_bytes) if self.type else ((), self.value)
        divided = _divided(query, bucket)
        parts = ask_parts(connection, divided)
        numbers = range(len(bounds) + 1 if self.type else self.count)
        sums = tuple(_line(parts[number]) if number in parts else _NONE for number in numbers)
        # Without rows there are no parts either.
        whole = functools.reduce(operator.add, parts.values()) if parts else ask(connection, query)
        return replace(whole, buckets=Buckets(self.table, self.key, self.value, self.type, bounds, divided, sums))

    def _ranges(self, connection: Any, size_bytes: int) -> tuple[tuple[str, ...], str]:
        """Bounds, and SQL for the number of the range that a row is in; none is above all of them, and a value that lacks is below."""
        shares = ",".join(f"{number / self.count:.6f}" for number in range(1, self.count))
        percent = min(100.0, 100.0 * _SAMPLED_BYTES / max(1, size_bytes))
        found = connection.execute(_BOUNDS.format(shares=shares, value=self.value, table=self.table, percent=percent)).fetchone()
        return tuple(found["bounds"]), f"coalesce(width_bucket({self.value}, '{found['literal']}'::{self.type}[]), 0)"


def dividers(connection: Any, tables: Mapping[int, str], types: Types, wanted: int) -> dict[int, Divider]:
    """For tables that are named by their OID and SQL, those that have a key."""
    keys: dict[int, list[Any]] = {}
    for row in connection.execute(_KEYS, [list(tables)]) if wanted else ():
        keys.setdefault(row["relation"], []).append(row)
    count = min(wanted, _MOST_IN_ALL // max(1, len(keys)))
    return {relation: _divider(tables[relation], found, types, count) for relation, found in keys.items() if count > 1}


def _divider(table: str, keys: Sequence[Any], types: Types, count: int) -> Divider:
    """By the first key whose first column has ranges that can be told, else by a hash of the first."""
    for key in keys:
        if bounds := _RANGED.get(types.plain(key["types"][0])):
            # Widened, and a domain taken for what it restricts.
            return Divider(table, tuple(key["names"]), f"r.{quoted(key['names'][0])}::{bounds}", bounds, count)
    first = keys[0]
    columns = zip(first["types"], first["names"], strict=True)
    hashes = [types.hashed(kind, f"r.{quoted(name)}", seed) for seed, (kind, name) in enumerate(columns, start=1)]
    return Divider(table, tuple(first["names"]), f"abs(({' # '.join(hashes)}) % {count})", "", count)


def _divided(query: str, bucket: str) -> str:
    """The query of a table, grouped: in its own words, so that its sums are those of the parts added up."""
    whole, select, rows = query.partition(f" FROM ({ONCE}SELECT ")
    return f"SELECT bucket, {whole.removeprefix('SELECT ')}{select}{bucket} AS bucket, {rows} GROUP BY bucket"


def _line(answer: Answer) -> str:
    return " ".join((str(answer.rows), *answer.sums))
