# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles, databases and rights as they should be.

The wanted state is SQL that may be run any number of times. It runs in a transaction between two looks at the catalogs; where both
looks see the same, or only a prediction is asked for, the transaction is undone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._deps import declare
from .._errors import OpsError
from .administrator import Administrator, Outcome
from .verifier import verifier

with declare("psycopg", minimum="3.1"):
    import psycopg
    import psycopg.sql

_VERIFIER = re.compile(r"\{verifier:([a-z_]+)\}")
# Another cluster, another database of the same name, or the same one recovered to an earlier moment: each has another identity.
_IDENTITIES = (
    "SELECT datname, format('%%s/%%s/%%s', c.system_identifier, p.timeline_id, oid) AS identity"
    " FROM pg_database, pg_control_system() AS c, pg_control_checkpoint() AS p WHERE datname = ANY(%s)"
)


@dataclass(frozen=True)
class Step:
    """SQL for one database; `observe` gives one line of text for each fact it settles."""

    database: str
    observe: str
    statements: Sequence[str]
    owner: str = ""


def settle(administrator: Administrator, steps: Sequence[Step], passwords: Mapping[str, str], *, check: bool) -> Outcome:
    """Run each step; a database that a step needs is made first."""
    outcome = Outcome()
    administrator.choose(steps[0].database)
    verifiers = {role: verifier(role, password) for role, password in passwords.items()}
    for step in steps:
        if step.owner and not _database_is_there(administrator, steps[0].database, step, outcome, check=check):
            continue
        with administrator.session(step.database) as connection:
            try:
                with connection.transaction():
                    before = _lines(connection, step.observe)
                    for statement in step.statements:
                        connection.execute(_composed(statement, verifiers))
                    after = _lines(connection, step.observe)
                    outcome.differ(step.database, before, after)
                    if check or before == after:
                        raise psycopg.Rollback
            except psycopg.errors.InsufficientPrivilege as error:
                remedy = "Name the superuser that the server was made with."
                raise OpsError(
                    "The administrator is no superuser", where=administrator.server.address, cause=str(error), remedy=remedy
                ) from error
        if step.database == steps[0].database and administrator.user in passwords and not check:
            administrator.passwords = [passwords[administrator.user]]
    return outcome


def identities(administrator: Administrator, steps: Sequence[Step]) -> dict[str, str]:
    """What the databases of the steps are known by; it changes where one is made anew or recovered to an earlier moment."""
    with administrator.session(steps[0].database) as connection:
        found = connection.execute(_IDENTITIES, ([step.database for step in steps],)).fetchall()
        return {row["datname"]: row["identity"] for row in found}


def _database_is_there(administrator: Administrator, maintenance: str, step: Step, outcome: Outcome, *, check: bool) -> bool:
    with administrator.session(maintenance) as connection:
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", (step.database,)).fetchone() is not None:
            return True
        outcome.differ(maintenance, [], [f"database {step.database}"])
        if check:
            return False
        names = {"name": psycopg.sql.Identifier(step.database), "owner": psycopg.sql.Identifier(step.owner)}
        connection.execute(psycopg.sql.SQL("CREATE DATABASE {name} OWNER {owner} TEMPLATE template0 ENCODING 'UTF8'").format(**names))
        return True


def _lines(connection: Any, query: str) -> list[str]:
    return sorted(str(next(iter(row.values()))) for row in connection.execute(query).fetchall())


def _composed(statement: str, verifiers: Mapping[str, str]) -> Any:
    """`{verifier:NAME}` stands for what is kept of a role's password; nothing else is replaced."""
    parts = _VERIFIER.split(statement)
    return psycopg.sql.Composed(
        [psycopg.sql.Literal(verifiers[part]) if index % 2 else psycopg.sql.SQL(part) for index, part in enumerate(parts)]
    )
