# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables that somebody left behind: dropped only where nothing of anybody hangs on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .._deps import declare

with declare("psycopg", minimum="3.1"):
    import psycopg.sql

SCHEMA = "public"
_TABLE = """
SELECT c.oid::int8 AS oid, c.relkind::text AS kind, c.relispartition AS is_partition, pg_get_userbyid(c.relowner) AS owner,
       pg_catalog.pg_has_role(c.relowner, 'USAGE') AS is_ours,
       c.relpages::int8 * current_setting('block_size')::int8 AS size_bytes
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s
"""
# Parts of the table itself depend on it too, but they are made to go with it (deptype a or i).
_DEPENDENTS = """
WITH hanging AS (
  SELECT d.classid, d.objid, d.objsubid, d.deptype FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.oid = %(oid)s
  WHERE (d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = c.oid)
     OR (d.refclassid = 'pg_catalog.pg_type'::regclass AND d.refobjid = c.reltype)
)
SELECT DISTINCT pg_catalog.pg_describe_object(h.classid, h.objid, h.objsubid) AS dependent FROM hanging h
WHERE h.deptype NOT IN ('a', 'i')
  AND NOT EXISTS (SELECT FROM hanging o WHERE (o.classid, o.objid) = (h.classid, h.objid) AND o.deptype IN ('a', 'i'))
UNION ALL
SELECT pg_catalog.pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid) FROM pg_catalog.pg_depend d
WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = %(oid)s
  AND (d.deptype = 'e' OR (d.refclassid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'n' AND d.objsubid = 0))
ORDER BY 1
"""


@dataclass(frozen=True)
class Leftover:
    """A table by one of the names that are to go; C(refusal) says why it stays all the same."""

    name: str
    oid: int
    size_bytes: int
    refusal: str

    @property
    def identity(self) -> str:
        return f"{SCHEMA}.{self.name}"


def find(connection: Any, name: str) -> Leftover | None:
    """The relation of this name, judged; none where there is none."""
    row = connection.execute(_TABLE, (SCHEMA, name)).fetchone()
    if row is None:
        return None
    dependents = [found["dependent"] for found in connection.execute(_DEPENDENTS, {"oid": row["oid"]}).fetchall()]
    return Leftover(name, row["oid"], row["size_bytes"], _refusal(row, dependents))


def drop(connection: Any, leftover: Leftover) -> Leftover:
    """Look again behind the lock and drop it, or say why not. A lock that is not free is not waited for, as newcomers would wait too."""
    table = psycopg.sql.Identifier(SCHEMA, leftover.name)
    with connection.transaction():
        connection.execute(psycopg.sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE NOWAIT").format(table))
        found = find(connection, leftover.name)
        if found is None or found.oid != leftover.oid:
            return Leftover(leftover.name, leftover.oid, leftover.size_bytes, "it was made anew meanwhile")
        if not found.refusal:
            connection.execute(psycopg.sql.SQL("DROP TABLE {}").format(table))
        return found


def _refusal(row: Any, dependents: Sequence[str]) -> str:
    if row["kind"] != "r" or row["is_partition"]:
        return "it is no plain table"
    if not row["is_ours"]:
        return f"it belongs to {row['owner']}, of which this role is no member"
    if dependents:
        return f"something hangs on it: {', '.join(dependents)}"
    return ""
