# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wanted of a verification, and what comes of it."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .._errors import OpsError
from .._progress import Progress
from .._report.finding import Finding
from .contents import EntryDifference
from .verdict import Asked, Seen

_JUDGED = ("backup", "level", "verdict", "reason", "differences")
_TOLD = (*_JUDGED, "duration_seconds", "restore_seconds", "read_bytes", "cached", "recorded_at")
_RESTORING = ("roles", "restore")
# A dump that others have made is restored in one go.
_FINISHING = "indexes"


@dataclass(frozen=True)
class Rows:
    """Rows of a table that nothing says the number of; the database is empty where the dump names none."""

    database: str
    table: str
    rows: int


@dataclass(frozen=True)
class Order:
    """What is wanted; the names are those of the module's options."""

    backup: str
    max_age_seconds: float
    rto_target_seconds: float
    metrics_path: str
    recorded_max_age_seconds: float
    asked: Asked

    def __post_init__(self) -> None:
        if self.recorded_max_age_seconds < 0 or math.isnan(self.recorded_max_age_seconds):
            raise OpsError(f"recorded_max_age_seconds must be at least 0, not {self.recorded_max_age_seconds:g}")


@dataclass
class Outcome:
    """What came of it; every field is a key of the module's result."""

    changed: bool
    backup: str
    backup_path: str
    level: str
    verdict: str
    reason: str
    differences: list[EntryDifference]
    checked: dict[str, int]
    seconds: dict[str, float]
    duration_seconds: float
    restore_seconds: float | None
    age_seconds: float
    fresh: bool
    findings: list[Finding] = field(default_factory=list)
    age_from: str = "manifest"
    tables: list[Rows] = field(default_factory=list)
    scratch_version: str = ""
    structure: str = ""
    read_bytes: int = 0
    cached: bool = False
    recorded_at: str = ""
    forecast_restore_seconds: float | None = None
    forecast_basis: str = ""
    records: dict[str, Any] = field(default_factory=dict)
    outcomes: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, path: Path, seen: Seen, progress: Progress, begun: float, **told: Any) -> Outcome:
        """What was seen, since it was begun by the clock of time.monotonic()."""
        judged = {"verdict": seen.verdict, "reason": seen.reason, "differences": seen.differences, "checked": seen.checked}
        where = {"scratch_version": seen.scratch_version, "structure": seen.structure}
        took = {"seconds": progress.seconds, "duration_seconds": round(time.monotonic() - begun, 3)}
        return cls(**{"backup": path.name, "backup_path": str(path), "changed": False, **judged, **where, **took, **told})

    def to_result(self) -> dict[str, Any]:
        return {**asdict(self), "outcomes": self.outcomes or [self.told()]}

    def told(self) -> dict[str, Any]:
        """What tells it from those of other backups."""
        return {name: value for name, value in asdict(self).items() if name in _TOLD}


def restore_seconds(progress: Progress) -> float | None:
    """How long roles and databases took; none where they were not restored."""
    seconds = progress.seconds
    return round(sum(seconds.get(phase, 0.0) for phase in (*_RESTORING, _FINISHING)), 3) if set(_RESTORING) <= set(seconds) else None
