# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A moment of a database that a dump and our own questions share.

pg_dump locks the tables after its snapshot: a TRUNCATE or rewrite in between leaves an empty table in a dump that ends well. So all
tables are locked first, and the snapshot is taken only then. It is kept when the tables it shows are those that were locked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from .._deps import declare
from .._errors import OpsError
from .._tls import Credentials
from .connection import Server, connected, session
from .content import Questions, questions
from .cut import Cut, cut
from .reading import Reading, known, reading
from .selection import WHOLE, Selection
from .table_content import KnownAnswer

with declare("psycopg", minimum="3.1"):
    import psycopg
    import psycopg.sql

_ATTEMPTS = 5
_LOCKED = "55P03"
# Tables that pg_dump locks; of extensions it reads only those that hold configuration.
TABLES = """
SELECT c.oid::int8 AS oid, n.nspname AS schema, c.relname AS name,
       c.relkind = 'r' AND e.oid IS NULL AS counted
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e'
LEFT JOIN pg_extension e ON e.oid = d.refobjid
WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
  AND (e.oid IS NULL OR c.oid = ANY(e.extconfig))
ORDER BY 2, 3
"""
_BLOCKERS = """
SELECT DISTINCT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name, coalesce(l.pid, 0) AS pid,
       coalesce(a.usename::text, '') AS role, coalesce(a.application_name, '') AS application
FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.mode = 'AccessExclusiveLock' AND l.relation = ANY(%s::oid[])
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY 1, 2
"""
_EXPORT = "SELECT pg_export_snapshot() AS name, to_char(statement_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS at"
# PostgreSQL 17 has one more limit that would end the session.
_NO_LIMIT = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'"


@dataclass(frozen=True)
class Table:
    """A table that is locked; C(counted) tells those with rows of their own that the dump holds."""

    oid: int
    schema: str
    name: str
    counted: bool


@dataclass(frozen=True)
class Snapshot:
    """The snapshot that is held by a session as long as the context is not left; C(options) are those of its session."""

    connection: Any
    server: Server
    who: Credentials
    options: str
    name: str
    at: str
    tables: tuple[Table, ...]
    cut: Cut

    def questions(self, buckets: int) -> Questions:
        """What tells the content of each table, and of up to so many parts of it."""
        return _asked(self.connection, self.tables, self.cut, buckets)

    def reading(self, asked: Questions, jobs: int) -> AbstractContextManager[Reading]:
        """The tables, read by sessions of their own while something else is done."""
        return reading(asked.all, self._opened, jobs, snapshot=self.name)

    def known(self, asked: Questions) -> tuple[KnownAnswer, ...]:
        """What the server makes of samples."""
        with self._opened() as connection:
            return known(connection, asked.samples)

    def blockers(self) -> str:
        """Who keeps the tables from being read."""
        return blockers(self.server, self.tables)

    def locked(self, what: str) -> OpsError:
        """Somebody wants a table for himself, so that nobody gets it before him."""
        return OpsError(
            f"{what} failed: somebody wants a table for himself, and we would wait behind him",
            where=self.server.address,
            cause=self.blockers(),
            remedy="Run the backup when no migration or TRUNCATE is at work.",
        )

    def ensure_held(self) -> None:
        """The locks were there to the end, or what was read meanwhile is worth nothing."""
        self.connection.execute("SELECT 1")

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        try:
            with _unlimited(self.server, self.who, self.options) as connection:
                yield connection
        except OpsError as error:
            if error.details.get("sqlstate") != _LOCKED:
                raise
            raise self.locked("Reading a table") from error


@contextmanager
def held(
    server: Server, who: Credentials, *, lock_timeout_seconds: float, timeout_seconds: float, selection: Selection = WHOLE
) -> Iterator[Snapshot]:
    """A snapshot behind locks on all tables that are wanted; it needs a session of its own, which a pool of transactions does not give."""
    limits = {"statement_timeout": timeout_seconds, "lock_timeout": lock_timeout_seconds, "idle_in_transaction_session_timeout": 0}
    settings = [f"-c {name}={int(seconds * 1000)}" for name, seconds in limits.items()]
    options = " ".join([*settings, "-c row_security=off -c search_path=pg_catalog"])
    with _unlimited(server, who, options) as connection:
        name, at, tables, chosen = _taken(connection, server, selection)
        yield Snapshot(connection, server, who, options, name, at, tables, chosen)


@contextmanager
def _unlimited(server: Server, who: Credentials, options: str) -> Iterator[Any]:
    with session(server, who, options) as connection:
        connection.execute(_NO_LIMIT)
        yield connection


def asked(connection: Any) -> Questions:
    """What tells the content of each table that is there now."""
    return _asked(connection, _tables(connection, Cut()), Cut())


def blockers(server: Server, tables: tuple[Table, ...]) -> str:
    with connected(server) as connection:
        rows = connection.execute(_BLOCKERS, [[table.oid for table in tables]]).fetchall()
    return "; ".join(_described(row) for row in rows) or "whoever held it is gone"


def _described(row: dict[str, Any]) -> str:
    who = f"process {row['pid']}, role {row['role']}, application {row['application']!r}" if row["pid"] else "a prepared transaction"
    return f"{row['name']} is locked or about to be by {who}"


def _taken(connection: Any, server: Server, selection: Selection) -> tuple[str, str, tuple[Table, ...], Cut]:
    def wanted() -> tuple[Cut, tuple[Table, ...]]:
        chosen = cut(connection, selection, server.address)
        return chosen, _tables(connection, chosen)

    chosen, tables = wanted()
    for _attempt in range(_ATTEMPTS):
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if _lock(connection, server, tables):
            exported = connection.execute(_EXPORT).fetchone()
            chosen, seen = wanted()
            if seen == tables:
                return exported["name"], exported["at"], tables, chosen
        connection.execute("ROLLBACK")
        chosen, tables = wanted()
    raise OpsError(
        "Tables come and go too fast for a snapshot of all of them",
        where=server.address,
        cause=f"they were others at each of {_ATTEMPTS} attempts",
        remedy="Run the backup when no migration is at work.",
    )


def _asked(connection: Any, tables: Sequence[Table], chosen: Cut, buckets: int = 0) -> Questions:
    counted = [(table.oid, table.schema, table.name) for table in tables if table.counted]
    return questions(connection, counted, buckets, set(chosen.empty))


def _tables(connection: Any, chosen: Cut) -> tuple[Table, ...]:
    gone = set(chosen.gone)
    return tuple(Table(**row) for row in connection.execute(TABLES) if row["oid"] not in gone)


def _lock(connection: Any, server: Server, tables: tuple[Table, ...]) -> bool:
    """Lock the tables, and say whether all of them are there still."""
    if not tables:
        return True
    only = [psycopg.sql.SQL("ONLY {}").format(psycopg.sql.Identifier(table.schema, table.name)) for table in tables]
    try:
        connection.execute(psycopg.sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(psycopg.sql.SQL(", ").join(only)))
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return False
    except psycopg.errors.LockNotAvailable as error:
        raise OpsError(
            "A table could not be locked for reading",
            where=server.address,
            cause=blockers(server, tables),
            remedy="Let its transaction end (pg_stat_activity has the process), or wait longer with table_lock_timeout_seconds.",
        ) from error
    return True
