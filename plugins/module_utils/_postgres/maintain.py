# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance of a database while it is in use: what needs it is done, and nothing waits longer for a lock than its budget."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from .._deps import declare
from .._errors import OpsError
from .._progress import Progress
from .._report.finding import Finding
from .._tls import credentials
from . import leftovers
from .attempt import Action, Skipped, UnfinishedError, Worker
from .connection import Server, session
from .holders import horizon, horizon_findings, lock_holders, sees_all
from .leftovers import Leftover
from .maintained import Dropped, Outcome, Refreshed, Tended
from .maintenance import Plan, Task, View, planned
from .need import Limits, Need, needs, parents, tables

with declare("psycopg", minimum="3.1"):
    import psycopg.sql

_STATEMENTS = {
    # Cutting off empty pages at the end would lock everybody out; workers in parallel would take what the application needs.
    "vacuum": "VACUUM (ANALYZE, TRUNCATE false, PARALLEL 0) {}",
    "analyze": "ANALYZE {}",
    "refresh": "REFRESH MATERIALIZED VIEW CONCURRENTLY {}",
}
_SEEN = """
SELECT last_vacuum AS vacuum, last_analyze AS analyze, coalesce(n_dead_tup, 0)::int8 AS dead_rows
FROM pg_catalog.pg_stat_all_tables WHERE relid = %s
"""
# Counted since this session last handed its numbers on, so that only a difference within a transaction means something.
_WRITTEN = "SELECT (n_tup_ins + n_tup_upd + n_tup_del)::int8 AS rows FROM pg_catalog.pg_stat_xact_all_tables WHERE relid = %s"
Done = TypeVar("Done")


def maintain(server: Server, task: Task, progress: Progress, *, check: bool) -> Outcome:
    """Drop, refresh, vacuum and analyze; what was locked is tried once more at the end."""
    begun, outcome = time.monotonic(), Outcome(check)
    try:
        with session(server, credentials(server.credentials_dir)) as connection:
            plan = planned(connection, server, task)
            if check:
                _predict(connection, task, plan, outcome)
            else:
                worker = Worker(connection, task.budget, task.cost_delay_seconds)
                _Run(worker, task, plan, progress, outcome).do()
            outcome.findings += [skipped.to_finding() for skipped in outcome.skipped]
            outcome.findings += _observed(connection, task, plan.limits, outcome)
    except OpsError as error:
        error.details.update(outcome.done())
        raise
    progress.end()
    outcome.seconds, outcome.duration_seconds = progress.seconds, round(time.monotonic() - begun, 3)
    return outcome


