# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the tables of a database, as sums that every changed value changes.

The hash of a row is made of those of its columns. As such it is not added up: in sums of plain hashes values that are swapped between
rows cancel out (in those of hash_record_extended always, as it is linear). It is hashed once more before: whole, and its upper half
alone, as hashint8extended folds the 64 bits it is given to 32. The sums do not depend on the order of rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .answer import Answer, ask
from .buckets import ONCE, Divider, dividers
from .forms import TYPES, Type, Types, quoted
from .table_content import TableContent

LARGE_OBJECTS, LARGE_OBJECT_RIGHTS = "pg_largeobject", "pg_largeobject_metadata"
_COLUMNS = """
SELECT a.attrelid::int8 AS relation, a.attname AS name, a.atttypid::int8 AS type, a.attgenerated <> '' AS is_generated
FROM pg_attribute a WHERE a.attrelid = ANY(%s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> 'v'
ORDER BY 1, 2
"""
# Rows of a hash partition stay in it unless the hash is of an OID, as that of an enum is: then they stay in the table above.
_ROUTED = """
SELECT r.oid::int8 AS relation, n.nspname AS schema, p.relname AS name
FROM unnest(%s::oid[]) r(oid)
CROSS JOIN LATERAL (
  SELECT a.relid FROM pg_partition_ancestors(r.oid) WITH ORDINALITY a(relid, level) JOIN pg_partitioned_table t ON t.partrelid = a.relid
  WHERE t.partstrat = 'h' AND EXISTS (
    SELECT FROM unnest(t.partclass::oid[]) o(oid) JOIN pg_opclass c ON c.oid = o.oid JOIN pg_type k ON k.oid = c.opcintype
    WHERE k.typtype = 'p')
  ORDER BY a.level DESC LIMIT 1
) top
JOIN pg_class p ON p.oid = top.relid JOIN pg_namespace n ON n.oid = p.relnamespace
"""
_SIZES = "SELECT oid::int8 AS oid, pg_table_size(oid) AS bytes FROM pg_class WHERE oid = ANY(%s::oid[])"
_SUMS = "coalesce(sum(hashint8extended(hash, 1)), 0) AS first, coalesce(sum(hashint8extended(hash >> 32, 2)), 0) AS second"
# With the hash of the other columns, so that values of these that are swapped between rows are seen as well.
_GENERATED_SUMS = (
    ", coalesce(sum(hashint8extended(hash # generated, 1)), 0) AS generated_first"
    ", coalesce(sum(hashint8extended((hash # generated) >> 32, 2)), 0) AS generated_second"
)
# The number of pages is no part of it: one without bytes of its own may be left out, and is written out by a restore.
_BYTES = """
SELECT hashoidextended(loid, 1) # hashint4extended(pageno, 2) # hash_array_extended(ARRAY[rtrim(data, '\\x00')], 3) AS hash
FROM pg_largeobject WHERE rtrim(data, '\\x00') <> ''
UNION ALL
SELECT hashoidextended(loid, 4) # hashint8extended(max(pageno::int8 * (current_setting('block_size')::int / 4) + length(data)), 5)
FROM pg_largeobject GROUP BY loid
"""
# Rights in any order.
_RIGHTS = """
SELECT hashoidextended(oid, 1) # hashtextextended(pg_get_userbyid(lomowner)::text COLLATE "C", 2) # hashtextextended(ARRAY(
  SELECT format('%s', a) COLLATE "C" FROM unnest(coalesce(lomacl, acldefault('L', lomowner))) a ORDER BY 1)::text COLLATE "C", 3) AS hash
FROM pg_largeobject_metadata
"""
_OF_LARGE_OBJECTS = {
    name: f"SELECT (SELECT count(*) FROM pg_largeobject_metadata) AS rows, {_SUMS} FROM ({ONCE}{' '.join(parts.split())}) AS hashed"  # noqa: S608
    for name, parts in {LARGE_OBJECTS: _BYTES, LARGE_OBJECT_RIGHTS: _RIGHTS}.items()
}
_ABOUT_LARGE_OBJECTS = """
SELECT EXISTS (SELECT FROM pg_largeobject_metadata) AS are_there, has_table_privilege('pg_largeobject', 'SELECT') AS are_readable,
       pg_table_size('pg_largeobject') AS bytes
"""


@dataclass(frozen=True)
class Question:
    """What is asked of one table; C(group) is the table within which its rows may lie otherwise after a restore, mostly itself."""

    schema: str
    name: str
    group: str
    query: str
    bytes: int = 0
    divider: Divider | None = None

    @property
    def identity(self) -> str:
        return f"{self.schema}.{self.name}"

    def ask(self, connection: Any) -> Answer:
        """Ask it in a session that is pinned, of the parts of the table where it is divided."""
        return self.divider.ask(connection, self.query, self.bytes) if self.divider else ask(connection, self.query)


