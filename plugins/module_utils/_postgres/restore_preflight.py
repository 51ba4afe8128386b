# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the way of a restore or a swap, asked of the server before anything is touched; all of it is said at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._errors import OpsError
from .._report.finding import Finding
from . import sealing
from .beside import Beside, Catalog
from .dump import GLOBALS
from .load import missing_extensions, missing_roles
from .manifest import Manifest
from .properties import Properties

# Exists only in the database that a setting of the server names, so neither beside it nor on a server that is thrown away.
_TIED = "pg_cron"
# Only a superuser may make these, whoever owns the database.
_OF_SUPERUSERS = ("ACCESS METHOD", "EVENT TRIGGER", "FOREIGN DATA WRAPPER", "OPERATOR CLASS", "OPERATOR FAMILY", "SUBSCRIPTION")
_SHOWN = 5

_SERVER = """
SELECT current_setting('server_version_num')::int AS version_number, pg_is_in_recovery() AS standby, current_user AS role,
  r.rolsuper AS superuser, r.rolsuper OR r.rolcreatedb AS makes_databases,
  pg_has_role(current_user, 'pg_signal_backend', 'USAGE') AS ends_sessions,
  (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier
FROM pg_roles r WHERE r.rolname = current_user
"""
_ROLES = """
SELECT r.rolname AS name, pg_has_role(current_user, r.oid, 'USAGE') AS usable,
  coalesce((SELECT pg_has_role(o.oid, r.oid, 'USAGE') FROM pg_roles o WHERE o.rolname = %(owner)s), false) AS of_owner
FROM pg_roles r WHERE r.rolname = ANY(%(names)s)
"""
_UNTRUSTED = """
SELECT name FROM pg_available_extension_versions WHERE name = ANY(%s) GROUP BY 1 HAVING NOT bool_or(trusted) ORDER BY 1
"""
_OWNERS = """
SELECT DISTINCT pg_get_userbyid(datdba) AS name FROM pg_database WHERE oid = ANY(%s) AND NOT pg_has_role(current_user, datdba, 'USAGE')
"""
_TABLESPACE = """
SELECT coalesce((SELECT has_tablespace_privilege(oid, 'CREATE') FROM pg_tablespace WHERE spcname = %s), false) AS usable
"""
_OBSTACLES = """
SELECT 'prepared transaction' AS kind, gid AS name, database FROM pg_prepared_xacts WHERE database = ANY(%(names)s)
UNION ALL
SELECT 'logical replication slot', slot_name, database FROM pg_replication_slots WHERE database = ANY(%(names)s)
UNION ALL
SELECT 'subscription', s.subname, d.datname FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = ANY(%(names)s)
UNION ALL
SELECT 'scheduler', application_name, datname FROM pg_stat_activity
WHERE application_name = 'pg_cron scheduler' AND datname = ANY(%(names)s)
"""
_SUPERUSERS = """
SELECT s.pid, s.usename AS role, coalesce(s.application_name, '') AS application
FROM pg_stat_activity s JOIN pg_roles r ON r.oid = s.usesysid WHERE s.datid = %s AND r.rolsuper ORDER BY s.pid
"""
_REMEDIES = {
    "prepared transaction": "End it in its database with COMMIT PREPARED or ROLLBACK PREPARED.",
    "logical replication slot": "Drop it when its consumer is stopped; it would go on reading the database that was put aside.",
    "scheduler": "Point cron.database_name to another database, such as postgres, and its jobs here with cron.schedule_in_database().",
    "subscription": "Drop it, and make it anew in the restored database; it would go on writing to the one that was put aside.",
}


@dataclass(frozen=True)
class ServerSide:
    """The server, and the role we come with."""

    version_number: int
    standby: bool
    role: str
    superuser: bool
    makes_databases: bool
    ends_sessions: bool
    system_identifier: str

    @property
    def major(self) -> int:
        return self.version_number // 10000


def server_side(connection: Any) -> ServerSide:
    return ServerSide(**connection.execute(_SERVER).fetchone())


def refuse(obstacles: Iterable[OpsError]) -> None:
    """Raise what stands in the way: one error, or one that tells all of them."""
    found = list(obstacles)
    if len(found) == 1:
        raise found[0]
    if found:
        causes = "; ".join(f"{error.summary}{f' ({error.cause})' if error.cause else ''}" for error in found)
        remedies = " ".join(dict.fromkeys(error.remedy for error in found if error.remedy))
        summaries = [error.summary for error in found]
        raise OpsError(f"{len(found)} things stand in the way; nothing was touched", cause=causes, remedy=remedies, obstacles=summaries)


