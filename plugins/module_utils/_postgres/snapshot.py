# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A moment of a database that a dump and our own questions share.

pg_dump locks the tables after its snapshot: a TRUNCATE or rewrite in between leaves an empty table in a dump that ends well. So all
tables are locked first, and the snapshot is taken only then. It is kept when the tables it shows are those that were locked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from .._errors import OpsError
from .._tls import Credentials
from .connection import Server, session
from .content import Questions, questions
from .cut import Cut, cut
from .reading import Reading, known, reading
from .selection import WHOLE, Selection
from .table_content import KnownAnswer
from .table_locks import Table, blockers, lock, tables_of

_ATTEMPTS = 5
_LOCKED = "55P03"
_EXPORT = "SELECT pg_export_snapshot() AS name, to_char(statement_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS at"
# PostgreSQL 17 has one more limit that would end the session.
_NO_LIMIT = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'"


@dataclass(frozen=True)
class Snapshot:
    """The snapshot that is held by a session as long as the context is not left; C(options) are those of its session."""

    connection: Any
    server: Server
    who: Credentials
    options: str
    name: str
    at: str
    tables: tuple[Table, ...]
    cut: Cut

    def questions(self, buckets: int) -> Questions:
        """What tells the content of each table, and of up to so many parts of it."""
        return _asked(self.connection, self.tables, self.cut, buckets)

    def reading(self, asked: Questions, jobs: int) -> AbstractContextManager[Reading]:
        """The tables, read by sessions of their own while something else is done."""
        return reading(asked.all, self._opened, jobs, snapshot=self.name)

    def known(self, asked: Questions) -> tuple[KnownAnswer, ...]:
        """What the server makes of samples."""
        with self._opened() as connection:
            return known(connection, asked.samples)

    def blockers(self) -> str:
        """Who keeps the tables from being read."""
        return blockers(self.server, self.tables)

    def locked(self, what: str) -> OpsError:
        """Somebody wants a table for himself, so that nobody gets it before him."""
        return OpsError(
            f"{what} failed: somebody wants a table for himself, and we would wait behind him",
            where=self.server.address,
            cause=self.blockers(),
            remedy="Run the backup when no migration or TRUNCATE is at work.",
        )

    def ensure_held(self) -> None:
        """The locks were there to the end, or what was read meanwhile is worth nothing."""
        self.connection.execute("SELECT 1")

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        try:
            with _unlimited(self.server, self.who, self.options) as connection:
                yield connection
        except OpsError as error:
            if error.details.get("sqlstate") != _LOCKED:
                raise
            raise self.locked("Reading a table") from error


@contextmanager
def held(
    server: Server, who: Credentials, *, lock_timeout_seconds: float, timeout_seconds: float, selection: Selection = WHOLE
) -> Iterator[Snapshot]:
    """A snapshot behind locks on all tables that are wanted; it needs a session of its own, which a pool of transactions does not give."""
    limits = {"statement_timeout": timeout_seconds, "lock_timeout": lock_timeout_seconds, "idle_in_transaction_session_timeout": 0}
    settings = [f"-c {name}={int(seconds * 1000)}" for name, seconds in limits.items()]
    options = " ".join([*settings, "-c row_security=off -c search_path=pg_catalog"])
    with _unlimited(server, who, options) as connection:
        name, at, tables, chosen = _taken(connection, server, selection)
        yield Snapshot(connection, server, who, options, name, at, tables, chosen)


@contextmanager
def _unlimited(server: Server, who: Credentials, options: str) -> Iterator[Any]:
    with session(server, who, options) as connection:
        connection.execute(_NO_LIMIT)
        yield connection


def asked(connection: Any) -> Questions:
    """What tells the content of each table that is there now."""
    return _asked(connection, tables_of(connection, Cut()), Cut())


def _taken(connection: Any, server: Server, selection: Selection) -> tuple[str, str, tuple[Table, ...], Cut]:
    def wanted() -> tuple[Cut, tuple[Table, ...]]:
        chosen = cut(connection, selection, server.address)
        return chosen, tables_of(connection, chosen)

    chosen, tables = wanted()
    for _attempt in range(_ATTEMPTS):
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if lock(connection, server, tables):
            exported = connection.execute(_EXPORT).fetchone()
            chosen, seen = wanted()
            if seen == tables:
                return exported["name"], exported["at"], tables, chosen
        connection.execute("ROLLBACK")
        chosen, tables = wanted()
    raise OpsError(
        "Tables come and go too fast for a snapshot of all of them",
        where=server.address,
        cause=f"they were others at each of {_ATTEMPTS} attempts",
        remedy="Run the backup when no migration is at work.",
    )


def _asked(connection: Any, tables: Sequence[Table], chosen: Cut, buckets: int = 0) -> Questions:
    counted = [(table.oid, table.schema, table.name) for table in tables if table.counted]
    return questions(connection, counted, buckets, set(chosen.empty))
