# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server and a database are, asked of their catalogs; any role that may connect can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# The names of some columns changed between the versions of PostgreSQL.
_DATABASE = """
SELECT d.datname AS name, pg_get_userbyid(d.datdba) AS owner, pg_encoding_to_char(d.encoding) AS encoding,
       d.datcollate AS collation, d.datctype AS character_type,
       CASE d.datlocprovider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' ELSE 'builtin' END AS locale_provider,
       coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale', '') AS locale,
       coalesce(pg_database_collation_actual_version(d.oid), '') AS collation_version,
       pg_database_size(d.oid)::int8 AS size_bytes
FROM pg_database d WHERE d.datname = current_database()
"""
_SERVER = """
SELECT system_identifier::text AS system_identifier, split_part(current_setting('server_version'), ' ', 1) AS version,
       current_setting('server_version_num')::int AS version_number, version() AS platform,
       coalesce((SELECT pg_collation_actual_version(c.oid) FROM pg_collation c
                 WHERE c.collname = 'und-x-icu' AND c.collnamespace = 'pg_catalog'::regnamespace), '') AS icu_version
FROM pg_control_system()
"""
_EXTENSIONS = "SELECT extname AS name, extversion AS version FROM pg_extension ORDER BY 1"
# What the superuser of initdb owns is not in pg_shdepend: it cannot be dropped.
_ROLES = """
SELECT DISTINCT r.rolname AS name
FROM pg_shdepend s JOIN pg_roles r ON r.oid = s.refobjid JOIN pg_database d ON d.datname = current_database()
WHERE s.refclassid = 'pg_authid'::regclass
  AND (s.dbid = d.oid OR (s.dbid = 0 AND s.classid = 'pg_database'::regclass AND s.objid = d.oid))
ORDER BY 1
"""
_SEQUENCES = """
SELECT format('%%I.%%I', s.schemaname, s.sequencename) AS name, s.last_value AS value, s.increment_by AS increment, s.cycle AS cycles
FROM pg_sequences s JOIN pg_namespace n ON n.nspname = s.schemaname
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.sequencename WHERE c.oid <> ALL(%s::oid[]) ORDER BY 1
"""
# pg_dump leaves these out where its role is no superuser, the second without a word.
_SUBSCRIPTIONS = """
SELECT format('subscription %I', s.subname) AS what
FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid AND d.datname = current_database()
WHERE current_setting('is_superuser') <> 'on' ORDER BY 1
"""
_MAPPINGS = """
SELECT format('options of the user mapping for %I on the server %I', v.usename, v.srvname) AS what
FROM pg_user_mappings v JOIN pg_user_mapping m ON m.oid = v.umid WHERE m.umoptions IS NOT NULL AND v.umoptions IS NULL ORDER BY 1
"""
_SEES_MAPPINGS = "SELECT has_table_privilege('pg_user_mapping', 'SELECT') AS allowed"


@dataclass(frozen=True, order=True)
class SequenceState:
    """The last value that a sequence had given at the snapshot, none where it never was asked; the C(name) is quoted for SQL."""

    name: str
    value: int | None
    increment: int
    cycles: bool


@dataclass(frozen=True)
class DatabaseFacts:
    """The database as its server describes it; C(locale) is the one of a provider other than C(libc)."""

    name: str
    owner: str
    encoding: str
    collation: str
    character_type: str
    locale_provider: str
    locale: str
    collation_version: str
    size_bytes: int


@dataclass(frozen=True)
class ServerFacts:
    """The server; C(version_number) is that of C(SHOW server_version_num), C(icu_version) empty where it has no ICU."""

    system_identifier: str
    version: str
    version_number: int
    platform: str = ""
    icu_version: str = ""

    @property
    def major(self) -> int:
        return self.version_number // 10000


def server_facts(connection: Any) -> ServerFacts:
    return ServerFacts(**connection.execute(_SERVER).fetchone())


def database_facts(connection: Any) -> DatabaseFacts:
    return DatabaseFacts(**connection.execute(_DATABASE).fetchone())


def extensions(connection: Any) -> dict[str, str]:
    """Names and versions."""
    return {row["name"]: row["version"] for row in connection.execute(_EXTENSIONS)}


def roles(connection: Any) -> list[str]:
    """Roles that own something of the database or hold a right in it."""
    return [row["name"] for row in connection.execute(_ROLES)]


def sequences(connection: Any, without: Sequence[int] = ()) -> tuple[SequenceState, ...]:
    """Where each sequence is now, but for some by their OIDs; a dump has them as they are somewhat later."""
    return tuple(SequenceState(**row) for row in connection.execute(_SEQUENCES, [list(without)]))


def not_dumped(connection: Any) -> tuple[str, ...]:
    """What the session's role cannot dump."""
    asked = [_SUBSCRIPTIONS, *([_MAPPINGS] if connection.execute(_SEES_MAPPINGS).fetchone()["allowed"] else [])]
    return tuple(row["what"] for query in asked for row in connection.execute(query))
