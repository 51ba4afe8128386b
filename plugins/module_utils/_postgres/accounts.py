# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles of a server with what they may: a globals.sql that restores without an error can still make somebody a superuser."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .contents import EntryDifference

# Whoever may connect can ask this; passwords are not among it. Roles of PostgreSQL itself are on every server. Before 16 a membership had
# no options of its own but the first: it inherited as its member did.
_ACCOUNTS = r"""
SELECT r.rolname AS name,
  concat_ws(' ',
    CASE WHEN r.rolsuper THEN 'SUPERUSER' END, CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END,
    CASE WHEN r.rolcreatedb THEN 'CREATEDB' END, CASE WHEN r.rolcanlogin THEN 'LOGIN' END,
    CASE WHEN r.rolreplication THEN 'REPLICATION' END, CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END,
    CASE WHEN NOT r.rolinherit THEN 'NOINHERIT' END, CASE WHEN r.rolconnlimit <> -1 THEN 'CONNECTION LIMIT ' || r.rolconnlimit END,
    CASE WHEN r.rolvaliduntil IS NOT NULL THEN 'VALID UNTIL ' || extract(epoch FROM r.rolvaliduntil) END) AS attributes,
  coalesce((SELECT string_agg(DISTINCT m.rolname || o.options, ', ' ORDER BY m.rolname || o.options)
            FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.roleid, LATERAL (SELECT concat(
              CASE WHEN a.admin_option THEN ' (admin)' END,
              CASE WHEN (to_jsonb(a)->>'inherit_option')::boolean <> r.rolinherit THEN ' (not as the role inherits)' END,
              CASE WHEN NOT (to_jsonb(a)->>'set_option')::boolean THEN ' (no set)' END) AS options) o
            WHERE a.member = r.oid), '') AS member_of,
  coalesce((SELECT string_agg(s, ', ' ORDER BY s) FROM unnest(r.rolconfig) s), '') AS settings
FROM pg_roles r WHERE r.rolname !~ '^pg_' ORDER BY 1
"""
_FIRST_SUPERUSER = "SELECT textsend(format('%I', rolname)) AS name FROM pg_roles WHERE oid = 10"
_GRANTED = re.compile(rb"^(GRANT [^\n]+) GRANTED BY ([^\n]+);$", re.M)
# A grantor means something since.
_WITH_GRANTORS = 160000


@dataclass(frozen=True, order=True)
class Account:
    """A role: the attributes it has, of which roles it is a member, and its settings in all databases, each in one order."""

    name: str
    attributes: str
    member_of: str
    settings: str

    def __str__(self) -> str:
        parts = {"": self.attributes, "member of ": self.member_of, "SET ": self.settings}
        return "; ".join(f"{word}{part}" for word, part in parts.items() if part) or "no attributes"


def accounts(connection: Any) -> tuple[Account, ...]:
    """Those of the server, by name."""
    return tuple(Account(**row) for row in connection.execute(_ACCOUNTS))


def portable(connection: Any, sql: bytes) -> bytes:
    """Statements that make roles, for whatever superuser there is elsewhere.

    The one of initdb may grant everything, and only he: by his name on a server where he is called otherwise a membership is refused, and
    without it its grantor is he again. Other grantors are made before they grant. What was granted before release 16 may name anybody.
    """
    if connection.info.server_version < _WITH_GRANTORS:
        return without_grantors(sql)
    return without_grantors(sql, bytes(connection.execute(_FIRST_SUPERUSER).fetchone()["name"]))


def without_grantors(sql: bytes, only: bytes = b"") -> bytes:
    """Memberships as the superuser of initdb grants them: those of one grantor, or of all."""
    return _GRANTED.sub(lambda match: match[1] + b";" if only in (b"", match[2]) else match[0], sql)


def differences(expected: Sequence[Account], found: Sequence[Account]) -> Iterator[EntryDifference]:
    """How the roles of two servers differ."""
    before, after = ({account.name: account for account in side} for side in (expected, found))
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if new is None:
            yield EntryDifference("role_missing", name, "a role in globals.sql", "none")
        elif old is None:
            yield EntryDifference("role_unexpected", name, "none", str(new))
        elif old != new:
            yield EntryDifference("role_changed", name, str(old), str(new))
