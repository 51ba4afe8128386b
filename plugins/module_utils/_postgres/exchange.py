# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore and its undo have in common: they are alone, they change who has a name, and they say what became of the databases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from .._clock import now
from .._deps import declare
from .._errors import OpsError
from .._progress import Progress
from .._report.finding import Finding
from .._tls import Credentials
from .beside import MAINTENANCE, Beside, Catalog, Replaced, look, refuse_name
from .connection import LONGEST_TIMEOUT_SECONDS, NoConnectionError, Server, session
from .contents import EntryDifference
from .side_schema import SideTable
from .swap import Change, swap
from .written import next_transaction

with declare("psycopg", minimum="3.1"):
    import psycopg
    import psycopg.sql

_LOCK = "pg_restore of {}"

_TAKE = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0)) AS taken"
_HOLDER = """
SELECT a.pid, a.usename AS role, a.application_name AS application, coalesce(host(a.client_addr), 'the server itself') AS address
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::int8 << 32) | l.objid::int8 = hashtextextended(%s, 0)
"""
# Unknown to PostgreSQL 16 and older; both would end the session that holds the lock while other programs work.
_UNLIMITED = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('idle_session_timeout', 'transaction_timeout')"
# Others took the places that the database's connection limit leaves: the name serves.
_FULL = "too many connections for database"
_SERVED = "SELECT oid::int8 AS oid FROM pg_database WHERE datname = current_database()"
_SIZE = "SELECT pg_database_size(%s::oid)::int8 AS bytes"


@dataclass(frozen=True)
class Target:
    """A server, who comes to it, and the database whose name is at stake; sessions are in another one, or they would hold it up."""

    server: Server
    who: Credentials
    database: str

    def __post_init__(self) -> None:
        refuse_name(self.database)

    def session(self, database: str = MAINTENANCE, *, statement_seconds: float = 0) -> AbstractContextManager[Any]:
        milliseconds = int(min(statement_seconds, LONGEST_TIMEOUT_SECONDS) * 1000)
        limit = f"-c statement_timeout={milliseconds}" if statement_seconds else ""
        return session(replace(self.server, database=database), self.who, f"{limit} -c row_security=off")

    @contextmanager
    def alone(self, statement_seconds: float) -> Iterator[Any]:
        """The session that does everything that changes databases; it ends, and the lock with it, however this process ends."""
        key = _LOCK.format(self.database)
        with self.session(statement_seconds=statement_seconds) as locker:
            locker.execute(_UNLIMITED)
            if not locker.execute(_TAKE, (key,)).fetchone()["taken"]:
                row = locker.execute(_HOLDER, (key,)).fetchone()
                raise OpsError(
                    f"Another restore or undo of {self.database} is at work",
                    where=self.server.address,
                    cause=f"process {row['pid']} of {row['role']} from {row['address']}" if row else "it has just ended",
                    remedy="Let it end, and look at what it did before running again.",
                )
            yield locker

    def enter(self, oid: int) -> None:
        """Come by the name, as everybody does; rows were compared in this very database before it got the name."""
        try:
            with self.session(self.database) as connection:
                found = connection.execute(_SERVED).fetchone()["oid"]
        except NoConnectionError as error:
            if _FULL in error.cause:
                return
            raise
        if found != oid:
            raise OpsError(
                f"{self.database} is another database than the one that was to have the name",
                where=self.server.address,
                cause=f"OID {found} instead of {oid}",
                remedy="Find out who renames databases on this server.",
            )


@dataclass(frozen=True)
class Policy:
    """How long a swap may be tried, how many databases that were put aside may stay, and when more than that are dropped (0: never)."""

    swap_timeout_seconds: float
    keep_before: int
    drop_before_older_than_seconds: float


@dataclass(frozen=True)
class Outcome:
    """What was done, or would be; C(before) and C(after) say which database has which name, for a diff."""

    changed: bool
    backup: str
    database: str
    kept_database: str
    rows: int
    before: Sequence[str]
    after: Sequence[str]
    swap_seconds: float = 0.0
    tries: int = 0
    sessions_ended: int = 0
    differences: Sequence[EntryDifference] = ()
    leftovers_removed: Sequence[str] = ()
    findings: Sequence[Finding] = field(default=())
    side_schema: str = ""
    side_tables: Sequence[SideTable] = ()


def drop(locker: Any, name: str, *, force: bool) -> None:
    """Drop a database that never had the live name, or one whose time is over."""
    option = psycopg.sql.SQL(" WITH (FORCE)" if force else "")
    locker.execute(psycopg.sql.SQL("DROP DATABASE IF EXISTS {}{}").format(psycopg.sql.Identifier(name), option))


@dataclass(frozen=True)
class Successor:
    """The database that is to have the name, the comment that goes with it, the backup it was made from, and its rows."""

    oid: int
    name: str
    comment: str
    backup: str
    rows: int


@dataclass(frozen=True)
class Exchange:
    """One change of a name, in the session that holds the lock."""

    target: Target
    policy: Policy
    locker: Any
    progress: Progress

    def change(self, catalog: Catalog, aside: str, new: Successor) -> Change:
        """What will be done; nobody may have begun to write to the successor."""
        said = Replaced(now(), new.oid, new.backup, new.rows, next_transaction(self.locker), catalog.origin, catalog.comment)
        where = aside if catalog.live is not None else ""
        return Change(catalog.database, catalog.live, where, said.render(), new.oid, new.name, new.comment)

    def make(self, change: Change, outcome: Outcome) -> Outcome:
        """Do it, see that the name serves, and look after the databases that are aside."""
        self.progress.phase("swap")
        done = swap(self.locker, self.target.session, change, timeout_seconds=self.policy.swap_timeout_seconds)
        self.progress.phase("check")
        with change.done():
            self.target.enter(change.new)
        findings = [*outcome.findings, *_settle_kept(self.locker, self.target.database, self.policy)]
        after = look(self.locker, self.target.database).lines()
        known = replace(outcome, kept_database=change.aside, after=after, findings=findings)
        return replace(known, swap_seconds=done.seconds, tries=done.tries, sessions_ended=done.sessions_ended)


def _settle_kept(locker: Any, database: str, policy: Policy) -> list[Finding]:
    """Name the databases beyond those that may stay, and drop those that are old enough to go."""
    surplus = look(locker, database).kept[policy.keep_before :]
    return [_settled(locker, other, policy) for other in surplus]


def _settled(locker: Any, other: Beside, policy: Policy) -> Finding:
    limit = policy.drop_before_older_than_seconds
    size = f"{locker.execute(_SIZE, (other.oid,)).fetchone()['bytes']} bytes"
    remedy = f'When nobody needs it any more: DROP DATABASE "{other.name}";'
    if not limit or not other.replaced or other.age_seconds(datetime.now(UTC)) <= limit:
        return Finding("kept_database_surplus", "info", other.name, "an older database that was put aside takes room", size, remedy)
    try:
        drop(locker, other.name, force=False)
    except psycopg.Error as error:
        evidence = f"{size}; {' '.join(str(error).split())}"
        return Finding(
            "kept_database_not_dropped", "warning", other.name, "its time is over, and it could not be dropped", evidence, remedy
        )
    return Finding("kept_database_dropped", "info", other.name, "its time was over, so it was dropped", size, "Nothing has to be done.")
