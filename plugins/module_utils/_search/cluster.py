# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster as a whole: addresses, status, elected master, settings that stop work, blocks, and what its own health report says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._report.finding import Finding, Severity
from .._report.part import Threshold
from .._report.redact import clean
from .._report.words import plural
from .disk import effective
from .engine import Address, nobody_answers

_STATUSES: dict[str, tuple[Severity, str]] = {
    "red": ("critical", "its status is red: data cannot be read or written"),
    "yellow": ("warning", "its status is yellow: copies of data are missing"),
}
_INDICATOR_SEVERITIES: dict[str, Severity] = {"yellow": "warning", "red": "critical"}
# What our own findings already say, in more detail.
_TOLD_BY = {
    "shards_availability": ("search_shards_unassigned_",),
    "disk": ("search_disk_", "search_indices_read_only"),
    "master_is_stable": ("search_no_elected_master",),
}
_INDICATORS_SHOWN_CHARACTERS = 300


def addresses(asked: Sequence[Address]) -> list[Finding]:
    """An engine that serves nobody is critical; one address of several that does not answer is not yet."""
    problems = [(address.client.url, address.problem.cause) for address in asked if address.problem]
    if nobody_answers(asked):
        evidence = "; ".join(f"{url}: {cause}" for url, cause in problems)
        remedy = "Look at its processes or pods, and at their logs."
        return [Finding("search_does_not_answer", "critical", "search engine", "it does not answer", evidence, remedy)]
    if len(problems) == len(asked):
        return []
    remedy = "Look at that node; clients that know only this address are cut off."
    return [
        Finding("search_address_does_not_answer", "warning", url, "this address gives no answer", cause, remedy) for url, cause in problems
    ]


def health(document: Mapping[str, Any]) -> dict[str, Any]:
    """What of C(_cluster/health) is kept."""
    return {
        "status": str(document["status"]),
        "timed_out": bool(document["timed_out"]),
        "nodes": document["number_of_nodes"],
        "data_nodes": document["number_of_data_nodes"],
        "active_primaries": document["active_primary_shards"],
        "active_shards": document["active_shards"],
        "relocating_shards": document["relocating_shards"],
        "initializing_shards": document["initializing_shards"],
        "unassigned_shards": document["unassigned_shards"],
        "pending_tasks": document["number_of_pending_tasks"],
        "pending_seconds": document["task_max_waiting_in_queue_millis"] / 1000,
    }


def judge_health(subject: str, seen: Mapping[str, Any], expected_nodes: int, pending: Threshold) -> list[Finding]:
    """What of the health deserves a word; a status nobody knows is as bad as red."""
    found = []
    if seen["status"] != "green":
        severity, text = _STATUSES.get(seen["status"], ("critical", f"its status is {clean(seen['status'], 20)!r}"))
        whole = seen["active_shards"] + seen["initializing_shards"] + seen["unassigned_shards"]
        evidence = f"of {plural(whole, 'shard')} {seen['unassigned_shards']} without a node, {seen['initializing_shards']} being made"
        remedy = "The findings on shards without a node say why." if seen["unassigned_shards"] else "Look again when the shards are made."
        found.append(Finding(f"search_status_{_word(seen['status'])}", severity, subject, text, evidence, remedy))
    if seen["timed_out"]:
        text, remedy = "it did not settle while it was asked", "Look at the elected master's log and its pending tasks."
        found.append(Finding("search_health_timed_out", "warning", subject, text, "timed_out is true", remedy))
    if seen["nodes"] < expected_nodes:
        text, evidence = "nodes are missing", f"{seen['nodes']} of {expected_nodes}"
        remedy = "Compare GET /_cat/nodes with the nodes there should be, and look at the logs of those that are missing."
        found.append(Finding("search_nodes_missing", "critical", subject, text, evidence, remedy))
    severity_pending = pending.judge(seen["pending_seconds"])
    if severity_pending:
        text = f"a task has waited for the elected master for more than {pending.of(severity_pending):g} s"
        evidence = f"{seen['pending_seconds']:.0f} s, {plural(seen['pending_tasks'], 'pending task')}"
        remedy = "GET /_cluster/pending_tasks names them; many small indices and mappings that change are the usual cause."
        found.append(Finding("search_tasks_pending", severity_pending, subject, text, evidence, remedy))
    return found


def leaderless(subject: str, cause: str, indicators: Sequence[Mapping[str, Any]]) -> Finding:
    """No elected master: the nodes answer, and nothing can be created, moved or healed."""
    symptoms = [indicator["symptom"] for indicator in indicators if indicator["name"] == "master_is_stable"]
    report = f"; GET /_health_report answers all the same: {symptoms[0]}" if symptoms else ""
    text = "it has no elected master: it has lost its quorum, or never had one"
    remedy = "Bring back the master-eligible nodes that are missing. Never bootstrap a new cluster over their data."
    return Finding("search_no_elected_master", "critical", subject, text, f"GET /_cluster/health: {cause}{report}", remedy)


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


def indicators(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The indicators of C(_health_report), each with its causes and what to do."""
    return [
        {
            "name": clean(name, 60),
            "status": str(indicator["status"]),
            "symptom": clean(indicator.get("symptom") or "", _INDICATORS_SHOWN_CHARACTERS),
            "causes": [clean(entry.get("cause") or "", _INDICATORS_SHOWN_CHARACTERS) for entry in indicator.get("diagnosis") or []],
            "actions": [clean(entry.get("action") or "", _INDICATORS_SHOWN_CHARACTERS) for entry in indicator.get("diagnosis") or []],
        }
        for name, indicator in sorted(document["indicators"].items())
    ]


def judge_indicators(subject: str, seen: Sequence[Mapping[str, Any]], told: Sequence[str]) -> list[Finding]:
    """What the engine complains of and none of our findings, C(told) by their ids, says in more detail."""
    return [
        Finding(
            id=f"search_indicator_{_word(indicator['name'])}",
            severity=_INDICATOR_SEVERITIES[indicator["status"]],
            subject=subject,
            summary=f"its own health report says {indicator['status']} of {indicator['name'].replace('_', ' ')}",
            evidence=" ".join(filter(None, [indicator["symptom"], *indicator["causes"][:1]])),
            remedy=next(iter(indicator["actions"]), "") or f"GET /_health_report/{indicator['name']} tells more.",
        )
        for indicator in seen
        if indicator["status"] in _INDICATOR_SEVERITIES and not _told(indicator["name"], told)
    ]


def undecided(seen: Sequence[Mapping[str, Any]]) -> str:
    """Indicators that are neither well nor unwell: the engine does not know, and then neither do we."""
    known = ("green", *_INDICATOR_SEVERITIES)
    open_ones = [f"{indicator['name']} is {clean(indicator['status'], 20)}" for indicator in seen if indicator["status"] not in known]
    return f"of its indicators {', '.join(open_ones)}" if open_ones else ""


def _told(name: str, identities: Sequence[str]) -> bool:
    return any(identity.startswith(_TOLD_BY.get(name, ())) for identity in identities)


def _named(names: Sequence[str], shown: int) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"{len(names)}: {', '.join(names[:shown])}{more}"


def _reset(name: str) -> str:
    return f'PUT /_cluster/settings {{"persistent": {{"{name}": null}}, "transient": {{"{name}": null}}}}'


def _word(text: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in text[:40])
