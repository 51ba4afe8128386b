# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles, databases, rights and loaded files as they should be.

The wanted state is SQL that may be run any number of times. It runs in a transaction between two looks at the catalogs; where both
looks see the same, or only a prediction is asked for, the transaction is undone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from .._deps import declare
from .._errors import OpsError
from .._tls import Credentials
from .connection import NoConnectionError, Server, session

with declare("psycopg", minimum="3.1"):
    import psycopg
    import psycopg.sql

_ITERATIONS = 4096
_NOT_AUTHENTICATED = "28P01"
_POLL_SECONDS = 1.0
_NEEDS_RESTART = "setting could not be applied"
_VERIFIER = re.compile(r"\{verifier:([a-z_]+)\}")

_SYSTEM_SETTINGS = (
    "SELECT name, coalesce(setting, '') AS setting FROM pg_file_settings WHERE sourcefile LIKE '%/postgresql.auto.conf' ORDER BY 1"
)
# Another cluster, another database of the same name, or the same one recovered to an earlier moment: each has another identity.
_IDENTITIES = (
    "SELECT datname, format('%%s/%%s/%%s', c.system_identifier, p.timeline_id, oid) AS identity"
    " FROM pg_database, pg_control_system() AS c, pg_control_checkpoint() AS p WHERE datname = ANY(%s)"
)
_PENDING = "SELECT name FROM pg_settings WHERE pending_restart ORDER BY 1"
_FILE = "SELECT encode(sha256(pg_read_binary_file(%s)), 'hex') AS sha256, (pg_stat_file(%s)).modification > pg_conf_load_time() AS newer"
_MISTAKES = "SELECT coalesce(name, sourcefile) AS name, error FROM pg_file_settings WHERE error IS NOT NULL AND NOT applied ORDER BY 1"


@dataclass(frozen=True)
class Step:
    """SQL for one database; `observe` gives one line of text for each fact it settles."""

    database: str
    observe: str
    statements: Sequence[str]
    owner: str = ""


@dataclass
class Outcome:
    """What changed, as lines before and after."""

    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    pending_restart: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return self.before != self.after

    def differ(self, where: str, before: Sequence[str], after: Sequence[str]) -> None:
        self.before += [f"{where}: {line}" for line in before if line not in after]
        self.after += [f"{where}: {line}" for line in after if line not in before]


@dataclass
class Administrator:
    """The superuser of a server. Where its password is being changed, the server may still know the former one."""

    server: Server
    user: str
    passwords: Sequence[str]

    def session(self, database: str) -> AbstractContextManager[Any]:
        return session(replace(self.server, database=database), Credentials(self.user, self.passwords[0]))

    def choose(self, database: str) -> None:
        """Keep the password that works."""
        for password in self.passwords:
            try:
                with session(replace(self.server, database=database), Credentials(self.user, password)):
                    self.passwords = [password]
                    return
            except NoConnectionError as error:
                if error.details.get("sqlstate") != _NOT_AUTHENTICATED or password == self.passwords[-1]:
                    raise


def verifier(role: str, password: str) -> str:
    """What PostgreSQL keeps of a password (RFC 5803). The salt follows from both, so that the same password gives the same text,
    and the password itself is never part of a statement that a server may log."""
    secret = password.encode()
    salt = hmac.digest(secret, f"endpoint-stats/{role}".encode(), "sha256")[:16]
    salted = hashlib.pbkdf2_hmac("sha256", secret, salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    served = hmac.digest(salted, b"Server Key", "sha256")
    texts = [base64.b64encode(part).decode() for part in (salt, stored, served)]
    return f"SCRAM-SHA-256${_ITERATIONS}:{texts[0]}${texts[1]}:{texts[2]}"


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


def load_files(administrator: Administrator, files: Mapping[str, str], outcome: Outcome, *, wait_seconds: int, check: bool) -> None:
    """Wait until the server's files are the wanted ones, and have it load what is newer than what it loaded."""
    with administrator.session("postgres") as connection:
        strange = {row["name"]: row["setting"] for row in connection.execute(_SYSTEM_SETTINGS).fetchall()}
        outcome.differ("ALTER SYSTEM", [f"{name} = {value}" for name, value in strange.items()], [])
        stale = _awaited(connection, files, 0 if check else wait_seconds)
        if stale:
            outcome.differ("loaded files", [], stale)
        if check:
            return
        if strange:
            connection.execute("ALTER SYSTEM RESET ALL")
        if strange or stale:
            connection.execute("SELECT pg_reload_conf()")
        mistakes = [f"{row['name']}: {row['error']}" for row in connection.execute(_MISTAKES).fetchall() if row["error"] != _NEEDS_RESTART]
        if mistakes:
            remedy = "Correct app_stack_postgresql_settings."
            raise OpsError(
                "PostgreSQL does not accept its settings", where=administrator.server.address, cause="; ".join(mistakes), remedy=remedy
            )
        outcome.pending_restart = [row["name"] for row in connection.execute(_PENDING).fetchall()]


def _awaited(connection: Any, files: Mapping[str, str], wait_seconds: int) -> list[str]:
    """Files that the server has not loaded yet, once they are the wanted ones."""
    until = time.monotonic() + wait_seconds
    while True:
        found = {path: connection.execute(_FILE, (path, path)).fetchone() for path in files}
        other = [path for path, row in found.items() if row["sha256"] != files[path]]
        if not other or not wait_seconds:
            return sorted({*other, *(path for path, row in found.items() if row["newer"])})
        if time.monotonic() > until:
            remedy = "kubelet updates mounted files within two minutes; see whether its node is well, or delete the pod."
            raise OpsError("The server does not have its new files yet", cause=", ".join(other), remedy=remedy)
        time.sleep(_POLL_SECONDS)


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
