# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of a live database that the role may not read: an undo counts their rows, so it is said before the name changes, not after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from typing import Any

from .._deps import declare
from .._errors import OpsError
from .connection import NoConnectionError
from .table_locks import TABLES

with declare("psycopg", minimum="3.1"):
    import psycopg
    import psycopg.sql

_SHOWN = 5
_UNREADABLE = f"""
SELECT t.schema, t.name, o.rolname AS owner, o.rolsuper AS of_superuser, row_security_active(t.oid) AS policed,
  pg_has_role(current_user, o.oid, 'USAGE') AS ours, current_user AS role, current_database() AS database,
  (SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()) AS database_owner
FROM ({TABLES}) t JOIN pg_class c ON c.oid = t.oid JOIN pg_roles o ON o.oid = c.relowner
WHERE t.counted
  AND NOT (has_schema_privilege(t.schema, 'USAGE') AND has_table_privilege(t.oid, 'SELECT') AND NOT row_security_active(t.oid))
ORDER BY 1, 2
"""  # noqa: S608 - one of our own constants


def unreadable(session: AbstractContextManager[Any]) -> Iterator[OpsError]:
    """What keeps the rows of a database from being counted; one that cannot be entered is not what this is about."""
    rows: list[dict[str, Any]] = []
    with suppress(NoConnectionError), session as connection:
        rows = connection.execute(_UNREADABLE).fetchall()
    for row in rows[:_SHOWN]:
        more = f", and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN and row is rows[_SHOWN - 1] else ""
        table = f"{row['schema']}.{row['name']}"
        yield OpsError(
            f"The role {row['role']} may not read {table} of {row['database']}{more}",
            cause=f"it belongs to {row['owner']}{' and has row level security' if row['policed'] else ''};"
            " an undo could not tell whether rows were written to it",
            remedy=f"As a superuser, in {row['database']}: {_statement(row)}",
        )


def _statement(row: dict[str, Any]) -> str:
    """The least that helps: nobody becomes a member of a superuser for it."""
    names = {name: psycopg.sql.Identifier(row[name]) for name in ("owner", "role", "database_owner")}
    table = psycopg.sql.Identifier(row["schema"], row["name"])
    if row["ours"]:
        text = "ALTER ROLE {role} BYPASSRLS;" if row["policed"] else "GRANT USAGE ON SCHEMA {schema} TO {role};"
    else:
        text = "ALTER TABLE {table} OWNER TO {database_owner};" if row["of_superuser"] else "GRANT {owner} TO {role};"
    return str(psycopg.sql.SQL(text).format(**names, table=table, schema=psycopg.sql.Identifier(row["schema"])).as_string(None))
