# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles of a server with what they may: a globals.sql that restores without an error can still make somebody a superuser."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .contents import EntryDifference

# Whoever may connect can ask this; passwords are not among it. Roles of PostgreSQL itself are on every server.
_ACCOUNTS = r"""
SELECT r.rolname AS name,
  concat_ws(' ',
    CASE WHEN r.rolsuper THEN 'SUPERUSER' END, CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END,
    CASE WHEN r.rolcreatedb THEN 'CREATEDB' END, CASE WHEN r.rolcanlogin THEN 'LOGIN' END,
    CASE WHEN r.rolreplication THEN 'REPLICATION' END, CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END,
    CASE WHEN NOT r.rolinherit THEN 'NOINHERIT' END, CASE WHEN r.rolconnlimit <> -1 THEN 'CONNECTION LIMIT ' || r.rolconnlimit END,
    CASE WHEN r.rolvaliduntil IS NOT NULL THEN 'VALID UNTIL ' || extract(epoch FROM r.rolvaliduntil) END) AS attributes,
  coalesce((SELECT string_agg(DISTINCT m.rolname || CASE WHEN a.admin_option THEN ' (admin)' ELSE '' END, ', '
                              ORDER BY m.rolname || CASE WHEN a.admin_option THEN ' (admin)' ELSE '' END)
            FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.roleid WHERE a.member = r.oid), '') AS member_of,
  coalesce((SELECT string_agg(s, ', ' ORDER BY s) FROM unnest(r.rolconfig) s), '') AS settings
FROM pg_roles r WHERE r.rolname !~ '^pg_' ORDER BY 1
"""


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
