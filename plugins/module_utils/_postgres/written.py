# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows that were written since a moment, told by the transaction that wrote them: a count alone does not see an update."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .._deps import declare
from .table_locks import TABLES

with declare("psycopg", minimum="3.1"):
    import psycopg
    import psycopg.sql

# Transactions are compared on a circle of 2^32; farther back than this nobody can tell before from after.
_HORIZON = 2_000_000_000

_NEXT = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS transaction"
_TABLES = f"SELECT schema, name FROM ({TABLES}) t WHERE counted ORDER BY 1, 2"  # noqa: S608 - one of our own constants
_ROWS = "SELECT count(*) AS rows, count(*) FILTER (WHERE age(xmin) <= age({}::text::xid)) AS written FROM ONLY {}"


@dataclass(frozen=True)
class Written:
    """Rows of a database; C(tables) are those with rows written since, with their number. C(known) is false where that cannot be told."""

    rows: int
    tables: dict[str, int]
    known: bool = True


def next_transaction(connection: Any) -> int:
    """No row that is there now is of this transaction or a later one."""
    return int(connection.execute(_NEXT).fetchone()["transaction"])


def since(connection: Any, transaction: int) -> Written:
    """Read every table that a dump of the session's database would hold."""
    rows, tables = 0, {}
    for table in connection.execute(_TABLES).fetchall():
        boundary, name = psycopg.sql.Literal(str(transaction % 2**32)), psycopg.sql.Identifier(table["schema"], table["name"])
        counted = connection.execute(psycopg.sql.SQL(_ROWS).format(boundary, name)).fetchone()
        rows += counted["rows"]
        if counted["written"]:
            tables[f"{table['schema']}.{table['name']}"] = counted["written"]
    return Written(rows, tables, known=next_transaction(connection) - transaction < _HORIZON)
