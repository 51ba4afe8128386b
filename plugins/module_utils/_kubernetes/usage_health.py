# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pods of a namespace use of CPU and memory, beside what they may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from .._report.finding import Finding
from .._report.part import Part
from .limits import Limits
from .objects import Object, amount, is_leaving, is_young, name_of, workload_of


def usage(listed: Sequence[Object], metrics: Sequence[Object], now: datetime, limits: Limits) -> Part:
    """CPU and memory of each pod beside its limits."""
    measured = {name_of(item): item for item in metrics}
    running = [pod for pod in sorted(listed, key=name_of) if pod.get("status", {}).get("phase") == "Running"]
    rows = [row for pod in running if name_of(pod) in measured for row in [_usage_row(pod, measured[name_of(pod)])]]
    unmeasured = [name_of(pod) for pod in running if name_of(pod) not in measured and not is_young(pod, now) and not is_leaving(pod)]
    reason = f"the metrics API has no numbers of {', '.join(unmeasured)}" if unmeasured else ""
    found = [finding for row in rows for finding in _usage_findings(row, limits)]
    shown = {"cpu_percent": limits.cpu.to_dict(), "memory_percent": limits.memory.to_dict()}
    return Part({"pods": rows, **shown}, found, reason)


def _usage_row(pod: Object, metric: Object) -> dict[str, Any]:
    """Sums of the pod; a limit only where every container has one."""

    def limit(kind: str, resource: str) -> float | None:
        values = [amount(container.get("resources", {}).get(kind, {}).get(resource)) for container in pod["spec"]["containers"]]
        known = [value for value in values if value is not None]
        return sum(known) if values and len(known) == len(values) else None

    used = [container["usage"] for container in metric["containers"]]
    return {
        "pod": name_of(pod),
        "workload": workload_of(pod),
        "cpu_cores": sum(amount(item.get("cpu")) or 0 for item in used),
        "cpu_request_cores": limit("requests", "cpu"),
        "cpu_limit_cores": limit("limits", "cpu"),
        "memory_bytes": sum(int(amount(item.get("memory")) or 0) for item in used),
        "memory_request_bytes": limit("requests", "memory"),
        "memory_limit_bytes": limit("limits", "memory"),
    }


def _usage_findings(row: Mapping[str, Any], limits: Limits) -> list[Finding]:
    found = []
    for name, title, used, limit, threshold in (
        ("cpu", "CPU", row["cpu_cores"], row["cpu_limit_cores"], limits.cpu),
        ("memory", "memory", row["memory_bytes"], row["memory_limit_bytes"], limits.memory),
    ):
        percent = 100 * used / limit if limit else 0
        severity = threshold.judge(percent)
        if severity:
            remedy = f"Raise the {title} limit of {row['workload']}, or run more pods of it."
            text = f"uses more than {threshold.of(severity):g} % of its {title} limit"
            found.append(Finding(f"{name}_high", severity, row["workload"], text, f"{row['pod']}: {percent:.0f} %", remedy))
    if row["memory_limit_bytes"] is None:
        text, evidence = "has no memory limit and may take that of its neighbours", "a container without resources.limits.memory"
        found.append(Finding("memory_unlimited", "info", row["workload"], text, evidence, f"Set a memory limit for {row['workload']}."))
    return found
