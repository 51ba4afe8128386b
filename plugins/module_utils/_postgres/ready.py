# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reasons not to begin a backup, found before anything is written."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._errors import OpsError
from . import compressed
from .connection import Server, connected
from .cut import Cut, cut
from .dump import size
from .facts import DatabaseFacts, ServerFacts, database_facts, server_facts
from .keep import History, history
from .opening import opened
from .programs import Programs, found
from .repository import Repository
from .selection import WHOLE, Selection
from .table_locks import TABLES
from .torn import refuse_torn

_OLDEST_MAJOR = 15
_GROWTH = 1.2
_FLOOR_BYTES = 64 << 20
_SHOWN = 10
# Catalogs and their indexes that our session and pg_dump have read.
_CATALOGS = 150
# The server has room for so many holders of each lock.
_HOLDERS = 2
_SLOTS = """
SELECT current_setting('max_locks_per_transaction')::int
       * (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int) AS slots
"""
_READS_PASSWORDS = "SELECT has_table_privilege('pg_catalog.pg_authid', 'SELECT') AS readable"
_COUNTS = f"""
SELECT count(*) AS tables, count(*) FILTER (WHERE t.counted) AS counted,
       coalesce(sum(greatest(c.reltuples, 0)) FILTER (WHERE t.counted AND t.oid <> ALL(%(empty)s::oid[])), 0)::int8 AS rows
FROM ({TABLES}) t JOIN pg_class c ON c.oid = t.oid
WHERE t.oid <> ALL(%(gone)s::oid[])
"""  # noqa: S608 - one of our own constants
# What is locked beside tables: sequences when their values are read, others when their definition is.
_OTHERS = """
SELECT count(*) FILTER (WHERE c.relkind = 'S') AS sequences, count(*) FILTER (WHERE c.relkind IN ('v', 'm', 'f')) AS views
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""
# What pg_dump reads and this role may not. pg_read_all_data covers tables and sequences, neither row security nor large objects.
_UNREADABLE = f"""
SELECT format('table %%I.%%I', schema, name) AS what FROM ({TABLES}) t
WHERE t.oid <> ALL(%(gone)s::oid[]) AND NOT (has_schema_privilege(t.schema, 'USAGE') AND has_table_privilege(t.oid, 'SELECT'))
UNION ALL
SELECT format('table %%I.%%I, which has row level security', schema, name) FROM ({TABLES}) t
WHERE t.oid <> ALL(%(gone)s::oid[]) AND t.oid <> ALL(%(empty)s::oid[]) AND row_security_active(t.oid)
UNION ALL
SELECT format('sequence %%I.%%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND c.oid <> ALL(%(gone)s::oid[])
  AND NOT (has_schema_privilege(n.oid, 'USAGE') AND has_sequence_privilege(c.oid, 'SELECT'))
UNION ALL
SELECT 'large object ' || l.oid FROM pg_largeobject_metadata l
WHERE NOT pg_has_role(l.lomowner, 'USAGE') AND NOT current_setting('lo_compat_privileges')::bool AND NOT EXISTS (
  SELECT FROM aclexplode(l.lomacl) a WHERE a.privilege_type = 'SELECT' AND (a.grantee = 0 OR pg_has_role(a.grantee, 'USAGE')))
"""  # noqa: S608 - one of our own constants


@dataclass(frozen=True)
class Ready:
    """What was found, and what the backup will need; C(plain_bytes) before it is compressed, which is what it may take meanwhile."""

    repository: Repository
    programs: Programs
    server: ServerFacts
    database: DatabaseFacts
    history: History
    tables: int
    rows: int
    estimated_bytes: int
    plain_bytes: int
    left_out: list[str]


def look(server: Server, directory: str, *, jobs: int, metrics_path: str, passwords: bool = False, selection: Selection = WHOLE) -> Ready:
    """Refuse, by name, what would end badly."""
    _refuse_metrics(metrics_path)
    compressed.program()
    repository = opened(directory, server.database, create=True, check=True, selection=selection)
    with connected(server) as connection:
        facts, database = server_facts(connection), database_facts(connection)
        if facts.major < _OLDEST_MAJOR:
            raise OpsError(f"PostgreSQL {facts.version} is older than {_OLDEST_MAJOR}", where=server.address, remedy="Upgrade the server.")
        programs = found(("pg_dump", "pg_dumpall", "pg_restore"), facts.major)
        chosen = cut(connection, selection, server.address)
        refuse_torn(connection, chosen, server.address)
        counts = connection.execute(_COUNTS, chosen.oids).fetchone()
        _refuse_unreadable(connection, server, chosen)
        _refuse_unreadable_passwords(connection, server, passwords)
        others = connection.execute(_OTHERS).fetchone()
        _refuse_few_locks(server, _slots(counts["tables"], **others, jobs=jobs), connection.execute(_SLOTS).fetchone()["slots"])
    earlier = history(repository)
    known = earlier.previous
    unknown = max(0, database.size_bytes - chosen.bytes)
    estimate, plain = (known.bytes, known.plain_bytes) if known else (unknown, unknown)
    _refuse_little_space(repository, math.ceil(plain * _GROWTH) + _FLOOR_BYTES)
    return Ready(repository, programs, facts, database, earlier, counts["counted"], counts["rows"], estimate, plain, chosen.left_out)


def _slots(tables: int, sequences: int, views: int, jobs: int) -> int:
    """A slot for each object, and another one for two holders: our session and pg_dump, and of a table the worker that reads it.

    Indexes of tables are locked by our own reading alone, and only as long as it reads the table.
    """
    objects = tables + sequences + views + _CATALOGS
    held = tables * min(jobs + 1, 3) + 2 * sequences + views + 2 * _CATALOGS
    return max(objects, math.ceil(held / _HOLDERS))


def _refuse_few_locks(server: Server, needed: int, slots: int) -> None:
    if needed > slots:
        raise OpsError(
            f"The server has too few lock slots: {needed} are needed, there are {slots}",
            where=server.address,
            cause="max_locks_per_transaction * (max_connections + max_prepared_transactions) has to cover all tables, sequences and views",
            remedy=f"Raise max_locks_per_transaction by the factor {math.ceil(needed / slots)} and start the server again.",
            needed=needed,
            slots=slots,
        )


def _refuse_unreadable(connection: Any, server: Server, chosen: Cut) -> None:
    lacking = [row["what"] for row in connection.execute(_UNREADABLE, chosen.oids)]
    if lacking:
        more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
        raise OpsError(
            f"The role may not read {len(lacking)} objects, so the backup would not be whole",
            where=server.address,
            cause=", ".join(lacking[:_SHOWN]) + more,
            remedy="Make it a member of pg_read_all_data; row level security needs BYPASSRLS, a large object GRANT SELECT ON LARGE OBJECT.",
        )


def _refuse_unreadable_passwords(connection: Any, server: Server, wanted: bool) -> None:
    if wanted and not connection.execute(_READS_PASSWORDS).fetchone()["readable"]:
        raise OpsError(
            "The role may not read the passwords of roles",
            where=server.address,
            cause="they are in pg_catalog.pg_authid",
            remedy="As a superuser: GRANT SELECT ON pg_catalog.pg_authid to it, or leave include_role_passwords away.",
        )


def _refuse_little_space(repository: Repository, needed: int) -> None:
    """What killed runs have left is removed before the dump, so its room counts."""
    existing = repository.directory if repository.directory.exists() else repository.directory.parent
    leftovers = sum(size(path) for path in repository.leftovers())
    available = shutil.disk_usage(existing).free + leftovers
    if available < needed:
        raise OpsError(
            f"There is too little room for the backup: {needed} bytes are needed, {available} are available",
            where=str(repository.directory),
            remedy="Make the volume larger, or keep fewer backups.",
            needed_bytes=needed,
            available_bytes=available,
        )


def _refuse_metrics(path: str) -> None:
    if path and not Path(path).parent.is_dir():
        raise OpsError("The directory of the metrics file is missing", where=path, remedy="Make it, or leave metrics_path empty.")