def of_swap(connection: Any, catalog: Catalog, side: ServerSide, new: Beside | None = None) -> Iterator[OpsError]:
    """What keeps the name from changing; C(new) is the database that is to have it, where that is there already."""
    if side.standby:
        yield OpsError("The server is a standby, which cannot be written to", remedy="Name the primary.")
    if not side.ends_sessions:
        remedy = f"As a superuser: GRANT pg_signal_backend TO {side.role};"
        yield OpsError(f"The role {side.role} may not end the sessions of others", remedy=remedy)
    if not side.makes_databases:
        remedy = f"As a superuser: ALTER ROLE {side.role} CREATEDB;"
        yield OpsError(f"The role {side.role} may neither make nor rename databases", remedy=remedy)
    oids = [*([] if catalog.live is None else [catalog.live]), *([new.oid] if new else [])]
    for owner in connection.execute(_OWNERS, (oids,)).fetchall():
        remedy = f"As a superuser: GRANT {owner['name']} TO {side.role};"
        yield OpsError(f"The role {side.role} is no member of {owner['name']}, who owns the database", remedy=remedy)
    names = [catalog.database, *([new.name] if new else [])]
    for row in connection.execute(_OBSTACLES, {"names": names}).fetchall():
        yield OpsError(f"The database {row['database']} has a {row['kind']}, {row['name']}", remedy=_REMEDIES[row["kind"]])


def of_restore(connection: Any, manifest: Manifest, side: ServerSide, wanted: Properties) -> Iterator[OpsError]:
    """What keeps a backup from being restored on this server by this role."""
    owner = wanted.owner
    if side.major < manifest.server.major:
        cause = f"the server is {side.major}, the backup is of {manifest.server.major}"
        yield OpsError(
            "The server is older than the one the backup is of", cause=cause, remedy="Restore on a server of that version or newer."
        )
    if missing := missing_roles(connection, replace(manifest, database=replace(manifest.database, owner=owner))):
        remedy = f"Make them first; {_where_roles_are(manifest)}."
        yield OpsError(f"Roles are missing on the server: {_few(missing)}", remedy=remedy)
    if strangers := [name for name, row in _owners(connection, manifest, owner).items() if not row["usable"]]:
        remedy = f"As a superuser: GRANT {', '.join(strangers)} TO {side.role};"
        yield OpsError(f"The role {side.role} is no member of owners in the backup: {_few(strangers)}", remedy=remedy)
    if wanted.tablespace and not connection.execute(_TABLESPACE, (wanted.tablespace,)).fetchone()["usable"]:
        remedy = f"As a superuser, and where there is none make it first: GRANT CREATE ON TABLESPACE {wanted.tablespace} TO {side.role};"
        yield OpsError(f"The role {side.role} may not use the tablespace of the database, {wanted.tablespace}", remedy=remedy)
    if lacking := missing_extensions(connection, manifest):
        yield OpsError(f"Extensions are not installed on the server: {_few(lacking)}", remedy="Install their packages on the server.")
    elif _TIED in manifest.extensions:
        remedy = f"RESTORE.md tells how to restore by hand; with cron.database_name elsewhere the next backups do without {_TIED}."
        yield OpsError(f"The backup has {_TIED}, which no database beside the live one can have", remedy=remedy)
    if special := [] if side.superuser else _of_superusers(connection, manifest):
        yield OpsError(f"The backup has what only a superuser may make: {_few(special)}", remedy="Restore it as a superuser.")


def _where_roles_are(manifest: Manifest) -> str:
    if encrypted := sealing.named(file.path for file in manifest.files):
        return f"the backup has their statements, encrypted: {sealing.COMMANDS[encrypted]}"
    return f"{GLOBALS} in the backup has their statements, without passwords"


def acting_role(connection: Any, manifest: Manifest, side: ServerSide, owner: str) -> str:
    """As whom pg_restore makes everything: the database's owner, so that also what has no owner in a dump, an extension, is its own.

    Empty where it has to be ourselves, as some object's owner is a role that the database's owner is no member of."""
    known = _owners(connection, manifest, owner)
    return owner if not side.superuser and all(row["of_owner"] for row in known.values()) else ""


def superusers(connection: Any, catalog: Catalog, side: ServerSide) -> list[Finding]:
    """Sessions that the swap cannot end; they may be gone until then."""
    found = [] if catalog.live is None or side.superuser else connection.execute(_SUPERUSERS, (catalog.live,)).fetchall()
    return [
        Finding(
            id="superuser_connected",
            severity="warning",
            subject=catalog.database,
            summary="a superuser is connected; only a superuser can end that session, and the swap waits for its end",
            evidence=f"process {row['pid']} of {row['role']}, {row['application'] or 'no name'}",
            remedy="Close it before the restored database is there.",
        )
        for row in found
    ]


def _owners(connection: Any, manifest: Manifest, owner: str) -> dict[str, dict[str, Any]]:
    """Those of the objects, but for roles of PostgreSQL itself: whose member one is follows from the database."""
    names = sorted({entry.owner for entry in manifest.entries if not entry.owner.startswith("pg_")} | {owner})
    rows = connection.execute(_ROLES, {"owner": owner, "names": names}).fetchall()
    return {row["name"]: row for row in rows}


def _of_superusers(connection: Any, manifest: Manifest) -> list[str]:
    rows = connection.execute(_UNTRUSTED, (sorted(set(manifest.extensions) - {"plpgsql"}),)).fetchall()
    entries = [entry.identity for entry in manifest.entries if entry.kind in _OF_SUPERUSERS]
    return [*entries, *(f"EXTENSION {row['name']}" for row in rows)]


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
