# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What maintenance of a database did, as result, difference and metrics."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

from .._metrics import Gauge
from .._report.finding import Finding
from .attempt import Skipped


@dataclass(frozen=True)
class Tended:
    """A table that was vacuumed or analyzed."""

    table: str
    action: str
    reason: str
    dead_rows_before: int
    dead_rows_after: int
    seconds: float


@dataclass(frozen=True)
class Dropped:
    """A table that is gone."""

    table: str
    size_bytes: int
    seconds: float


@dataclass(frozen=True)
class Refreshed:
    """A materialized view that shows what its tables hold; C(rows_written) is 0 where it did already."""

    view: str
    rows_written: int
    seconds: float


@dataclass
class Outcome:
    """What was done, or would be."""

    check: bool
    tables: list[Tended] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    refreshed: list[Refreshed] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    duration_seconds: float = 0.0

    def done(self) -> dict[str, list[dict[str, Any]]]:
        return {
            "tables": [asdict(entry) for entry in self.tables],
            "dropped": [asdict(entry) for entry in self.dropped],
            "refreshed": [asdict(entry) for entry in self.refreshed],
            "not_done": [entry.to_dict() for entry in self.skipped],
        }

    def to_result(self) -> dict[str, Any]:
        # Only making it tells whether a refresh changes anything.
        written = any(entry.rows_written or self.check for entry in self.refreshed)
        before = {entry.table: entry.reason for entry in self.tables}
        after = {entry.table: self._after(entry) for entry in self.tables}
        before.update({entry.table: f"a table of {entry.size_bytes} bytes" for entry in self.dropped})
        return {
            "changed": bool(self.tables or self.dropped or written),
            **self.done(),
            "seconds": self.seconds,
            "duration_seconds": self.duration_seconds,
            "findings": [finding.to_dict() for finding in self.findings],
            "diff": {"before": before, "after": after},
        }

    def gauges(self) -> list[Gauge]:
        counts = {
            "tended": len(self.tables),
            "dropped": len(self.dropped),
            "refreshed": len(self.refreshed),
            "not_done": len(self.skipped),
        }
        rows = {
            "before": sum(entry.dead_rows_before for entry in self.tables),
            "after": sum(entry.dead_rows_after for entry in self.tables),
        }
        return [
            Gauge("postgresql_maintenance_timestamp_seconds", "When the last maintenance ended.", round(time.time(), 3)),
            Gauge("postgresql_maintenance_duration_seconds", "How long it took.", self.duration_seconds),
            *(Gauge("postgresql_maintenance_tables", "What became of tables.", count, {"what": name}) for name, count in counts.items()),
            *(Gauge("postgresql_maintenance_dead_rows", "Dead rows of its tables.", count, {"when": name}) for name, count in rows.items()),
        ]

    def _after(self, entry: Tended) -> str:
        return f"{entry.action} is due" if self.check else f"{entry.dead_rows_after} dead rows; {entry.action} done"
