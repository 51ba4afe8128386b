# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup becomes the live database: loaded beside it, compared with its manifest, and only then given the name. The old one is kept."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .._deadline import Deadline
from .._deps import declare
from .._errors import OpsError
from .._progress import Progress
from .._report.finding import Finding
from . import archive, properties, silence
from .beside import Ready, look, restoring
from .exchange import Exchange, Outcome, Policy, Successor, Target, drop
from .load import How, Loader, create_database
from .repository import Repository
from .restore_compare import LoadedDatabase
from .restore_order import Order, chosen
from .restore_plan import Plan, Planner
from .written import next_transaction

with declare("psycopg", minimum="3.1"):
    import psycopg
    import psycopg.sql

_DROP_SECONDS = 300

_OID = "SELECT oid::int8 AS oid FROM pg_database WHERE datname = %s"
_SIZE = "SELECT pg_database_size(%s::oid)::int8 AS bytes"


@dataclass(frozen=True)
class Restore:
    """One restore."""

    target: Target
    policy: Policy
    repository: Repository
    order: Order
    progress: Progress

    def run(self, *, check: bool) -> Outcome:
        self.progress.phase("preflight")
        planner = Planner(self.target, self.repository, self.order, self.progress)
        with self.repository.reading(chosen(self.order, self.repository)) as path, self.target.alone(self.order.timeout_seconds) as locker:
            plan = planner.plan(locker, path)
            outcome = plan.outcome()
            if not check:
                self.progress.phase("leftovers")
                for leftover in outcome.leftovers_removed:
                    drop(locker, leftover, force=True)
                outcome = self._made(locker, plan, outcome)
            self.progress.end()
            return outcome if check or plan.reused else self._noted(plan, outcome)

    def _noted(self, plan: Plan, outcome: Outcome) -> Outcome:
        """How long it took is what later forecasts rest on."""
        try:
            self.repository.note_restore(plan.manifest.id, self.progress.seconds)
        except (OSError, OpsError) as error:
            text = "how long the restore took could not be kept, so forecasts know nothing of it"
            remedy = "Let the user that restores write there."
            unkept = Finding("restore_not_recorded", "info", plan.manifest.id, text, str(error), remedy)
            return replace(outcome, findings=[*outcome.findings, unkept])
        return outcome

    def _made(self, locker: Any, plan: Plan, outcome: Outcome) -> Outcome:
        deadline = Deadline(self.order.timeout_seconds, "restore_timeout_seconds")
        with self._beside(locker, plan) as oid:
            if not plan.reused:
                self._loaded(locker, plan, oid, deadline)
            new = LoadedDatabase(plan, self.target, self.order.jobs, deadline, self.progress)
            findings = [*outcome.findings, *new.compared()]
            self.progress.phase("analyze")
            with self._session(plan, deadline) as connection:
                connection.execute("ANALYZE")
            self.progress.phase("properties")
            # It may be hours since the plan was made.
            catalog = look(locker, self.target.database)
            wanted = plan.wanted if catalog.live is None else properties.read(locker, self.target.database)
            found = properties.apply(locker, plan.facts.name, wanted)
            differing = properties.differences(wanted, properties.read(locker, plan.facts.name), found)
            exchange = Exchange(self.target, self.policy, locker, self.progress)
            successor = self._ready(locker, plan, oid, wanted.comment)
            change = exchange.change(catalog, catalog.named("before", datetime.now(UTC)), successor)
        return exchange.make(change, replace(outcome, findings=[*findings, *found], differences=differing))

    @contextmanager
    def _beside(self, locker: Any, plan: Plan) -> Iterator[int]:
        """The new database, dropped again where it does not become what it should be."""
        try:
            if not plan.reused:
                self.progress.phase("create")
                self._created(locker, plan)
            yield int(locker.execute(_OID, (plan.facts.name,)).fetchone()["oid"])
        except BaseException as error:
            # What resists is dropped by the next run, which says so; a server that is silent is not waited for once more.
            silence.allow(locker, min(self.order.timeout_seconds, _DROP_SECONDS))
            with suppress(psycopg.Error):
                drop(locker, plan.facts.name, force=True)
            if isinstance(error, OpsError):
                error.remedy = f"{error.remedy} The new database was dropped; the live one is as before.".strip()
            raise

    def _created(self, locker: Any, plan: Plan) -> None:
        """Closed to everybody until it says whose it is: a run that is killed in between leaves what nobody has ever entered."""
        create_database(locker, plan.facts, tablespace=plan.wanted.tablespace, closed=True)
        name = psycopg.sql.Identifier(plan.facts.name)
        with locker.transaction():
            self._say(locker, plan, restoring(plan.manifest.id))
            locker.execute(psycopg.sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
            locker.execute(psycopg.sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))

    def _ready(self, locker: Any, plan: Plan, oid: int, comment: str) -> Successor:
        """It says of itself that it is whole, for a later run if this one cannot swap it in."""
        self._say(locker, plan, Ready(plan.manifest.id, plan.manifest.sha256, next_transaction(locker)).render())
        return Successor(oid, plan.facts.name, comment, plan.manifest.id, plan.manifest.rows)

    @staticmethod
    def _say(locker: Any, plan: Plan, comment: str) -> None:
        name, said = psycopg.sql.Identifier(plan.facts.name), psycopg.sql.Literal(comment)
        locker.execute(psycopg.sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, said))

    def _loaded(self, locker: Any, plan: Plan, oid: int, deadline: Deadline) -> None:
        size = plan.manifest.database_bytes
        self.progress.phase("load", size, "bytes")

        def watch() -> None:
            """Asking also keeps the session of the lock from looking dead to whatever is between it and the server."""
            self.progress.advance(min(locker.execute(_SIZE, (oid,)).fetchone()["bytes"], size))

        loader = Loader(plan.programs, self.target.server, self.target.who, deadline)
        temporary = Path(tempfile.gettempdir())
        with archive.opened(plan.dump.parent, plan.manifest.files, plan.programs, deadline, temporary) as opened:
            how = How(self.order.jobs, watch, plan.role)
            loader.load(opened, plan.facts.name, how)
            loader.finish(opened, opened.listed[archive.POST_DATA], plan.facts.name, how)

    def _session(self, plan: Plan, deadline: Deadline) -> AbstractContextManager[Any]:
        return self.target.session(plan.facts.name, statement_seconds=deadline.left())
