# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who stands in the way: of a lock, and of dead rows going."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .._report.finding import Finding

_ALL = (
    *("AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock"),
    *("ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"),
)
# What each action's own lock conflicts with.
_CONFLICTS: Mapping[str, Sequence[str]] = {"vacuum": _ALL[3:], "analyze": _ALL[3:], "refresh": _ALL[1:], "drop": _ALL}
# A prepared transaction has no process; it is known by the lock that it holds on its own number.
_LOCKS = """
SELECT coalesce(l.pid, 0) AS pid, coalesce(a.usename, p.owner, '') AS role,
       CASE WHEN l.pid IS NULL THEN 'prepared transaction ' || coalesce(p.gid, '') ELSE coalesce(a.application_name, '') END AS application,
       coalesce(a.state, '') AS state, l.mode, l.granted,
       coalesce(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, p.prepared)), 0)::float8 AS transaction_seconds
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
LEFT JOIN pg_catalog.pg_locks t
  ON l.pid IS NULL AND t.pid IS NULL AND t.locktype = 'transactionid' AND t.granted AND t.virtualtransaction = l.virtualtransaction
LEFT JOIN pg_catalog.pg_prepared_xacts p ON p.transaction = t.transactionid
WHERE l.locktype = 'relation' AND l.relation = %s AND l.mode = ANY(%s) AND l.pid IS DISTINCT FROM pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
ORDER BY l.granted DESC, transaction_seconds DESC
"""
# Sessions of other databases do not keep rows of this one; senders of WAL belong to none.
_HORIZON = """
SELECT CASE WHEN a.backend_type = 'walsender' THEN 'standby' ELSE 'session' END AS kind,
       a.pid || ' of role ' || coalesce(a.usename, '?') AS name, coalesce(a.state, '') AS state,
       greatest(age(a.backend_xmin), age(a.backend_xid), 0)::int8 AS age,
       coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::float8 AS seconds
FROM pg_catalog.pg_stat_activity a
WHERE (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL) AND a.pid <> pg_backend_pid()
  AND a.backend_type IN ('client backend', 'walsender', 'parallel worker', 'background worker')
  AND (a.datname = current_database() OR a.datname IS NULL)
UNION ALL
SELECT 'prepared transaction', gid || ' of role ' || owner, 'prepared', age(transaction)::int8,
       extract(epoch FROM clock_timestamp() - prepared)::float8
FROM pg_catalog.pg_prepared_xacts WHERE database = current_database()
UNION ALL
SELECT 'replication slot', slot_name, CASE WHEN active THEN 'active' ELSE 'inactive' END, age(xmin)::int8, 0
FROM pg_catalog.pg_replication_slots WHERE xmin IS NOT NULL
ORDER BY 4 DESC, 2
"""
_SEES_ALL = "SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all"
_REMEDIES = {
    "session": "End it if it is not at work: SELECT pg_terminate_backend({number})",
    "standby": "Look what runs on the standby, or set hot_standby_feedback to off there.",
    "prepared transaction": "Commit it or roll it back: ROLLBACK PREPARED",
    "replication slot": "If nobody will read it again: SELECT pg_drop_replication_slot",
}


@dataclass(frozen=True)
class LockHolder:
    """Somebody whose lock on a table is in the way, or who waits for one before us."""

    pid: int
    role: str
    application: str
    state: str
    mode: str
    granted: bool
    transaction_seconds: float

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "transaction_seconds": round(self.transaction_seconds, 3)}


@dataclass(frozen=True)
class HorizonHolder:
    """Something that may still want to see rows which nobody else does."""

    kind: str
    name: str
    state: str
    age: int
    seconds: float

    @property
    def is_left(self) -> bool:
        """A slot that nobody reads keeps rows for ever."""
        return self.kind == "replication slot" and self.state == "inactive"

    def to_finding(self, kept_rows: int) -> Finding:
        since = f" for {self.seconds:.0f} s" if self.seconds else ""
        kept = f"; {kept_rows} dead rows stay" if kept_rows else ""
        evidence = f"{self.state or 'state not visible'}{since}, {self.age} transactions old{kept}"
        remedy = _REMEDIES[self.kind].format(number=self.name.partition(" ")[0])
        return Finding(
            "postgresql_horizon_held", "warning", f"{self.kind} {self.name}", "it keeps dead rows from being removed", evidence, remedy
        )


def lock_holders(connection: Any, oid: int, action: str) -> list[LockHolder]:
    return [LockHolder(**row) for row in connection.execute(_LOCKS, (oid, list(_CONFLICTS[action]))).fetchall()]


def horizon(connection: Any) -> list[HorizonHolder]:
    """The oldest first."""
    return [HorizonHolder(**row) for row in connection.execute(_HORIZON).fetchall()]


def sees_all(connection: Any) -> bool:
    """Whether the role may see what other roles' sessions do."""
    return bool(connection.execute(_SEES_ALL).fetchone()["sees_all"])


def horizon_findings(found: Sequence[HorizonHolder], kept_rows: int, old_seconds: float) -> list[Finding]:
    """Holders that are old or left, and the oldest of all where dead rows had to stay."""
    oldest = found[0].age if found and kept_rows else None
    named = [holder for holder in found if holder.is_left or holder.seconds >= old_seconds or holder.age == oldest]
    return [holder.to_finding(kept_rows if holder.age == oldest else 0) for holder in named]
