# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The periods statistics are asked for; a period decides for how long its answer is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Tier = Literal["short", "medium", "long"]


@dataclass(frozen=True)
class Period:
    """A span that ends now; `daily` ones are summed up from the daily view."""

    name: str
    span: timedelta
    tier: Tier
    daily: bool = False

    def since(self, now: datetime) -> datetime:
        """Where the span begins; daily ones begin with a whole day."""
        begin = now - self.span
        return begin.replace(hour=0, minute=0, second=0, microsecond=0) if self.daily else begin


DEFAULT = "hour"
PERIODS = {
    period.name: period
    for period in (
        Period("hour", timedelta(hours=1), "short"),
        Period("day", timedelta(days=1), "medium"),
        Period("month", timedelta(days=30), "long", daily=True),
        Period("year", timedelta(days=365), "long", daily=True),
    )
}
