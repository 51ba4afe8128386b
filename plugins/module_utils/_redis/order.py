# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done to a server, and what was done."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._errors import OpsError
from .._metrics import Gauge
from .._report.finding import Finding
from .glob import names_all
from .persistence import Kind, Saved
from .rules import Rule, Wish, compiled
from .sweep import Swept


@dataclass(frozen=True)
class Task:
    """What is to be done."""

    wish: Wish
    latency_budget_seconds: float
    purge: bool
    save: str
    save_timeout_seconds: float

    @classmethod
    def of_options(cls, options: Mapping[str, Any]) -> Task:
        for name in ("page_size", "latency_budget_seconds", "save_timeout_seconds"):
            if options[name] <= 0:
                raise OpsError(f"{name} is {options[name]:g}", remedy="Set it to more than 0.")
        if options["maximum_keys"] < 0:
            raise OpsError(f"maximum_keys is {options['maximum_keys']}", remedy="Set it to 0 for no limit, or to more than 0.")
        rules = [Rule.of_option(rule) for rule in options["rules"]]
        for rule in rules:
            _refuse_careless(rule)
        wish = Wish(
            rules=rules,
            protect=[compiled(glob) for glob in options["protect"]],
            page_size=options["page_size"],
            maximum_keys=options["maximum_keys"],
            restart_wait_seconds=options["restart_wait_seconds"],
        )
        return cls(wish, options["latency_budget_seconds"], options["purge"], options["save"], options["save_timeout_seconds"])


@dataclass
class Outcome:
    """What was done, or would be."""

    swept: Swept = field(default_factory=Swept)
    saved: Saved = field(default_factory=Saved)
    save_kind: Kind = "none"
    keys_before: int = 0
    keys_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    slept_seconds: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)
    duration_seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)

    def to_result(self) -> dict[str, Any]:
        changed = self.swept.deleted > 0 or self.saved.kind != "none"
        before = {"keys": self.keys_before, "used_memory_bytes": self.bytes_before}
        after = {"keys": self.keys_after, "used_memory_bytes": self.bytes_after}
        return {
            "changed": changed,
            "scanned": self.swept.scanned,
            "matched": self.swept.matched,
            "protected": self.swept.protected,
            "deleted": self.swept.deleted,
            "bytes_before": self.bytes_before,
            "bytes_after": self.bytes_after,
            "save": self.saved.to_dict(),
            "restarts": self.swept.restarts,
            "pages": self.swept.pages,
            "slept_seconds": round(self.slept_seconds, 3),
            "seconds": self.seconds,
            "duration_seconds": self.duration_seconds,
            "findings": [finding.to_dict() for finding in self.findings],
            "diff": {"before": before, "after": after if changed else before},
        }

    def gauges(self) -> list[Gauge]:
        keys = {name: getattr(self.swept, name) for name in ("scanned", "matched", "protected", "deleted")}
        memory = {"before": self.bytes_before, "after": self.bytes_after}
        return [
            Gauge("redis_maintenance_timestamp_seconds", "When the last maintenance ended well.", round(time.time(), 3)),
            Gauge("redis_maintenance_duration_seconds", "How long it took.", self.duration_seconds),
            *(Gauge("redis_maintenance_keys", "Keys it looked at and deleted.", value, {"what": name}) for name, value in keys.items()),
            *(Gauge("redis_maintenance_used_memory_bytes", "Memory in use.", value, {"when": name}) for name, value in memory.items()),
            Gauge("redis_maintenance_restarts", "How often the server started again meanwhile.", self.swept.restarts),
            Gauge("redis_maintenance_save_seconds", "How long its save took.", self.saved.seconds, {"kind": self.saved.kind}),
        ]


def _refuse_careless(rule: Rule) -> None:
    if not rule.match:
        raise OpsError("A rule names no key", remedy="Set its match to a glob, such as cache:*.")
    if rule.idle_seconds_minimum < 0:
        raise OpsError(f"The rule {rule.match} has an idle_seconds_minimum below 0", remedy="Set it to 0 or more.")
    if names_all(rule.match.encode(errors="surrogateescape")) and not rule.idle_seconds_minimum:
        raise OpsError(
            "A rule would delete every key, whoever uses it",
            where=f"match: {rule.match}",
            remedy="Name the keys more narrowly, or set idle_seconds_minimum.",
        )