@dataclass(frozen=True)
class Questions:
    """What is asked of the tables of a database, and of the server so that its answers can be relied on.

    C(without_rows) are tables whose rows are left out of a backup, so that nobody asks.
    """

    tables: tuple[Question, ...]
    samples: Mapping[str, str] = field(default_factory=dict)
    large_objects: tuple[Question, ...] = ()
    without_rows: tuple[Question, ...] = ()

    @property
    def reads_large_objects(self) -> bool:
        """Whether they are there and may be read; who restores some has seen to the first."""
        return any(question.name == LARGE_OBJECTS for question in self.large_objects)

    @property
    def all(self) -> tuple[Question, ...]:
        return (*self.tables, *self.large_objects)


def questions(connection: Any, tables: Sequence[tuple[int, str, str]], buckets: int = 0, empty: Collection[int] = ()) -> Questions:
    """For tables that are named by their OID, schema and name: derived from the catalog, the same for the same structure.

    With C(buckets) those that have a key, and that rows do not leave, are also asked of up to so many parts. The C(empty) ones, by their
    OIDs, are those whose rows are left out.
    """
    oids = [oid for oid, _schema, _name in tables]
    types = Types(Type(**row) for row in connection.execute(TYPES, [oids]))
    columns: dict[int, list[Any]] = {oid: [] for oid in oids}
    for row in connection.execute(_COLUMNS, [oids]):
        columns[row["relation"]].append(row)
    groups = {row["relation"]: f"{row['schema']}.{row['name']}" for row in connection.execute(_ROUTED, [oids])}
    sizes = {row["oid"]: row["bytes"] or 0 for row in connection.execute(_SIZES, [oids])}
    places = {oid: f"{quoted(schema)}.{quoted(name)}" for oid, schema, name in tables}
    divisible = {oid: place for oid, place in places.items() if oid not in groups and oid not in empty}
    divided = dividers(connection, divisible, types, buckets)
    asked: dict[bool, list[Question]] = {False: [], True: []}
    for oid, schema, name in tables:
        group, query = groups.get(oid, f"{schema}.{name}"), _query(types, places[oid], columns[oid])
        asked[oid in empty].append(Question(schema, name, group, query, sizes.get(oid, 0), divided.get(oid)))
    samples = {name: _over(f"SELECT {sql} AS hash") for name, sql in types.samples()}
    return Questions(tuple(asked[False]), samples, tuple(_of_large_objects(connection)), tuple(asked[True]))


def everything(connection: Any, table: str) -> str:
    """What tells all that a table shows, with the rows of its partitions and generated columns like the others: for a copy of it."""
    (oid,) = (row["oid"] for row in connection.execute("SELECT %s::regclass::oid::int8 AS oid", [table]))
    types = Types(Type(**row) for row in connection.execute(TYPES, [[oid]]))
    columns = [{**row, "is_generated": False} for row in connection.execute(_COLUMNS, [[oid]])]
    kind = connection.execute("SELECT relkind::text AS kind FROM pg_class WHERE oid = %s::oid", [oid]).fetchone()["kind"]
    return _query(types, table, columns, only="" if kind == "p" else "ONLY ")


def told(asked: Sequence[Question], found: Mapping[str, Answer]) -> tuple[TableContent, ...]:
    """What the manifest says of them."""
    return tuple(sorted(_told(one, found[one.identity]) for one in asked))


def told_empty(asked: Sequence[Question]) -> tuple[TableContent, ...]:
    """The same of tables that a restore has without rows."""
    none = ("0", "0")
    return told(asked, {one.identity: Answer(0, none, none if _GENERATED_SUMS in one.query else ()) for one in asked})


def _of_large_objects(connection: Any) -> Iterator[Question]:
    """None where there are none; their bytes only where the role may read those of all."""
    about = connection.execute(_ABOUT_LARGE_OBJECTS).fetchone()
    for name, query in _OF_LARGE_OBJECTS.items():
        if about["are_there"] and (name != LARGE_OBJECTS or about["are_readable"]):
            yield Question("pg_catalog", name, f"pg_catalog.{name}", query, about["bytes"] if name == LARGE_OBJECTS else 0)


def _told(question: Question, answer: Answer) -> TableContent:
    known = (question.schema, question.name, answer.rows, question.group, question.query)
    return TableContent(*known, answer.sums, answer.generated, answer.buckets)


def _query(types: Types, place: str, columns: Sequence[Any], only: str = "ONLY ") -> str:
    hashes: dict[bool, list[str]] = {False: [], True: []}
    for seed, column in enumerate(columns, start=1):
        hashes[column["is_generated"]].append(types.hashed(column["type"], f"r.{quoted(column['name'])}", seed))
    table = f"FROM {only}{place} AS r"
    kept = f"SELECT {_mixed(hashes[False])} AS hash"
    return _over(f"{kept}, {_mixed(hashes[True])} AS generated {table}", _GENERATED_SUMS) if hashes[True] else _over(f"{kept} {table}")


def _mixed(hashes: Sequence[str]) -> str:
    return " # ".join(hashes) or "0::int8"


def _over(rows: str, more: str = "") -> str:
    return f"SELECT count(*) AS rows, {_SUMS}{more} FROM ({ONCE}{rows}) AS hashed"  # noqa: S608 - all names in it are quoted
