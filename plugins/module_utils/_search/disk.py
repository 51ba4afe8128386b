# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How full the nodes' disks are, held against the watermarks the engine itself acts on."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .._errors import OpsError
from .._report.finding import Finding, Severity
from .._report.part import Threshold
from .._report.words import size

Stage = Literal["low", "high", "flood_stage"]
_PREFIX = "cluster.routing.allocation.disk"
_UNITS = {"": 0, "b": 0, "k": 1, "kb": 1, "m": 2, "mb": 2, "g": 3, "gb": 3, "t": 4, "tb": 4, "p": 5, "pb": 5}
_SIZE = re.compile(r"(-?\d+(?:\.\d+)?)\s*([a-z]*)\Z")
_UNLIMITED = -1
_STAGES: dict[Stage, tuple[Severity, str, str]] = {
    "flood_stage": (
        "critical",
        "its disk is over the flood stage: indices with a shard there refuse writes",
        "Delete indices or add disk space now; writing is allowed again once it is below the high watermark.",
    ),
    "high": (
        "warning",
        "its disk is over the high watermark: shards are moved away from it",
        "Delete indices, add disk space or a data node, before the flood stage stops writing.",
    ),
    "low": (
        "warning",
        "its disk is over the low watermark: it gets no more shards",
        "Plan for disk space or another data node; replicas of new indices may find no place.",
    ),
}


@dataclass(frozen=True)
class Watermark:
    """How much of a disk has to stay free: a percentage, a ratio, or an amount; the first two capped by C(headroom_bytes)."""

    setting: str
    percent: float | None
    free_bytes: int
    headroom_bytes: int = _UNLIMITED

    def required_bytes(self, total_bytes: int) -> int:
        if self.percent is None:
            return self.free_bytes
        required = total_bytes - math.ceil(total_bytes * self.percent / 100)
        return required if self.headroom_bytes == _UNLIMITED else min(required, self.headroom_bytes)


@dataclass(frozen=True)
class Watermarks:
    """What the engine is set to; C(single_node) tells whether low and high count where there is only one data node."""

    enabled: bool
    single_node: bool
    stages: Mapping[Stage, Watermark]

    def to_dict(self) -> dict[str, Any]:
        return {"enabled": self.enabled, **{stage: watermark.setting for stage, watermark in self.stages.items()}}


def effective(settings: Mapping[str, Mapping[str, Any]], name: str) -> str:
    """A setting as it counts: what was set for now, what was set to stay, what the node's file or the engine says."""
    for layer in ("transient", "persistent", "defaults"):
        if name in settings.get(layer, {}):
            return str(settings[layer][name])
    return ""


def watermarks(settings: Mapping[str, Mapping[str, Any]]) -> Watermarks:
    """The watermarks of flat cluster settings with their defaults."""
    stages: dict[Stage, Watermark] = {stage: _watermark(settings, stage) for stage in _STAGES}
    return Watermarks(
        enabled=effective(settings, f"{_PREFIX}.threshold_enabled") != "false",
        single_node=effective(settings, f"{_PREFIX}.watermark.enable_for_single_data_node") != "false",
        stages=stages,
    )


def parsed(setting: str, headroom: str = "") -> Watermark:
    """C(85%) and C(0.85) are what may be used, C(500mb) is what stays free."""
    text = setting.strip().lower()
    try:
        cap = _UNLIMITED if headroom in ("", "-1") else _bytes(headroom)
        if text.endswith("%"):
            return Watermark(setting, float(text[:-1]), 0, cap)
        if re.fullmatch(r"[01](\.\d*)?|\.\d+", text) and float(text) <= 1:
            return Watermark(setting, 100 * float(text), 0, cap)
        return Watermark(setting, None, _bytes(text))
    except ValueError as error:
        raise OpsError(f"{setting!r} is no watermark", cause=str(error)) from error


def stage_of(total_bytes: int, available_bytes: int, marks: Mapping[Stage, Watermark]) -> Stage | None:
    """The worst watermark a disk is over."""
    for stage in _STAGES:
        if stage in marks and available_bytes < marks[stage].required_bytes(total_bytes):
            return stage
    return None


def judge(subject: str, nodes: Sequence[Mapping[str, Any]], marks: Watermarks | None, own: Threshold | None) -> list[Finding]:
    """Each node that holds data, by the engine's watermarks and by the limits somebody gave."""
    holders = [node for node in nodes if node["holds_data"] and node["disk_total_bytes"]]
    idle = marks is not None and not marks.single_node and len(holders) == 1
    found = []
    for node in holders:
        total, available = node["disk_total_bytes"], node["disk_available_bytes"]
        used = 100 * (1 - available / total)
        place, seen = f"node/{node['name']}", f"{size(available)} of {size(total)} available, {used:.1f} % used"
        stage = stage_of(total, available, marks.stages) if marks and marks.enabled else None
        if stage and marks:
            severity, text, remedy = _STAGES[stage]
            asked = f"; the watermark {marks.stages[stage].setting} asks for {size(marks.stages[stage].required_bytes(total))}"
            aside = "; with one data node the engine acts on the flood stage alone" if idle and stage != "flood_stage" else ""
            found.append(Finding(f"search_disk_{stage}", severity, place, text, seen + asked + aside, remedy))
        severity_own = own.judge(used) if own else None
        if own and severity_own:
            text = f"its disk is more than {own.of(severity_own):g} % full"
            found.append(Finding("search_disk_full", severity_own, place, text, seen, "Delete indices or add disk space."))
    if marks and not marks.enabled:
        name, text = f"{_PREFIX}.threshold_enabled", "full disks are not taken care of"
        remedy = f'Switch it on again: PUT /_cluster/settings {{"persistent": {{"{name}": null}}}}'
        found.append(Finding("search_disk_thresholds_off", "warning", subject, text, f"{name} is false", remedy))
    return found


def limits_percent(total_bytes: int, marks: Watermarks) -> dict[str, float]:
    """The watermarks as shares of one disk, for a plot."""
    words: dict[Stage, str] = {"low": "warning", "high": "high", "flood_stage": "critical"}
    return {
        words[stage]: round(100 * (1 - marks.stages[stage].required_bytes(total_bytes) / total_bytes), 2) for stage in words if total_bytes
    }


def _watermark(settings: Mapping[str, Mapping[str, Any]], stage: Stage) -> Watermark:
    name = f"{_PREFIX}.watermark.{stage}"
    setting = effective(settings, name)
    if not setting:
        raise OpsError("The watermarks are not among the cluster's settings", cause=f"{name} is missing")
    layers = [settings.get(layer, {}) for layer in ("transient", "persistent")]
    headroom = f"{name}.max_headroom"
    # The engine's own headroom counts only for its own watermark; the list of defaults shows it all the same.
    theirs = any(name in layer for layer in layers) and not any(headroom in layer for layer in layers)
    return parsed(setting, "" if theirs else effective(settings, headroom))


def _bytes(text: str) -> int:
    match = _SIZE.match(text.strip().lower())
    if not match or match[2] not in _UNITS:
        raise ValueError(f"{text!r} is no size")
    return int(float(match[1]) * 1024 ** _UNITS[match[2]])
