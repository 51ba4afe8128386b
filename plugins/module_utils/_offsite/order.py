# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of copies elsewhere, and what it answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from .._errors import OpsError
from .._postgres.retention import Policy
from .._report.finding import Finding
from .configuration import Options
from .difference import Check

State = Literal["copied", "fetched"]


@dataclass(frozen=True)
class Order:
    """What is wanted; the names are those of the module's options."""

    rclone: Options
    directory: str
    database: str
    owner: str
    state: State
    backup: str
    check: Check
    recheck: bool
    expect_immutable: bool
    retention: Policy
    max_age_seconds: float
    lock_wait_seconds: float
    timeout_seconds: float
    metrics_path: str

    def __post_init__(self) -> None:
        least = {"max_age_seconds": 0, "lock_wait_seconds": 0, "timeout_seconds": 1}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise OpsError(f"{name} must be at least {value}, not {getattr(self, name)}")


@dataclass
class Outcome:
    """What came of it; every field but the last two is a key of the module's result."""

    changed: bool = False
    backup: str = ""
    backup_path: str = ""
    remote: str = ""
    reachable: bool = True
    copied: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    records_copied: bool = False
    immutable: bool | None = None
    transferred_bytes: int = 0
    offsite_age_seconds: float | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    duration_seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    failed: bool = False

    def to_result(self, directory: str) -> dict[str, Any]:
        result = asdict(self)
        del result["failed"]
        texts = {"before": result.pop("before"), "after": self.kept}
        diff = {name: "".join(f"{line}\n" for line in lines) for name, lines in texts.items()}
        return {**result, "diff": {"before_header": directory, "after_header": directory, **diff}}


def moment(backup: str) -> datetime:
    """The time that is the name of a backup."""
    return datetime.strptime(backup, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
