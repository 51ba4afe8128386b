# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A schema C(restored_<backup>) of the live database: columns and rows of tables as a backup has them, beside the live ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .._deps import declare
from .._errors import OpsError
from .answer import ask, pin
from .beside import MADE_BY
from .content import everything

with declare("psycopg", minimum="3.1"):
    import psycopg
    import psycopg.sql

PREFIX = "restored_"
# What the text of a value depends on between the two sides, beside what content is compared with.
_ALIKE = "SELECT set_config('client_encoding', 'UTF8', false), set_config('xmloption', 'content', false)"
# Our transaction has nothing to do while the other side reads; the second is unknown to PostgreSQL 16 and older.
_PATIENT = """
SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')
"""
_COLUMNS = """
SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
  (SELECT format('%%I.%%I', n.nspname, c.collname) FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
   JOIN pg_type t ON t.oid = a.atttypid WHERE c.oid = a.attcollation AND c.oid <> t.typcollation) AS collation
FROM pg_attribute a WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_KIND = "SELECT relkind::text AS kind FROM pg_class WHERE oid = %s::regclass"
_SCHEMAS = """
SELECT nspname AS name, coalesce(obj_description(oid, 'pg_namespace'), '') AS comment FROM pg_namespace
WHERE starts_with(nspname, 'restored_') ORDER BY 1
"""


@dataclass(frozen=True)
class SideTable:
    """One that was restored, and what it is called now."""

    table: str
    side_table: str
    rows: int


@dataclass(frozen=True)
class Table:
    """One of the backup; C(identity) is how the manifest names it."""

    schema: str
    name: str

    @property
    def identity(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def identifier(self) -> psycopg.sql.Identifier:
        return psycopg.sql.Identifier(self.schema, self.name)


def side_names(tables: Sequence[Table]) -> dict[Table, str]:
    """Tables of one name in several schemas bear the schema's as well."""
    names = [table.name for table in tables]
    return {table: table.name if names.count(table.name) == 1 else f"{table.schema}.{table.name}" for table in tables}


def existing(connection: Any) -> dict[str, list[str]]:
    """Side schemas with the tables that were made in them."""
    found = {row["name"]: _said(row["comment"]) for row in connection.execute(_SCHEMAS).fetchall()}
    return {name: tables for name, tables in found.items() if tables is not None}


def copy(source: Any, live: Any, schema: str, tables: Sequence[Table], owner: str) -> list[SideTable]:
    """Make the schema with its tables and rows, all of it or nothing; what is there then is compared with where it is from."""
    for connection in (source, live):
        pin(connection)
        connection.execute(_ALIKE)
    live.execute(_PATIENT)
    done, names = [], side_names(tables)
    with live.transaction():
        live.execute(psycopg.sql.SQL("SET LOCAL ROLE {}").format(psycopg.sql.Identifier(owner)))
        live.execute(psycopg.sql.SQL("CREATE SCHEMA {}").format(psycopg.sql.Identifier(schema)))
        for table, name in names.items():
            done.append(SideTable(table.identity, f"{schema}.{name}", _copied(source, live, table, psycopg.sql.Identifier(schema, name))))
        said = json.dumps({"made_by": MADE_BY, "tables": list(names.values())}, sort_keys=True)
        comment = psycopg.sql.SQL("COMMENT ON SCHEMA {} IS {}")
        live.execute(comment.format(psycopg.sql.Identifier(schema), psycopg.sql.Literal(said)))
    return done


def drop(connection: Any, schema: str, tables: Sequence[str], owner: str) -> None:
    """Drop what was made, and nothing that somebody has added or hung on it."""
    name = psycopg.sql.Identifier(schema)
    try:
        with connection.transaction():
            connection.execute(psycopg.sql.SQL("SET LOCAL ROLE {}").format(psycopg.sql.Identifier(owner)))
            for table in tables:
                connection.execute(psycopg.sql.SQL("DROP TABLE IF EXISTS {}").format(psycopg.sql.Identifier(schema, table)))
            connection.execute(psycopg.sql.SQL("DROP SCHEMA {}").format(name))
    except psycopg.errors.DependentObjectsStillExist as error:
        cause = " ".join(f"{error.diag.message_primary}: {error.diag.message_detail}".split())
        remedy = "Look at what it is, and drop or move it first."
        raise OpsError(f"Somebody uses the schema {schema}, so it stays as it is", cause=cause, remedy=remedy) from error


def _copied(source: Any, live: Any, table: Table, side: psycopg.sql.Identifier) -> int:
    columns = source.execute(_COLUMNS, (table.identifier.as_string(source),)).fetchall()
    definitions = [
        psycopg.sql.SQL("{} {}{}").format(
            psycopg.sql.Identifier(column["name"]),
            psycopg.sql.SQL(column["type"]),
            psycopg.sql.SQL(f" COLLATE {column['collation']}" if column["collation"] else ""),
        )
        for column in columns
    ]
    live.execute(psycopg.sql.SQL("CREATE TABLE {} ({})").format(side, psycopg.sql.SQL(", ").join(definitions)))
    # A partitioned table has the rows of its partitions, every other one its own alone.
    kind = source.execute(_KIND, (table.identifier.as_string(source),)).fetchone()["kind"]
    where = psycopg.sql.SQL("{}" if kind == "p" else "ONLY {}").format(table.identifier)
    names = psycopg.sql.SQL(", ").join(psycopg.sql.Identifier(column["name"]) for column in columns)
    out = psycopg.sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(names, where)
    with source.cursor().copy(out) as rows, live.cursor().copy(psycopg.sql.SQL("COPY {} FROM STDIN").format(side)) as into:
        for data in rows:
            into.write(data)
    before, after = (
        ask(connection, everything(connection, what.as_string(connection)))
        for connection, what in ((source, table.identifier), (live, side))
    )
    if before != after:
        cause = f"{before.rows} rows in the backup, {after.rows} in the copy" if before.rows != after.rows else "other values"
        raise OpsError(f"The copy of {table.identity} is not what the backup holds", cause=cause, remedy="Nothing was kept of it.")
    return after.rows


def _said(comment: str) -> list[str] | None:
    """The tables that the comment of one of ours names."""
    try:
        said = json.loads(comment)
        return [str(name) for name in said["tables"]] if said["made_by"] == MADE_BY else None
    except (ValueError, KeyError, TypeError):
        return None
