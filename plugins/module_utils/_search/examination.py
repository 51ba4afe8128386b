# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The questions to one engine that answers: each asks alone, so that one that is refused or not heard hides no other."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._errors import OpsError
from .._report.part import Threshold
from . import cluster, disk, indicators, nodes, settings, shards
from .causes import Reason, reason_of
from .coverage import Seen, Visit
from .engine import Engine
from .http import Client, QuestionError

_NO_MASTER = "it has no elected master, and what its nodes remember may be old"
_LEADERLESS = re.compile(r"(master|cluster_manager)_not_discovered|state not recovered|no (elected )?(master|cluster.manager)")
_INFO = "_nodes.failed,nodes.*.name,nodes.*.version,nodes.*.roles"
_STATS = (
    "_nodes.failed,nodes.*.name,nodes.*.roles,nodes.*.fs.data,nodes.*.fs.total,nodes.*.jvm.uptime_in_millis,"
    "nodes.*.jvm.mem.pools.old,nodes.*.jvm.mem.heap_used_percent,nodes.*.os.cpu.percent"
)


@dataclass(frozen=True)
class Limits:
    """Where something becomes a finding, and how many indices are named."""

    heap: Threshold
    pending_seconds: Threshold
    disk: Threshold | None
    expected_nodes: int
    shown: int

    def __post_init__(self) -> None:
        if self.shown < 1 or self.expected_nodes < 0:
            raise OpsError("max_indices_shown is at least 1, expected_nodes at least 0")


@dataclass
class Examination:
    """The questions to one engine, and what later ones need of earlier answers."""

    client: Client
    engine: Engine
    limits: Limits
    visit: Visit
    settings: Mapping[str, Mapping[str, Any]] | None = None
    lines: list[dict[str, Any]] = field(default_factory=list)
    leaderless: str = ""
    unheard: str = ""

    @property
    def subject(self) -> str:
        return f"{self.engine.title}/{self.engine.cluster}"

    def run(self) -> None:
        check = self.visit.check
        check("engine", self._engine)
        check("health", self._health)
        check("nodes", self._nodes)
        if self.leaderless:
            self.visit.blind(_NO_MASTER, "health", "settings", "shards", "disk", "blocks")
        else:
            check("settings", self._settings)
            check("shards", self._shards)
            check("disk", self._disk)
            check("blocks", self._blocks)
        check("health_report", self._health_report)
        if self.leaderless:
            self.visit.findings.append(cluster.leaderless(self.subject, self.leaderless, self.visit.data.get("indicators", [])))

    def _engine(self) -> Seen:
        limits = {"heap_percent": self.limits.heap.to_dict()}
        return Seen({"engine": self.engine.to_dict(), "url": self.client.url, "limits": limits})

    def _health(self) -> Seen:
        # The engine has to give up before we do, as only then it says why.
        wait = f"{max(1, self.client.timeout_seconds - 1)}s"
        try:
            document = self.client.get("/_cluster/health", timeout=wait, **{self.engine.manager_timeout: wait})
        except QuestionError as error:
            if error.status == 503 and _LEADERLESS.search(error.cause):
                self.leaderless = error.cause
            raise
        seen = cluster.health(document)
        return Seen({"health": seen}, cluster.judge_health(self.subject, seen, self.limits.expected_nodes, self.limits.pending_seconds))

    def _nodes(self) -> Seen:
        wait = f"{max(1, self.client.timeout_seconds - 1)}s"
        info = self.client.get("/_nodes", timeout=wait, filter_path=_INFO)
        stats = self.client.get("/_nodes/stats/fs,jvm,os", timeout=wait, filter_path=_STATS)
        self.lines, silent = nodes.gathered(info, stats), nodes.silent(info, stats)
        gap = f"{silent} nodes of the cluster did not answer" if silent else ""
        return Seen({"nodes": self.lines}, nodes.judge(self.subject, self.lines, silent, self.limits.heap), gap)

    def _settings(self) -> Seen:
        document = self.client.get("/_cluster/settings", include_defaults="true", flat_settings="true")
        self.settings = {layer: document[layer] for layer in ("transient", "persistent", "defaults")}
        return Seen(findings=settings.judge_settings(self.subject, self.settings))

    def _shards(self) -> Seen:
        health = self.visit.data.get("health")
        if health and not health["unassigned_shards"]:
            return Seen({"unassigned": []})
        rows = self.client.get("/_cat/shards", format="json", h="index,shard,prirep,state")
        groups = shards.grouped(shards.explained(shards.unassigned(rows), self._explain), self.limits.shown)
        untold = [group["evidence"] for group in groups if group["cause"] == "unexplained" and group["evidence"]]
        return Seen({"unassigned": groups}, shards.judge(self.subject, groups), "; ".join(untold))

    def _explain(self, index: str, shard: int, primary: bool) -> Reason:
        which = json.dumps({"index": index, "shard": shard, "primary": primary})
        if self.unheard:
            return Reason("unexplained", self.unheard)
        try:
            answer = self.client.get("/_cluster/allocation/explain", source=which, source_content_type="application/json")
        except QuestionError as error:
            told = f"GET /_cluster/allocation/explain: {error.cause}"
            # One that is not heard in time is not asked twenty times.
            self.unheard = told if error.kind == "down" else ""
            return Reason("unexplained", told)
        return reason_of(answer)

    def _disk(self) -> Seen:
        if not self.lines:
            return Seen(gap="the nodes did not tell how full their disks are")
        marks = disk.watermarks(self.settings) if self.settings else None
        for line in self.lines:
            shown = marks and marks.enabled and line["holds_data"] and line["disk_total_bytes"]
            line["disk_limits_percent"] = disk.limits_percent(line["disk_total_bytes"], marks) if shown and marks else {}
        unknown = [line["name"] for line in self.lines if line["holds_data"] and not line["disk_total_bytes"]]
        gaps = [] if marks else ["the watermarks are not known, as the settings could not be read"]
        gaps += [f"{', '.join(unknown)} did not tell how full the disk is"] if unknown else []
        data = {"watermarks": marks.to_dict() if marks else {}}
        return Seen(data, disk.judge(self.subject, self.lines, marks, self.limits.disk), "; ".join(gaps))

    def _blocks(self) -> Seen:
        document = self.client.get("/_all/_settings/index.blocks.*", flat_settings="true", expand_wildcards="all")
        blocks = settings.blocked(document)
        counts = {name: len(indices) for name, indices in blocks.items()}
        return Seen({"blocks": counts}, settings.judge_blocks(self.subject, blocks, self.limits.shown))

    def _health_report(self) -> Seen:
        if not self.engine.has_health_report:
            return Seen(absent=f"{self.engine.title} {self.engine.version} has none")
        document = self.client.get("/_health_report", verbose="true", size=str(self.limits.shown))
        seen = indicators.indicators(document)
        told = [finding.id for finding in self.visit.findings] + (["search_no_elected_master"] if self.leaderless else [])
        return Seen({"indicators": seen}, indicators.judge_indicators(self.subject, seen, told), indicators.undecided(seen))
