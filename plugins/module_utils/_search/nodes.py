# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes of the cluster: who is there, in which version, with how much heap, processor and disk in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._report.finding import Finding
from .._report.part import Threshold
from .._report.redact import clean

_BUSY_PERCENT = 95
# The disk of a node that only serves mounted snapshots is a cache, and full by design.
_CACHE_ROLES = {"data_frozen"}


def gathered(info: Mapping[str, Any], stats: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One line for each node that C(_nodes) or C(_nodes/stats) tells of."""
    known, measured = info["nodes"], stats["nodes"]
    lines = [_line(known.get(identity, {}), measured.get(identity, {})) for identity in {**known, **measured}]
    return sorted(lines, key=lambda line: str(line["name"]))


def silent(*answers: Mapping[str, Any]) -> int:
    """How many nodes belong to the cluster and did not answer in time."""
    return max(int((answer.get("_nodes") or {}).get("failed") or 0) for answer in answers)


def judge(subject: str, nodes: Sequence[Mapping[str, Any]], unheard: int, heap: Threshold) -> list[Finding]:
    """What of it deserves a word."""
    found = []
    versions: dict[str, list[str]] = {}
    for node in nodes:
        versions.setdefault(node["version"], []).append(node["name"])
    versions.pop("", None)
    if len(versions) > 1:
        evidence = "; ".join(f"{version}: {', '.join(names)}" for version, names in sorted(versions.items()))
        remedy = "Finish the upgrade, and switch allocation on again where it was switched off for it."
        found.append(Finding("search_versions_mixed", "warning", subject, "its nodes run different versions", evidence, remedy))
    if unheard:
        remedy = "Look at the nodes that GET /_cat/nodes shows without figures: they hang, or are cut off."
        text, evidence = "nodes of the cluster do not answer", f"{unheard} of {unheard + len(nodes)}"
        found.append(Finding("search_nodes_silent", "warning", subject, text, evidence, remedy))
    for node in nodes:
        place = f"node/{node['name']}"
        severity = heap.judge(node["heap_percent"]) if node["heap_percent"] is not None else None
        if severity:
            text, evidence = f"more than {heap.of(severity):g} % of its heap is used", f"{node['heap_percent']} % of the old generation"
            remedy = "Look for large aggregations and too many shards; give it more heap, at most half of its memory."
            found.append(Finding("search_heap_high", severity, place, text, evidence, remedy))
        if node["cpu_percent"] is not None and node["cpu_percent"] >= _BUSY_PERCENT:
            text, evidence = "its processors are busy", f"{node['cpu_percent']} % in the moment it was asked"
            remedy = "Nothing, when it does not last; GET /_nodes/hot_threads shows with what."
            found.append(Finding("search_cpu_busy", "info", place, text, evidence, remedy))
    return found


def _line(info: Mapping[str, Any], stats: Mapping[str, Any]) -> dict[str, Any]:
    roles = [str(role) for role in info.get("roles") or stats.get("roles") or []]
    data_roles = {role for role in roles if role == "data" or role.startswith("data_")}
    jvm = stats.get("jvm") or {}
    total, available = _fullest(stats.get("fs") or {})
    return {
        "name": clean(info.get("name") or stats.get("name") or "", 100),
        "version": str(info.get("version") or ""),
        "roles": roles,
        "holds_data": bool(data_roles - _CACHE_ROLES),
        "heap_percent": _heap_percent(jvm.get("mem") or {}),
        "cpu_percent": _known_percent(((stats.get("os") or {}).get("cpu") or {}).get("percent")),
        "uptime_seconds": jvm["uptime_in_millis"] / 1000 if "uptime_in_millis" in jvm else None,
        "disk_total_bytes": total,
        "disk_available_bytes": available,
    }


def _heap_percent(memory: Mapping[str, Any]) -> float | None:
    """Of the old generation: the young one fills and empties all the time."""
    old = (memory.get("pools") or {}).get("old") or {}
    if old.get("max_in_bytes"):
        return float(round(100 * old["used_in_bytes"] / old["max_in_bytes"]))
    return _known_percent(memory.get("heap_used_percent"))


def _known_percent(value: Any) -> float | None:
    """A node that cannot measure something says -1."""
    return float(value) if isinstance(value, (int, float)) and value >= 0 else None


def _fullest(file_systems: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Total and available bytes of the data path with the smallest share left."""
    paths = [path for path in file_systems.get("data") or [file_systems.get("total") or {}] if path.get("total_in_bytes")]
    if not paths:
        return None, None
    worst = min(paths, key=lambda path: path["available_in_bytes"] / path["total_in_bytes"])
    return int(worst["total_in_bytes"]), int(worst["available_in_bytes"])
