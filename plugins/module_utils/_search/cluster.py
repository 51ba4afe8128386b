# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster as a whole: its addresses, its status, its elected master."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._report.finding import Finding, Severity, id_word
from .._report.part import Threshold
from .._report.redact import clean
from .._report.words import plural
from .engine import Address, nobody_answers

_STATUSES: dict[str, tuple[Severity, str]] = {
    "red": ("critical", "its status is red: data cannot be read or written"),
    "yellow": ("warning", "its status is yellow: copies of data are missing"),
}


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
        found.append(Finding(f"search_status_{id_word(seen['status'])}", severity, subject, text, evidence, remedy))
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
