# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as Prometheus text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, get_args

from .. import _metrics
from .._metrics import Gauge
from .document import SEVERITIES, State


def render(document: Mapping[str, Any]) -> str:
    """Gauges of one report; the time stamp tells how old they are."""
    taken_at = datetime.fromisoformat(document["taken_at"]).timestamp()
    parts = document["parts"]
    gauges = [
        Gauge("health_report_timestamp_seconds", "When the report was taken.", taken_at),
        *(
            Gauge("health_findings", "Findings of the report.", document["counts"][severity], {"severity": severity})
            for severity in SEVERITIES
        ),
        *(
            Gauge("health_part_state", "1 for the state each part is in.", int(part["state"] == state), {"part": name, "state": state})
            for name, part in parts.items()
            for state in get_args(State)
        ),
        *(
            Gauge("health_part_duration_seconds", "How long asking for a part took.", part["seconds"], {"part": name})
            for name, part in parts.items()
            if part["seconds"] is not None
        ),
        Gauge("health_gate_passed", "1 when the report passed its gate.", int(document["gate"]["passed"])),
    ]
    return _metrics.render(gauges, {"cluster": document["cluster"], "namespace": document["namespace"]})
