# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page shows of the objects of a namespace: pods, events, usage, claims and Jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from . import plots
from .part import Data
from .tables import table
from .words import cores, moment, number, share, size, text


def show_pods(data: Data) -> str:
    workloads = table(
        ["Workload", "|Ready"],
        [
            [text(f"{row['kind']}/{row['name']}"), plots.filled(share(row["ready"], row["wanted"]), f"{row['ready']} of {row['wanted']}")]
            for row in data["workloads"]
        ],
    )
    pods = table(
        ["!Pod", "Phase", "#Ready", "#Restarts", "!Node", "!Started"],
        [
            [
                text(row["name"]),
                text(" ".join(filter(None, [row["phase"], row["reason"]]))),
                f"{row['ready']}/{row['containers']}",
                number(row["restarts"]),
                text(row["node"]),
                text(moment(row["started_at"])),
            ]
            for row in data["pods"]
        ],
    )
    return f"{workloads}<h3>Pods</h3>{pods}"


def show_events(data: Data) -> str:
    rows = [
        [text(moment(row["time"])), text(row["type"]), text(row["reason"]), text(row["object"]), number(row["count"]), text(row["message"])]
        for row in data["events"]
    ]
    return table(["!Time", "!Type", "!Reason", "Object", "#Count", "Message"], rows)


def show_usage(data: Data) -> str:
    rows = [
        [
            text(row["pod"]),
            _amount(row, "cpu", "cores", cores, data["cpu_percent"]),
            _amount(row, "memory", "bytes", size, data["memory_percent"]),
        ]
        for row in data["pods"]
    ]
    return table(["!Pod", "|CPU", "|Memory"], rows)


def _amount(row: Data, name: str, unit: str, written: Callable[[float | None], str], limits: Mapping[str, float]) -> str:
    """What is used beside the limit; where there is none beside what was requested, which may be exceeded."""
    used, limit, request = (row[f"{name}_{kind}{unit}"] for kind in ("", "limit_", "request_"))
    if limit:
        return plots.filled(used / limit, f"{written(used)} of {written(limit)}", limits=limits)
    if request:
        return plots.filled(used / request, f"{written(used)}, {written(request)} requested, no limit")
    return plots.filled(None, f"{written(used)}, no limit")


def show_claims(data: Data) -> str:
    rows = []
    for row in data["claims"]:
        used = share(row["used_bytes"], row["file_system_bytes"])
        label = f"{size(row['used_bytes'])} of {size(row['file_system_bytes'])}" if used is not None else "not known"
        shared = row["file_system_bytes"] and row["size_bytes"] and row["file_system_bytes"] > 1.2 * row["size_bytes"]
        note = "<small>its file system is larger than the claim and shared</small>" if shared else ""
        cells = [text(row["name"]), text(row["phase"]), size(row["size_bytes"] or row["requested_bytes"])]
        rows.append([*cells, plots.filled(used, label, limits=data["claim_percent"]) + note, text(row["storage_class"])])
    return table(["Claim", "Phase", "#Size", "|File system", "Class"], rows)


def show_jobs(data: Data) -> str:
    schedules = table(
        ["Schedule", "When", "Last run", "Result", "Last success"],
        [
            [
                text(row["name"]),
                text(f"{row['schedule']} {row['time_zone']}"),
                text(moment(row["last_scheduled_at"])),
                text(row["last_result"] or ("suspended" if row["suspended"] else "has not run yet")),
                text(moment(row["last_successful_at"])),
            ]
            for row in data["schedules"]
        ],
    )
    jobs = table(["Job", "Result"], [[text(row["name"]), text(row["result"])] for row in data["jobs"]]) if data["jobs"] else ""
    return schedules + (f"<h3>Jobs without a schedule</h3>{jobs}" if jobs else "")