@dataclass
class _Run:
    """The work itself; each attempt that met a lock is kept to be repeated."""

    worker: Worker
    task: Task
    plan: Plan
    progress: Progress
    outcome: Outcome
    again: list[Callable[[], None]] = field(default_factory=list)

    def do(self) -> None:
        self.progress.phase("drop", len(self.plan.leftovers), "tables")
        for leftover in self.plan.leftovers:
            self._try("drop", leftover.identity, leftover.oid, partial(self._drop, leftover), self.outcome.dropped)
        # Before the vacuum, as a refresh leaves dead rows of its own.
        self.progress.phase("refresh", len(self.plan.views), "views")
        for view in self.plan.views:
            self._try("refresh", view.identity, view.oid, partial(self._refresh, view), self.outcome.refreshed)
        if self.task.vacuum:
            self._tend_all()
        retried, self.again = self.again, []
        self.progress.phase("retry", len(retried), "tables")
        for attempt in retried:
            attempt()

    def _tend_all(self) -> None:
        connection, done = self.worker.connection, 0
        due = needs(tables(connection), parents(connection), self.plan.limits)
        self.progress.phase("vacuum", sum(need.table.size_bytes for need in due), "bytes")
        for need in due:
            self._try(need.action, need.table.identity, need.table.oid, partial(self._tend, need), self.outcome.tables)
            done += need.table.size_bytes
            self.progress.advance(done)

    def _try(self, action: Action, table: str, oid: int, work: Callable[[], Done], into: list[Done]) -> None:
        answer = self.worker.attempt(action, table, oid, work)
        skipped = self.outcome.skipped
        self.outcome.skipped = [known for known in skipped if (known.action, known.table) != (action, table)]
        if not isinstance(answer, Skipped):
            into.append(answer)
            return
        self.outcome.skipped.append(answer)
        if answer.why == "locked":
            self.again.append(partial(self._try, action, table, oid, work, into))

    def _drop(self, leftover: Leftover) -> Dropped:
        begun = time.monotonic()
        gone = leftover if leftover.refusal else leftovers.drop(self.worker.connection, leftover)
        if gone.refusal:
            raise UnfinishedError("refused", gone.refusal)
        return Dropped(gone.identity, gone.size_bytes, _since(begun))

    def _tend(self, need: Need) -> Tended:
        connection, begun = self.worker.connection, time.monotonic()
        before = connection.execute(_SEEN, (need.table.oid,)).fetchone()
        connection.execute(_statement(need.action, need.table.schema, need.table.name))
        after = connection.execute(_SEEN, (need.table.oid,)).fetchone()
        if before is None or after is None or after[need.action] == before[need.action]:
            raise self.worker.unfinished()
        return Tended(need.table.identity, need.action, need.reason, before["dead_rows"], after["dead_rows"], _since(begun))

    def _refresh(self, view: View) -> Refreshed:
        if view.refusal:
            raise UnfinishedError("refused", view.refusal)
        connection, begun = self.worker.connection, time.monotonic()
        with connection.transaction():
            before = connection.execute(_WRITTEN, (view.oid,)).fetchone()["rows"]
            connection.execute(_statement("refresh", view.schema, view.name))
            rows = connection.execute(_WRITTEN, (view.oid,)).fetchone()["rows"] - before
        # Sessions hand their numbers on once a second, and the dead rows of this are to be seen by the vacuum.
        connection.execute("SELECT pg_catalog.pg_stat_force_next_flush()")
        return Refreshed(view.identity, rows, _since(begun))


def _predict(connection: Any, task: Task, plan: Plan, outcome: Outcome) -> None:
    gone = set()
    for leftover in plan.leftovers:
        users = lock_holders(connection, leftover.oid, "drop")
        if leftover.refusal:
            outcome.skipped.append(Skipped(leftover.identity, "drop", "refused", leftover.refusal))
        elif users:
            outcome.skipped.append(Skipped(leftover.identity, "drop", "locked", "another session uses it", users))
        else:
            outcome.dropped.append(Dropped(leftover.identity, leftover.size_bytes, 0.0))
            gone.add(leftover.oid)
    found = [table for table in tables(connection) if table.oid not in gone] if task.vacuum else []
    for need in needs(found, parents(connection), plan.limits):
        rows = need.table.dead_rows
        outcome.tables.append(Tended(need.table.identity, need.action, need.reason, rows, rows, 0.0))
    for view in plan.views:
        if view.refusal:
            outcome.skipped.append(Skipped(view.identity, "refresh", "refused", view.refusal))
        else:
            outcome.refreshed.append(Refreshed(view.identity, 0, 0.0))


def _observed(connection: Any, task: Task, limits: Limits, outcome: Outcome) -> list[Finding]:
    kept = [entry.dead_rows_after for entry in outcome.tables if entry.action == "vacuum" and not outcome.check]
    found = horizon_findings(horizon(connection), sum(rows for rows in kept if rows > limits.threshold), task.old_transaction_seconds)
    if not sees_all(connection):
        text, remedy = "what other roles' sessions do is not visible to this role", "Grant it pg_read_all_stats."
        evidence = "old transactions that keep dead rows cannot be named"
        found.append(Finding("postgresql_sessions_hidden", "info", "PostgreSQL", text, evidence, remedy))
    return found


def _statement(action: str, schema: str, name: str) -> Any:
    return psycopg.sql.SQL(_STATEMENTS[action]).format(psycopg.sql.Identifier(schema, name))


def _since(begun: float) -> float:
    return round(time.monotonic() - begun, 3)
