# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What belongs to a database and not to what is in it: a dump of its content has none of it, and a rename leaves it with the old one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._deps import declare
from .._report.finding import Finding
from .contents import EntryDifference

with declare("psycopg", minimum="3.1"):
    import psycopg
    import psycopg.sql

# Their values are lists of names, already quoted where they have to be; pg_dump knows the same ones.
_LISTS = {"local_preload_libraries", "search_path", "session_preload_libraries", "shared_preload_libraries", "temp_tablespaces"}

# Not ours to set, not to be set in a session, of a role or setting that this server does not know, of a value it does not take.
_REFUSALS = ("42501", "55P02", "42704", "22023")
_DATABASE = """
SELECT pg_get_userbyid(d.datdba) AS owner, d.datconnlimit AS connection_limit,
  coalesce((SELECT spcname FROM pg_tablespace t WHERE t.oid = d.dattablespace AND t.oid <> o.dattablespace), '') AS tablespace,
  coalesce(shobj_description(d.oid, 'pg_database'), '') AS comment
FROM pg_database d, pg_database o WHERE d.datname = %s AND o.datname = 'template0'
"""
_GRANTS = """
SELECT coalesce(r.rolname, '') AS role, a.privilege_type AS privilege, bool_or(a.is_grantable) AS grantable
FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE d.datname = %s GROUP BY 1, 2 ORDER BY 1, 2
"""
_SETTINGS = """
SELECT coalesce(r.rolname, '') AS role, s.entry AS entry
FROM pg_database d JOIN pg_db_role_setting c ON c.setdatabase = d.oid LEFT JOIN pg_roles r ON r.oid = c.setrole,
  unnest(c.setconfig) WITH ORDINALITY AS s(entry, place)
WHERE d.datname = %s ORDER BY 1, place
"""


@dataclass(frozen=True, order=True)
class Grant:
    """An empty role is everybody."""

    role: str
    privilege: str
    grantable: bool

    def __str__(self) -> str:
        return f"{self.privilege} to {self.role or 'everybody'}{' with grant option' if self.grantable else ''}"


@dataclass(frozen=True, order=True)
class Setting:
    """Of every session in the database, or of one role's there."""

    role: str
    name: str
    value: str

    @property
    def subject(self) -> str:
        return f"setting {self.name}{f' of {self.role}' if self.role else ''}"

    def __str__(self) -> str:
        """Without the value, which may be a secret of the application."""
        return f"{self.subject} (value {hashlib.sha256(self.value.encode()).hexdigest()[:12]})"


@dataclass(frozen=True)
class Properties:
    """The comment is given with the name, in the swap. An empty tablespace is the one that new databases have without a right to it."""

    owner: str
    grants: tuple[Grant, ...]
    tablespace: str = ""
    connection_limit: int = -1
    settings: tuple[Setting, ...] = ()
    comment: str = ""

    @classmethod
    def parsed(cls, document: Mapping[str, Any]) -> Properties:
        """From what C(dataclasses.asdict) makes of it."""
        grants = tuple(Grant(**grant) for grant in document["grants"])
        settings = tuple(Setting(**setting) for setting in document["settings"])
        return cls(**{**document, "grants": grants, "settings": settings})


def of_new(owner: str) -> Properties:
    """What PostgreSQL gives a new database."""
    everybody = [Grant("", privilege, grantable=False) for privilege in ("CONNECT", "TEMPORARY")]
    own = [Grant(owner, privilege, grantable=False) for privilege in ("CONNECT", "CREATE", "TEMPORARY")]
    return Properties(owner, (*everybody, *own))


def read(connection: Any, database: str) -> Properties:
    """Those of a database; any role may ask."""
    facts = connection.execute(_DATABASE, (database,)).fetchone()
    grants = tuple(Grant(**row) for row in connection.execute(_GRANTS, (database,)).fetchall())
    settings = tuple(Setting(row["role"], *row["entry"].split("=", 1)) for row in connection.execute(_SETTINGS, (database,)).fetchall())
    return Properties(grants=grants, settings=settings, **facts)


def apply(connection: Any, database: str, wanted: Properties) -> list[Finding]:
    """Give a new database what another one has; what only an administrator may do is a finding with the statement."""
    name = psycopg.sql.Identifier(database)
    connection.execute(psycopg.sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(name, wanted.connection_limit))
    with connection.transaction():
        for statement in _granting(name, wanted):
            connection.execute(statement)
    return [finding for setting in wanted.settings for finding in _set(connection, database, setting)]


def differences(wanted: Properties, found: Properties, excused: list[Finding]) -> list[EntryDifference]:
    """What a new database has otherwise, but for what a finding already tells."""
    told = {finding.subject for finding in excused}
    pairs = {
        "owner": (wanted.owner, found.owner),
        "tablespace": (wanted.tablespace, found.tablespace),
        "connection limit": (str(wanted.connection_limit), str(found.connection_limit)),
        "grants": (_shown(wanted.grants), _shown(found.grants)),
        "settings": (_shown([setting for setting in wanted.settings if setting.subject not in told]), _shown(found.settings)),
    }
    return [EntryDifference("database_property", name, before, after) for name, (before, after) in pairs.items() if before != after]


def _granting(name: psycopg.sql.Identifier, wanted: Properties) -> Iterator[psycopg.sql.Composed]:
    for role in (psycopg.sql.SQL("PUBLIC"), psycopg.sql.Identifier(wanted.owner)):
        yield psycopg.sql.SQL("REVOKE ALL ON DATABASE {} FROM {}").format(name, role)
    for grant in wanted.grants:
        to = psycopg.sql.Identifier(grant.role) if grant.role else psycopg.sql.SQL("PUBLIC")
        option = psycopg.sql.SQL(" WITH GRANT OPTION" if grant.grantable else "")
        yield psycopg.sql.SQL("GRANT {} ON DATABASE {} TO {}{}").format(psycopg.sql.SQL(grant.privilege), name, to, option)


def _set(connection: Any, database: str, setting: Setting) -> Iterator[Finding]:
    role = psycopg.sql.SQL("ALTER ROLE {} IN ").format(psycopg.sql.Identifier(setting.role)) if setting.role else psycopg.sql.SQL("ALTER ")
    head = psycopg.sql.SQL("{}DATABASE {} SET {} ").format(role, psycopg.sql.Identifier(database), psycopg.sql.Identifier(setting.name))
    try:
        with connection.transaction():
            if setting.name in _LISTS:
                connection.execute("SELECT set_config(%s, %s, true)", (setting.name, setting.value))
                connection.execute(head + psycopg.sql.SQL("FROM CURRENT"))
            else:
                connection.execute(head + psycopg.sql.SQL("TO {}").format(psycopg.sql.Literal(setting.value)))
    except psycopg.Error as error:
        if error.sqlstate not in _REFUSALS:
            raise
        yield Finding(
            id="setting_not_carried_over",
            severity="warning",
            subject=setting.subject,
            summary="the restored database lacks a setting of the former one",
            evidence=" ".join(str(error).split()),
            remedy="Set it as a superuser; psql shows the value at the former database with the command \\drds.",
        )


def _shown(items: Sequence[Grant | Setting]) -> str:
    return ", ".join(str(item) for item in sorted(items)) or "none"
