# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings and blocks that keep a cluster from its work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._report.finding import Finding
from .._report.redact import clean
from .disk import effective


def judge_settings(subject: str, settings: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """Switches somebody has left where they keep the cluster from its work."""
    found = []
    name = "cluster.routing.allocation.enable"
    allowed = effective(settings, name)
    if allowed not in ("all", ""):
        text, evidence = "shards get no node, or not all of them", f"{name} is {clean(allowed, 40)}"
        found.append(Finding("search_allocation_limited", "warning", subject, text, evidence, _reset(name)))
    for name in ("cluster.blocks.read_only", "cluster.blocks.read_only_allow_delete"):
        if effective(settings, name) == "true":
            text, evidence = "nothing can be written to it", f"{name} is true"
            found.append(Finding("search_cluster_read_only", "critical", subject, text, evidence, _reset(name)))
    name = "cluster.blocks.create_index"
    if effective(settings, name) == "true":
        text, evidence = "no index can be created", f"{name} is true"
        remedy = "It is set when all nodes are over the high watermark, and taken back by itself: free disk space."
        found.append(Finding("search_create_index_blocked", "warning", subject, text, evidence, remedy))
    return found


def blocked(settings: Mapping[str, Any]) -> dict[str, list[str]]:
    """The indices by the block they have."""
    found: dict[str, list[str]] = {}
    for index, document in sorted(settings.items()):
        for name, value in document["settings"].items():
            if str(value) == "true":
                found.setdefault(name.removeprefix("index.blocks."), []).append(index)
    return found


def judge_blocks(subject: str, blocks: Mapping[str, Sequence[str]], shown: int) -> list[Finding]:
    """Blocks that stop writing; C(write) alone is how indices are retired, and no finding."""
    found = []
    full = blocks.get("read_only_allow_delete", ())
    if full:
        text = "indices refuse writes, as a disk was over the flood stage"
        remedy = (
            "Free disk space; the block goes by itself below the high watermark. "
            'Where it stays: PUT /<index>/_settings {"index.blocks.read_only_allow_delete": null}'
        )
        found.append(Finding("search_indices_read_only", "critical", subject, text, _named(full, shown), remedy))
    fixed = blocks.get("read_only", ())
    if fixed:
        text, remedy = (
            "indices were set read-only",
            'Nothing, when it is meant; otherwise PUT /<index>/_settings {"index.blocks.read_only": null}',
        )
        found.append(Finding("search_indices_set_read_only", "info", subject, text, _named(fixed, shown), remedy))
    return found


def _named(names: Sequence[str], shown: int) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"{len(names)}: {', '.join(names[:shown])}{more}"


def _reset(name: str) -> str:
    return f'PUT /_cluster/settings {{"persistent": {{"{name}": null}}, "transient": {{"{name}": null}}}}'
