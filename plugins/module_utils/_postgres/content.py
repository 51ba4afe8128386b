# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the tables of a database, as sums that every changed value changes.

The hash of a row is made of those of its columns. As such it is not added up: in sums of plain hashes values that are swapped between
rows cancel out (in those of hash_record_extended always, as it is linear). It is hashed once more before: whole, and its upper half
alone, as hashint8extended folds the 64 bits it is given to 32. The sums do not depend on the order of rows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from .._deps import declare
from .forms import TYPES, Type, Types
from .manifest import KnownAnswer, TableContent

with declare("psycopg", minimum="3.1"):
    import psycopg

LARGE_OBJECTS, LARGE_OBJECT_RIGHTS = "pg_largeobject", "pg_largeobject_metadata"
# Everything that the text of a value depends on; it never leaves the server, so the encoding of the client does not matter.
SETTINGS = {
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "quote_all_identifiers": "off",
    "search_path": "",
    "row_security": "off",
    "jit": "off",
    # It ends when we are killed.
    "client_connection_check_interval": "5s",
}
_PIN = "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) s(name, value)"
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
    name: f"SELECT (SELECT count(*) FROM pg_largeobject_metadata) AS rows, {_SUMS} FROM ({' '.join(parts.split())}) AS hashed"  # noqa: S608
    for name, parts in {LARGE_OBJECTS: _BYTES, LARGE_OBJECT_RIGHTS: _RIGHTS}.items()
}
_ABOUT_LARGE_OBJECTS = """
SELECT EXISTS (SELECT FROM pg_largeobject_metadata) AS are_there, has_table_privilege('pg_largeobject', 'SELECT') AS are_readable,
       pg_table_size('pg_largeobject') AS bytes
"""
_POLL_SECONDS = 0.1

