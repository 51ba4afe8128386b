# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables that pg_dump locks, locked, and who is in the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .._deps import declare
from .._errors import OpsError
from .connection import Server, connected
from .cut import Cut

with declare("psycopg", minimum="3.1"):
    import psycopg
    import psycopg.sql

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


@dataclass(frozen=True)
class Table:
    """A table that is locked; C(counted) tells those with rows of their own that the dump holds."""

    oid: int
    schema: str
    name: str
    counted: bool


def blockers(server: Server, tables: tuple[Table, ...]) -> str:
    with connected(server) as connection:
        rows = connection.execute(_BLOCKERS, [[table.oid for table in tables]]).fetchall()
    return "; ".join(_described(row) for row in rows) or "whoever held it is gone"


def _described(row: dict[str, Any]) -> str:
    who = f"process {row['pid']}, role {row['role']}, application {row['application']!r}" if row["pid"] else "a prepared transaction"
    return f"{row['name']} is locked or about to be by {who}"


def tables_of(connection: Any, chosen: Cut) -> tuple[Table, ...]:
    gone = set(chosen.gone)
    return tuple(Table(**row) for row in connection.execute(TABLES) if row["oid"] not in gone)


def lock(connection: Any, server: Server, tables: tuple[Table, ...]) -> bool:
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
