# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a measured value of a namespace becomes a finding."""

from __future__ import annotations

from dataclasses import dataclass

from .._report.part import Threshold


@dataclass(frozen=True)
class Limits:
    """Where a measured value becomes a finding."""

    cpu: Threshold
    memory: Threshold
    claims: Threshold
    restart_window_hours: float
    event_window_minutes: float
