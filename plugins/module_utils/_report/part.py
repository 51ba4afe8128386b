# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What those who look at something hand to the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .._errors import OpsError
from .finding import Finding, Severity

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Threshold:
    """The two limits of a measured value."""

    warning: float
    critical: float

    @classmethod
    def of_option(cls, option: Mapping[str, float]) -> Threshold:
        if option["warning"] > option["critical"]:
            raise OpsError(
                f"A warning at {option['warning']:g} comes after the critical value {option['critical']:g}", remedy="Swap the two."
            )
        return cls(option["warning"], option["critical"])

    def judge(self, value: float) -> Severity | None:
        return "critical" if value >= self.critical else "warning" if value >= self.warning else None

    def to_dict(self) -> dict[str, float]:
        return {"warning": self.warning, "critical": self.critical}

    def of(self, severity: Severity) -> float:
        return self.critical if severity == "critical" else self.warning


@dataclass(frozen=True)
class Part:
    """What was seen of one part; a reason says what could not be looked at, and then the part is never healthy."""

    data: Data = field(default_factory=dict)
    findings: Sequence[Finding] = ()
    reason: str = ""
    seconds: float | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "data": dict(self.data),
            "findings": [finding.to_dict() for finding in self.findings],
            "reason": self.reason,
            "seconds": self.seconds,
        }


def timed(look: Callable[[], Part]) -> Part:
    """A part with the time it took; an error is what the report says of it, and ends nothing."""
    begun = time.monotonic()
    try:
        part = look()
    except OpsError as error:
        part = Part(reason=str(error))
    return replace(part, seconds=round(time.monotonic() - begun, 3))
