# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a backup, and what it answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from .._errors import OpsError
from .._report.finding import Finding
from .buckets import MOST
from .connection import Server
from .retention import Fate, Policy
from .sealing import Sealing
from .selection import WHOLE, Selection

# Those above need gigabytes of memory.
_HIGHEST_LEVEL = 19


@dataclass(frozen=True)
class Order:
    """What is wanted; the names are those of the module's options."""

    server: Server
    directory: str
    jobs: int
    retention: Policy
    interval_seconds: float
    rpo_target_seconds: float
    lock_wait_seconds: float
    table_lock_timeout_seconds: float
    dump_timeout_seconds: float
    compression_level: int
    metrics_path: str
    manifest_key_file: str = ""
    globals_recipients_file: str = ""
    globals_passphrase_file: str = ""
    include_role_passwords: bool = False
    bucket_sums: int = 0
    selection: Selection = WHOLE

    def __post_init__(self) -> None:
        least = {"jobs": 1, "interval_seconds": 0, "rpo_target_seconds": 1, "lock_wait_seconds": 0}
        for name, value in {**least, "table_lock_timeout_seconds": 1, "dump_timeout_seconds": 1, "compression_level": 1}.items():
            if getattr(self, name) < value:
                raise OpsError(f"{name} must be at least {value}, not {getattr(self, name)}")
        if self.compression_level > _HIGHEST_LEVEL:
            raise OpsError(f"compression_level must be at most {_HIGHEST_LEVEL}, not {self.compression_level}")
        if self.bucket_sums and not 2 <= self.bucket_sums <= MOST:
            raise OpsError(f"bucket_sums must be 0, for none, or between 2 and {MOST}, not {self.bucket_sums}")
        # Two that exclude each other are refused where they are put together.
        if not self.sealing.name and self.include_role_passwords:
            remedy = "Name globals_recipients_file or globals_passphrase_file, or leave the passwords out."
            raise OpsError("Passwords of roles are not backed up without encryption", remedy=remedy)

    @property
    def sealing(self) -> Sealing:
        """How the roles are encrypted."""
        return Sealing(self.globals_recipients_file, self.globals_passphrase_file)


@dataclass
class Outcome:
    """What came of it; every field is a key of the module's result."""

    backup: str = ""
    backup_path: str = ""
    bytes: int = 0
    rows: int = 0
    tables: int = 0
    left_out: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    duration_seconds: float | None = None
    worst_loss_seconds: float | None = None
    deleted: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    not_deleted: list[dict[str, str]] = field(default_factory=list)
    retention: list[Fate] = field(default_factory=list)
    pinned: list[dict[str, str]] = field(default_factory=list)
    leftovers_removed: list[str] = field(default_factory=list)
    dump_warnings: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    manifest_sha256: str = ""
    records: dict[str, Any] = field(default_factory=dict)
    before: list[str] = field(default_factory=list)

    def to_result(self, directory: str) -> dict[str, Any]:
        result = asdict(self)
        why = {fate.backup: fate.line for fate in self.retention}
        texts = {"before": result.pop("before"), "after": self.kept}
        diff = {name: "".join(f"{why.get(line, line)}\n" for line in lines) for name, lines in texts.items()}
        return {"changed": True, **result, "diff": {"before_header": directory, "after_header": directory, **diff}}
