# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements on one table at a time, each within its budget: it is done and seen to be, or skipped with who stands in the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from .._deps import declare
from .._report.finding import Finding, Severity
from . import silence
from .holders import LockHolder, lock_holders

with declare("psycopg", minimum="3.1"):
    import psycopg

Action = Literal["vacuum", "analyze", "drop", "refresh"]
Why = Literal["locked", "timed_out", "refused", "gone", "not_permitted", "not_seen", "failed"]
Done = TypeVar("Done")

_PRIVILEGE = ("only table or database owner", "permission denied")
_FINDINGS: Mapping[Why, tuple[str, Severity, str, str]] = {
    "locked": (
        "postgresql_table_locked",
        "warning",
        "its lock was not free",
        "Look at who holds it (not_done in the result); the next run tries again.",
    ),
    "timed_out": (
        "postgresql_maintenance_canceled",
        "warning",
        "it was not done in time",
        "Raise statement_timeout_seconds, or lower vacuum_cost_delay_seconds.",
    ),
    "refused": (
        "postgresql_leftover_kept",
        "warning",
        "it was not touched",
        "Look at it, and do by hand what is right, or name it no more.",
    ),
    "gone": ("postgresql_table_gone", "info", "somebody else dropped it meanwhile", "Nothing."),
    "not_permitted": (
        "postgresql_not_permitted",
        "warning",
        "this role may not do it",
        "Give the table to the owner of the database, or use a role that is a member of its owner.",
    ),
    "not_seen": (
        "postgresql_maintenance_not_seen",
        "warning",
        "the server said yes and its statistics do not show it",
        "Run it again, and read the server's log.",
    ),
    "failed": (
        "postgresql_maintenance_failed",
        "critical",
        "it ended with an error",
        "Read the server's log; where the data is damaged, take a backup of what is readable first.",
    ),
}


@dataclass(frozen=True)
class Skipped:
    """What was not done, why, and whose locks are in the way."""

    table: str
    action: Action
    why: Why
    evidence: str
    held_by: Sequence[LockHolder] = ()

    def to_dict(self) -> dict[str, Any]:
        held_by = [holder.to_dict() for holder in self.held_by]
        return {"table": self.table, "action": self.action, "why": self.why, "evidence": self.evidence, "held_by": held_by}

    def to_finding(self) -> Finding:
        identity, severity, text, remedy = _FINDINGS[self.why]
        holders = [f"{holder.application or 'a session'} of role {holder.role} (process {holder.pid})" for holder in self.held_by]
        held = f"; held by {', '.join(holders)}" if holders else ""
        return Finding(identity, severity, self.table, f"{self.action}: {text}", f"{self.evidence}{held}", remedy)


class UnfinishedError(Exception):
    """A statement that ended without an error and did not do what it should."""

    def __init__(self, why: Why, evidence: str) -> None:
        super().__init__(evidence)
        self.why = why
        self.evidence = evidence


@dataclass(frozen=True)
class Budget:
    """How long a statement may wait for a lock, and how long it may take in all."""

    lock_seconds: float
    statement_seconds: float


class Worker:
    """One session that works gently; what the server warns of meanwhile is kept."""

    def __init__(self, connection: Any, budget: Budget, cost_delay_seconds: float) -> None:
        self.connection = connection
        self._budget = budget
        self._warnings: list[str] = []
        connection.add_notice_handler(self._hear)
        self._set("search_path", "")
        self._set("vacuum_cost_delay", f"{cost_delay_seconds * 1000:g}ms")
        # The server does not go on for a module that was killed.
        self._set("client_connection_check_interval", "1s")

    def attempt(self, action: Action, table: str, oid: int, work: Callable[[], Done]) -> Done | Skipped:
        """What the work gives, or why it was not done; a lost connection ends everything."""
        before = {name: self._shown(name) for name in ("statement_timeout", "lock_timeout")}
        self._set("statement_timeout", _milliseconds(self._budget.statement_seconds))
        self._set("lock_timeout", _milliseconds(self._budget.lock_seconds))
        usual = silence.allow(self.connection, self._budget.statement_seconds)
        self._warnings.clear()
        try:
            return work()
        except UnfinishedError as error:
            return Skipped(table, action, error.why, error.evidence)
        except psycopg.Error as error:
            if self.connection.broken:
                raise
            return self._skipped(action, table, oid, error)
        finally:
            silence.allow(self.connection, usual)
            if not self.connection.broken:
                for name, value in before.items():
                    self._set(name, value)

    def unfinished(self) -> UnfinishedError:
        """Why a statement without an error had no effect, by what the server warned of."""
        said = "; ".join(self._warnings)
        why: Why = "not_permitted" if any(word in said for word in _PRIVILEGE) else "not_seen"
        return UnfinishedError(why, said or "the server warned of nothing")

    def _skipped(self, action: Action, table: str, oid: int, error: psycopg.Error) -> Skipped:
        said = " ".join(f"{error.diag.message_primary or error} {error.diag.message_detail or ''}".split())
        errors = psycopg.errors
        if isinstance(error, (errors.LockNotAvailable, errors.DeadlockDetected)):
            return Skipped(table, action, "locked", said, lock_holders(self.connection, oid, action))
        reasons: dict[Why, tuple[type[psycopg.Error], ...]] = {
            "timed_out": (errors.QueryCanceled,),
            "not_permitted": (errors.InsufficientPrivilege,),
            "refused": (errors.DependentObjectsStillExist,),
            "gone": (errors.UndefinedTable,),
        }
        known = [why for why, kinds in reasons.items() if isinstance(error, kinds)]
        return Skipped(table, action, known[0], said) if known else Skipped(table, action, "failed", f"{said} (SQLSTATE {error.sqlstate})")

    def _hear(self, notice: Any) -> None:
        if notice.severity_nonlocalized == "WARNING":
            self._warnings.append(notice.message_primary or "")

    def _set(self, name: str, value: str) -> None:
        self.connection.execute("SELECT pg_catalog.set_config(%s, %s, false)", (name, value))

    def _shown(self, name: str) -> str:
        return str(self.connection.execute("SELECT pg_catalog.current_setting(%s) AS value", (name,)).fetchone()["value"])


def _milliseconds(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"