Opened = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Question:
    """What is asked of one table; C(group) is the table within which its rows may lie otherwise after a restore, mostly itself."""

    schema: str
    name: str
    group: str
    query: str
    bytes: int = 0

    @property
    def identity(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Answer:
    """Rows and the sums of their hashes; C(generated) are those of the columns that a restore computes anew."""

    rows: int
    sums: tuple[str, ...]
    generated: tuple[str, ...] = ()

    def __add__(self, other: Answer) -> Answer:
        """Of two parts of a table."""
        return Answer(self.rows + other.rows, _added(self.sums, other.sums), _added(self.generated, other.generated))


@dataclass(frozen=True)
class Questions:
    """What is asked of the tables of a database, and of the server so that its answers can be relied on."""

    tables: tuple[Question, ...]
    samples: Mapping[str, str] = field(default_factory=dict)
    large_objects: tuple[Question, ...] = ()

    @property
    def reads_large_objects(self) -> bool:
        """Whether they are there and may be read; who restores some has seen to the first."""
        return any(question.name == LARGE_OBJECTS for question in self.large_objects)

    @property
    def all(self) -> tuple[Question, ...]:
        return (*self.tables, *self.large_objects)


def questions(connection: Any, tables: Sequence[tuple[int, str, str]]) -> Questions:
    """For tables that are named by their OID, schema and name: derived from the catalog, the same for the same structure."""
    oids = [oid for oid, _schema, _name in tables]
    types = Types(Type(**row) for row in connection.execute(TYPES, [oids]))
    columns: dict[int, list[Any]] = {oid: [] for oid in oids}
    for row in connection.execute(_COLUMNS, [oids]):
        columns[row["relation"]].append(row)
    groups = {row["relation"]: f"{row['schema']}.{row['name']}" for row in connection.execute(_ROUTED, [oids])}
    sizes = {row["oid"]: row["bytes"] or 0 for row in connection.execute(_SIZES, [oids])}
    asked = [
        Question(schema, name, groups.get(oid, f"{schema}.{name}"), _query(types, schema, name, columns[oid]), sizes.get(oid, 0))
        for oid, schema, name in tables
    ]
    samples = {name: _over(f"SELECT {sql} AS hash") for name, sql in types.samples()}
    return Questions(tuple(asked), samples, tuple(_of_large_objects(connection)))


def answers(asked: Sequence[Question], opened: Opened, jobs: int, advance: Callable[[float], None]) -> dict[str, Answer]:
    """The answers by the tables' names, asked by several sessions at a time, the largest tables first."""
    with reading(asked, opened, jobs) as tables:
        return tables.finished(advance)


@contextmanager
def reading(asked: Sequence[Question], opened: Opened, jobs: int, *, snapshot: str = "") -> Iterator[Reading]:
    """The same while something else is done; whatever ends it ends the queries."""
    tables = Reading(asked, opened, jobs, snapshot)
    try:
        tables.begin()
        yield tables
    finally:
        tables.end()


def known(connection: Any, samples: Mapping[str, str]) -> tuple[KnownAnswer, ...]:
    """What this server makes of samples, in a session of its own."""
    pin(connection)
    return tuple(KnownAnswer(name, query, ask(connection, query).sums) for name, query in sorted(samples.items()))


def ask(connection: Any, query: str) -> Answer:
    """One table's answer, in a session that is pinned."""
    row = connection.execute(query).fetchone()
    sums = [tuple(str(int(row[f"{of}{which}"])) for which in ("first", "second")) for of in ("", "generated_") if f"{of}first" in row]
    return Answer(int(row["rows"]), *sums)


def pin(connection: Any) -> None:
    """Make a session's answers the same everywhere."""
    connection.execute(_PIN, [list(SETTINGS), list(SETTINGS.values())])


class Reading:
    """Sessions that share the questions."""

    def __init__(self, asked: Sequence[Question], opened: Opened, jobs: int, snapshot: str) -> None:
        self.bytes = sum(question.bytes for question in asked)
        self._found: dict[str, Answer] = {}
        self._left = deque(sorted(asked, key=lambda question: question.bytes, reverse=True))
        self._opened = opened
        self._share = self.bytes / max(1, jobs)
        self._workers = jobs - 1
        shared = f"; SET TRANSACTION SNAPSHOT '{snapshot}'" if snapshot else ""
        self._begin = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY{shared}"
        self._done_bytes = 0
        self._connections: list[Any] = []
        self._jobs = min(jobs, len(asked))
        self._executor = ThreadPoolExecutor(max(1, self._jobs))
        self._futures: list[Future[None]] = []

    def begin(self) -> None:
        self._futures = [self._executor.submit(self._work) for _job in range(self._jobs)]

    def finished(self, advance: Callable[[float], None]) -> dict[str, Answer]:
        """Wait for the end; `advance` is told how many bytes of tables are read."""
        while self.is_at_work(_POLL_SECONDS):
            advance(self._done_bytes)
        return self._found

    def is_at_work(self, seconds: float = 0) -> bool:
        """Look, and wait so long for the end; what a session failed of is raised."""
        done, running = wait(self._futures, timeout=seconds, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
        return bool(running)

    def end(self) -> None:
        self._left.clear()
        for connection in list(self._connections):
            with suppress(psycopg.Error):
                connection.cancel()
        self._executor.shutdown()

    def _work(self) -> None:
        with self._opened() as connection:
            pin(connection)
            self._connections.append(connection)
            try:
                while question := self._next():
                    self._found[question.identity] = self._asked(connection, question)
                    self._done_bytes += question.bytes
            finally:
                self._connections.remove(connection)

    def _next(self) -> Question | None:
        try:
            return self._left.popleft()
        except IndexError:
            return None

    def _asked(self, connection: Any, question: Question) -> Answer:
        """A transaction for each, so that no session holds locks on all tables; one that is larger than the share of a job is split."""
        workers = self._workers if question.bytes > self._share else 0
        connection.execute(f"{self._begin}; SET LOCAL max_parallel_workers_per_gather = {workers}")
        answer = ask(connection, question.query)
        connection.execute("COMMIT")
        return answer


def told(asked: Sequence[Question], found: Mapping[str, Answer]) -> tuple[TableContent, ...]:
    """What the manifest says of them."""
    return tuple(sorted(_told(one, found[one.identity]) for one in asked))


def _of_large_objects(connection: Any) -> Iterator[Question]:
    """None where there are none; their bytes only where the role may read those of all."""
    about = connection.execute(_ABOUT_LARGE_OBJECTS).fetchone()
    for name, query in _OF_LARGE_OBJECTS.items():
        if about["are_there"] and (name != LARGE_OBJECTS or about["are_readable"]):
            yield Question("pg_catalog", name, f"pg_catalog.{name}", query, about["bytes"] if name == LARGE_OBJECTS else 0)


def _told(question: Question, answer: Answer) -> TableContent:
    return TableContent(question.schema, question.name, answer.rows, question.group, question.query, answer.sums, answer.generated)


def _query(types: Types, schema: str, name: str, columns: Sequence[Any]) -> str:
    hashes: dict[bool, list[str]] = {False: [], True: []}
    for seed, column in enumerate(columns, start=1):
        hashes[column["is_generated"]].append(types.hashed(column["type"], f"r.{_quoted(column['name'])}", seed))
    table = f"FROM ONLY {_quoted(schema)}.{_quoted(name)} AS r"
    kept = f"SELECT {_mixed(hashes[False])} AS hash"
    return _over(f"{kept}, {_mixed(hashes[True])} AS generated {table}", _GENERATED_SUMS) if hashes[True] else _over(f"{kept} {table}")


def _mixed(hashes: Sequence[str]) -> str:
    return " # ".join(hashes) or "0::int8"


def _over(rows: str, more: str = "") -> str:
    return f"SELECT count(*) AS rows, {_SUMS}{more} FROM ({rows}) AS hashed"  # noqa: S608 - all names in it are quoted


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _added(one: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(int(a) + int(b)) for a, b in zip(one, other, strict=False))
