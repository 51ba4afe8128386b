# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a real restore will take: what a scratch server measured, times what real restores have taken beside it."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from .records import Records

SCRATCH, RESTORES = "scratch", "restores"
_LOOKED_AT = 5


@dataclass(frozen=True)
class Forecast:
    """Seconds, and what they rest on: a server that need not survive is faster than a real one, so by itself it is a lower bound."""

    seconds: float | None = None
    basis: str = ""


def forecast(records: Records, restore_seconds: float | None) -> Forecast:
    """By the median of the newest real restores of backups that were verified as well."""
    if restore_seconds is None:
        return Forecast()
    ratios = []
    for done in records.of("restore")[-_LOOKED_AT:]:
        measured = [entry.get("restore_seconds") for entry in records.verifications(str(done.get("backup")))]
        known = [float(seconds) for seconds in measured if isinstance(seconds, (int, float)) and seconds > 0]
        if known and isinstance(done.get("duration_seconds"), (int, float)):
            ratios.append(float(done["duration_seconds"]) / known[-1])
    if not ratios:
        return Forecast(restore_seconds, SCRATCH)
    return Forecast(round(restore_seconds * statistics.median(ratios), 3), RESTORES)
