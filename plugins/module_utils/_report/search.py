# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page shows of a search engine: nodes beside their limits, shards without a node by cause, and how far the look reached."""

from __future__ import annotations

from collections.abc import Mapping

from . import plots
from .part import Data
from .tables import facts, table
from .words import UNKNOWN, number, plural, seconds, share, size, text

_STATES = {"checked": "checked", "could_not_check": "could not check", "not_applicable": "does not apply"}


def fact(data: Data) -> str:
    """The one thing to know."""
    health, engine = data.get("health"), data.get("engine")
    if not engine:
        return "no answer"
    status = f"{health['status']}, {plural(health['nodes'], 'node')}" if health else "status not known"
    return f"{engine['title']} {engine['version']}, {status}"


def body(data: Data) -> str:
    """Of an engine that does not answer the reason above says all there is."""
    if not data.get("engine"):
        return ""
    sections = [
        ("", _head(data)),
        ("Nodes", _nodes(data) if data.get("nodes") else ""),
        ("Shards without a node", _unassigned(data["unassigned"]) if data.get("unassigned") else ""),
        ("Its own health report", _indicators(data["indicators"]) if data.get("indicators") else ""),
        ("What was checked", _coverage(data.get("coverage", {}))),
    ]
    return "".join((f"<h3>{title}</h3>" if title else "") + shown for title, shown in sections if shown)


def _head(data: Data) -> str:
    engine, health, marks = data["engine"], data.get("health") or {}, data.get("watermarks") or {}
    stages = " / ".join(str(marks.get(stage, UNKNOWN)) for stage in ("low", "high", "flood_stage"))
    shards = f"{number(health['active_shards'])} ({number(health['active_primaries'])} primaries)" if health else UNKNOWN
    return facts(
        [
            ("Engine", f"{engine['title']} {engine['version']}"),
            ("Cluster", engine["cluster"]),
            ("Status", health.get("status", UNKNOWN)),
            ("Nodes", f"{health['nodes']}, {health['data_nodes']} with data" if health else UNKNOWN),
            ("Shards in use", shards),
            ("Shards without a node", number(health.get("unassigned_shards"))),
            ("Pending tasks", number(health.get("pending_tasks"))),
            ("Longest wait of a task", seconds(health.get("pending_seconds"))),
            ("Watermarks", stages if marks.get("enabled") else "switched off" if marks else UNKNOWN),
        ]
    )


def _nodes(data: Data) -> str:
    heap = data["limits"]["heap_percent"]
    rows = [
        [
            text(row["name"]) + f"<small>{text(row['version'])}</small>",
            _percent(row["heap_percent"], heap),
            _percent(row["cpu_percent"], {}),
            _disk(row),
            seconds(row["uptime_seconds"]),
        ]
        for row in data["nodes"]
    ]
    return table(["Node", "|Heap", "|CPU", "|Disk", "!Running for"], rows)


def _percent(value: float | None, limits: Mapping[str, float]) -> str:
    return plots.filled(None if value is None else value / 100, UNKNOWN if value is None else f"{value:.0f} %", limits=limits)


def _disk(row: Data) -> str:
    """Used, with ticks at the watermarks; what the system keeps back for itself is used as well."""
    total, available = row["disk_total_bytes"], row["disk_available_bytes"]
    used = total - available if total else None
    label = f"{size(used)} of {size(total)}" if total else UNKNOWN
    return plots.filled(share(used, total), label, limits=row.get("disk_limits_percent") or {})


def _unassigned(groups: list[Data]) -> str:
    rows = []
    for row in groups:
        more = f" and {row['indices_left_out']} more" if row["indices_left_out"] else ""
        evidence = f"<small>{text(row['evidence'])}</small>" if row["evidence"] else ""
        names = text(", ".join(row["indices"]) + more)
        rows.append([text(row["text"]) + evidence, number(row["primaries"]), number(row["replicas"]), names])
    return table(["Why", "#Primaries", "#Replicas", "Indices"], rows)


def _indicators(indicators: list[Data]) -> str:
    rows = [[text(row["name"].replace("_", " ")), text(row["status"]), text(row["symptom"])] for row in indicators]
    return table(["!Indicator", "!Status", "Symptom"], rows)


def _coverage(coverage: Mapping[str, Data]) -> str:
    rows = [[text(name.replace("_", " ")), _STATES[row["state"]], text(row["reason"])] for name, row in coverage.items()]
    return table(["!Check", "!State", "Reason"], rows)
