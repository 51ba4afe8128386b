# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as Prometheus text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, get_args

from .document import SEVERITIES, State


def render(document: Mapping[str, Any]) -> str:
    """Gauges of one report; the time stamp tells how old they are."""
    taken_at = datetime.fromisoformat(document["taken_at"]).timestamp()
    findings = [({"severity": severity}, document["counts"][severity]) for severity in SEVERITIES]
    states = [
        ({"part": name, "state": state}, int(part["state"] == state))
        for name, part in document["parts"].items()
        for state in get_args(State)
    ]
    seconds = [({"part": name}, part["seconds"]) for name, part in document["parts"].items() if part["seconds"] is not None]
    families: tuple[tuple[str, str, list[tuple[dict[str, str], Any]]], ...] = (
        ("endpoint_stats_health_report_timestamp_seconds", "When the report was taken.", [({}, taken_at)]),
        ("endpoint_stats_health_findings", "Findings of the report.", findings),
        ("endpoint_stats_health_part_state", "1 for the state each part is in.", states),
        ("endpoint_stats_health_part_duration_seconds", "How long asking for a part took.", seconds),
        ("endpoint_stats_health_gate_passed", "1 when the report passed its gate.", [({}, int(document["gate"]["passed"]))]),
    )
    common = {"cluster": document["cluster"], "namespace": document["namespace"]}
    lines = []
    for name, text, samples in families:
        lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge"]
        lines += [f"{name}{_labels({**common, **labels})} {value}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(labels.items())) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
