# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A name changes from one database to another: both renames in one transaction, which is also the fence.

While the transaction has the database locked, its sessions are ended and newcomers wait in the server; its end lets them go, and whatever
cuts it off leaves everything as it was. `ALLOW_CONNECTIONS false` would stay after a crash and keep the database closed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from .._deps import declare
from .._errors import OpsError
from . import silence

with declare("psycopg", minimum="3.1"):
    import psycopg
    import psycopg.sql

# One try may hold newcomers up for both together; they stay below a second.
_OLD_MILLISECONDS = 600
_NEW_MILLISECONDS = 300
_LOOK_SECONDS = 0.02
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 8.0

# Only while our transaction has the database locked: ended earlier, sessions would come back before it has.
_END_SESSIONS = """
SELECT s.pid, pg_terminate_backend(s.pid) AS ended
FROM pg_stat_activity s JOIN pg_roles r ON r.oid = s.usesysid
WHERE s.datid = ANY(%(databases)s) AND (NOT r.rolsuper OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user))
  AND EXISTS (
    SELECT FROM pg_locks l
    WHERE l.pid = %(locker)s AND l.granted AND l.locktype = 'object' AND l.classid = 'pg_database'::regclass AND l.objid = s.datid
      AND l.mode = 'AccessExclusiveLock')
"""
_SESSIONS = """
SELECT s.datname AS database, s.pid, coalesce(s.usename, '') AS role, coalesce(s.application_name, '') AS application,
  coalesce(host(s.client_addr), 'the server itself') AS address, coalesce(r.rolsuper, false) AS superuser
FROM pg_stat_activity s LEFT JOIN pg_roles r ON r.oid = s.usesysid WHERE s.datid = ANY(%s) ORDER BY s.pid
"""
_NAME = "SELECT datname AS name FROM pg_database WHERE oid = %s"


@dataclass(frozen=True)
class Change:
    """C(name) goes from the database C(old), which is called C(aside) from then on, to C(new); no C(old) where nothing has the name."""

    name: str
    old: int | None
    aside: str
    aside_comment: str
    new: int
    new_name: str
    new_comment: str

    @property
    def databases(self) -> list[int]:
        return [oid for oid in (self.old, self.new) if oid is not None]

    @contextmanager
    def done(self) -> Iterator[None]:
        """Whatever fails from now on says that it is done."""
        try:
            yield
        except OpsError as error:
            former = f" The former database is {self.aside}; state=undone goes back to it." if self.aside else ""
            error.remedy = f"{error.remedy} {self.name} has changed already.{former}".strip()
            raise

    def statements(self) -> psycopg.sql.Composed:
        """One message to the server, so that nothing waits for the network while newcomers wait."""
        renames = [(self.new_name, self.name, _NEW_MILLISECONDS)]
        comments = [(self.name, self.new_comment)]
        if self.old is not None:
            renames.insert(0, (self.name, self.aside, _OLD_MILLISECONDS))
            comments.append((self.aside, self.aside_comment))
        parts = [psycopg.sql.SQL("BEGIN")]
        for old, new, milliseconds in renames:
            parts += [
                psycopg.sql.SQL("SET LOCAL statement_timeout = {}").format(milliseconds),
                psycopg.sql.SQL("ALTER DATABASE {} RENAME TO {}").format(psycopg.sql.Identifier(old), psycopg.sql.Identifier(new)),
            ]
        for database, comment in comments:
            said = psycopg.sql.Literal(comment) if comment else psycopg.sql.SQL("NULL")
            parts.append(psycopg.sql.SQL("COMMENT ON DATABASE {} IS {}").format(psycopg.sql.Identifier(database), said))
        return psycopg.sql.SQL("; ").join([*parts, psycopg.sql.SQL("COMMIT")])


@dataclass(frozen=True)
class Swapped:
    """C(seconds) is how long newcomers had to wait at most, in the try that succeeded."""

    seconds: float
    tries: int
    sessions_ended: int


Sessions = Callable[[], AbstractContextManager[Any]]


def swap(locker: Any, sessions: Sessions, change: Change, *, timeout_seconds: float) -> Swapped:
    """Try until it is done or the time is over; C(locker) is the session that holds the lock of the whole run."""
    deadline, pause, tries = time.monotonic() + timeout_seconds, _FIRST_PAUSE_SECONDS, 0
    ended: set[int] = set()
    while True:
        tries, begun = tries + 1, time.monotonic()
        with sessions() as other:
            try:
                _try(locker, other, change, ended)
                return Swapped(round(time.monotonic() - begun, 3), tries, len(ended))
            except (psycopg.errors.QueryCanceled, psycopg.errors.ObjectInUse) as error:
                locker.execute("ROLLBACK")
                blockers = other.execute(_SESSIONS, (change.databases,)).fetchall()
                if time.monotonic() + pause >= deadline:
                    raise _gave_up(change, tries, error, blockers) from error
            except psycopg.Error:
                # What was lost may be no more than the answer to the commit.
                if not _is_done(sessions, change):
                    raise
                return Swapped(round(time.monotonic() - begun, 3), tries, len(ended))
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _try(locker: Any, other: Any, change: Change, ended: set[int]) -> None:
    question = {"databases": change.databases, "locker": locker.info.backend_pid}
    usual = silence.allow(locker, (_OLD_MILLISECONDS + _NEW_MILLISECONDS) / 1000)
    try:
        with ThreadPoolExecutor(1) as pool:
            renames: Future[Any] = pool.submit(locker.execute, change.statements())
            while not wait([renames], timeout=_LOOK_SECONDS).done:
                ended.update(row["pid"] for row in other.execute(_END_SESSIONS, question).fetchall())
            renames.result()
    finally:
        silence.allow(locker, usual)


def _is_done(sessions: Sessions, change: Change) -> bool:
    with suppress(OpsError), sessions() as another:
        return bool(another.execute(_NAME, (change.new,)).fetchone()["name"] == change.name)
    return False


def _gave_up(change: Change, tries: int, error: Exception, blockers: Sequence[dict[str, Any]]) -> OpsError:
    shown = "; ".join(
        f"process {row['pid']} of {row['role'] or 'the server'}{' (a superuser)' if row['superuser'] else ''},"
        f" {row['application'] or 'no name'} from {row['address']}"
        for row in blockers[:5]
    )
    return OpsError(
        f"The name {change.name} could not be given to {change.new_name}; everything is as before",
        cause=f"{tries} tries, the last ended with: {' '.join(str(error).split())}. Connected: {shown or 'nobody any more'}",
        remedy="End those sessions, of superusers also by a superuser, and run again.",
        tries=tries,
    )
