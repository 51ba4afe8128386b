# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every page of a restored database, looked at by the extension amcheck: tables by their tuples, indexes against their tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .._deps import declare
from .compare import Comparison
from .contents import EntryDifference
from .scratch_place import NoScratchError

with declare("psycopg", minimum="3.1"):
    import psycopg
    import psycopg.sql

_NAME = "endpoint_stats_amcheck"
_HERE = """
SELECT n.nspname AS schema FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'amcheck'
"""
_AVAILABLE = "SELECT FROM pg_available_extensions WHERE name = 'amcheck'"
_RELATIONS = """
SELECT c.oid::int8 AS oid, c.relkind = 'i' AS is_index, format('%I.%I', n.nspname, c.relname) AS name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am m ON m.oid = c.relam
LEFT JOIN pg_index i ON i.indexrelid = c.oid
WHERE c.relpersistence <> 't' AND c.oid >= 16384
  AND ((c.relkind = 'i' AND m.amname = 'btree' AND i.indisvalid AND i.indisready) OR (c.relkind IN ('r', 'm', 't') AND m.amname = 'heap'))
ORDER BY 2, 3
"""
_TABLE = "SELECT blkno, msg FROM {}.verify_heapam(relation => %s::oid) LIMIT 1"
_INDEX = "SELECT {}.bt_index_check(index => %s::oid, heapallindexed => true)"


def examined(connection: Any, advance: Callable[[float], None]) -> Comparison:
    """What is damaged, and how many tables and indexes were looked at."""
    # Event triggers of the dump have no say in what is made here.
    connection.execute("SET session_replication_role = replica")
    schema = psycopg.sql.Identifier(_schema(connection))
    relations = connection.execute(_RELATIONS).fetchall()
    found: list[EntryDifference] = []
    for done, relation in enumerate(relations):
        advance(done)
        found += _damages(connection, schema, relation)
    return Comparison(tuple(found), len(relations))


def _schema(connection: Any) -> str:
    """Where the functions are: where the dump has put them, else in a schema of ours."""
    if known := connection.execute(_HERE).fetchone():
        return str(known["schema"])
    if connection.execute(_AVAILABLE).fetchone() is None:
        remedy = "Install the package of PostgreSQL that has its contributed extensions, or verify without amcheck."
        raise NoScratchError("The scratch server lacks the extension amcheck", remedy=remedy)
    name = psycopg.sql.Identifier(_NAME)
    connection.execute(psycopg.sql.SQL("CREATE SCHEMA {}").format(name))
    connection.execute(psycopg.sql.SQL("CREATE EXTENSION amcheck SCHEMA {}").format(name))
    return _NAME


def _damages(connection: Any, schema: Any, relation: dict[str, Any]) -> Iterator[EntryDifference]:
    query, kind = (_INDEX, "index_corrupt") if relation["is_index"] else (_TABLE, "table_corrupt")
    try:
        row = connection.execute(psycopg.sql.SQL(query).format(schema), (relation["oid"],)).fetchone()
    except (psycopg.errors.IndexCorrupted, psycopg.errors.DataCorrupted, psycopg.errors.InternalError_) as error:
        if connection.broken:
            raise
        yield EntryDifference(kind, relation["name"], "no damage", " ".join(str(error).split()))
        return
    if row and not relation["is_index"]:
        yield EntryDifference(kind, relation["name"], "no damage", f"block {row['blkno']}: {row['msg']}")
