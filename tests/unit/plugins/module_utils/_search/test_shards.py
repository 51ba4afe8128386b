# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import threading
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._search import shards
from ansible_collections.endpoint_stats.ops.plugins.module_utils._search.causes import Reason, reason_of
from ansible_collections.endpoint_stats.ops.plugins.module_utils._search.shards import Kind

from tests.unit.plugins.module_utils._search import fake
from tests.unit.plugins.module_utils._search.fake import healthy, serving


def explanation(*nodes: dict[str, str], can: str = "no", **more: Any) -> dict[str, Any]:
    """Each node with the deciders that refuse, and their words."""
    decisions = [
        {
            "node_name": f"node-{number}",
            "node_decision": "no",
            "deciders": [{"decider": name, "decision": "NO", "explanation": text} for name, text in refusals.items()],
        }
        for number, refusals in enumerate(nodes)
    ]
    return {"current_state": "unassigned", "can_allocate": can, "node_allocation_decisions": decisions, **more}


SAME = {"same_shard": "a copy of this shard is already allocated to this node"}
FULL = {"disk_threshold": "the node is above the high watermark"}
FILTER = {"filter": "node does not match index setting [index.routing.allocation.require] filters [box:warm]"}


@pytest.mark.parametrize(
    ("told", "word", "evidence"),
    [
        (explanation(SAME), "same_node", "1 node"),
        (explanation(SAME, SAME), "same_node", "2 nodes"),
        (explanation(SAME, FULL), "disk_watermark", "above the high watermark"),
        (explanation(SAME, {**SAME, **FULL}), "same_node", "2 nodes"),
        (explanation(SAME, FILTER, FILTER, FULL), "filter", "box:warm"),
        (explanation({**FILTER, **FULL}), "filter", "disk_threshold as well"),
        (explanation({"data_tier": "no [data_hot]"}), "filter", "data_hot"),
        (explanation({"enable": "no allocations are allowed due to cluster setting"}), "disabled", "no allocations"),
        (explanation({"awareness": "there are [2] copies"}), "awareness", "[2] copies"),
        (explanation({"shards_limit": "too many shards [1]"}), "shard_limit", "too many"),
        (explanation({"node_version": "target node version is older"}), "version", "older"),
        (explanation({"snapshot_in_progress": "being snapshotted"}), "wait", "snapshotted"),
        (explanation({"ml": "unheard of"}), "other", "ml: unheard of"),
        (explanation(allocate_explanation="no node is there"), "other", "no node is there"),
        (explanation(can="throttled", allocate_explanation="temporarily throttled"), "wait", "temporarily throttled"),
        (
            explanation(can="allocation_delayed", allocate_explanation="cannot allocate because the cluster is still waiting"),
            "node_left",
            "waiting",
        ),
        (explanation(can="no_valid_shard_copy", allocate_explanation="no valid shard copy"), "no_copy", "no valid"),
        (
            explanation(
                {"max_retry": "shard has exceeded the maximum number of retries [5]", **FULL},
                unassigned_info={
                    "reason": "ALLOCATION_FAILED",
                    "details": "failed shard on node: FileSystemException: Too many open files",
                },
            ),
            "failed_too_often",
            "Too many open files",
        ),
        ({"current_state": "started"}, "wait", "in the meantime"),
    ],
)
def test_the_obstacle_that_somebody_has_to_take_away_is_named(told: dict[str, Any], word: str, evidence: str) -> None:
    reason = reason_of(told)
    assert reason.word == word
    assert evidence in reason.evidence


def test_a_decider_that_agrees_is_no_obstacle() -> None:
    told = explanation(FULL)
    told["node_allocation_decisions"][0]["deciders"].append({"decider": "filter", "decision": "YES", "explanation": "fine"})
    assert reason_of(told).evidence.startswith("disk_threshold: the node is above the high watermark")
    assert "filter" not in reason_of(told).evidence


def test_words_of_the_engine_are_bounded_and_hide_secrets() -> None:
    told = explanation({"max_retry": "x"}, unassigned_info={"details": f"S3: secret_key=Planted-secret {'x ' * 5000}"})
    evidence = reason_of(told).evidence
    assert "Planted" not in evidence
    assert len(evidence) <= 300


def row(index: str, shard: int = 0, copy: str = "p", state: str = "UNASSIGNED") -> dict[str, str]:
    return {"index": index, "shard": str(shard), "prirep": copy, "state": state}


def test_primaries_come_first_and_shards_of_an_index_are_one_kind() -> None:
    rows = [row("b", 1, "r"), row("b", 0, "r"), row("c", 3), row("c", 2), row("a", 0, "r", "STARTED")]
    assert shards.unassigned(rows) == [Kind("c", True, (2, 3)), Kind("b", False, (0, 1))]


def test_one_shard_of_each_kind_is_asked_about_and_only_so_many() -> None:
    asked: list[tuple[str, int, bool]] = []

    def explain(index: str, shard: int, primary: bool) -> Reason:
        asked.append((index, shard, primary))
        return Reason("same_node")

    kinds = [Kind(f"logs-{number:02}", False, (1, 2)) for number in range(30)]
    groups = shards.grouped(shards.explained(kinds, explain), shown=3)
    assert asked == [(f"logs-{number:02}", 1, False) for number in range(20)]
    assert {group["cause"]: (group["replicas"], group["indices_left_out"]) for group in groups} == {
        "same_node": (40, 17),
        "unexplained": (20, 7),
    }


def test_a_primary_without_a_node_is_critical_and_one_that_waits_is_not() -> None:
    reasons = [
        (Kind("a", True, (0,)), Reason("filter", "filter: box:warm")),
        (Kind("b", False, (0, 1)), Reason("filter", "filter: box:hot")),
        (Kind("c", False, (0,)), Reason("node_left")),
        (Kind("d", False, (0,)), Reason("same_node")),
    ]
    found = {finding.id: finding for finding in shards.judge("Elasticsearch/logs", shards.grouped(reasons, shown=1))}
    assert {name.removeprefix("search_shards_unassigned_"): finding.severity for name, finding in found.items()} == {
        "filter": "critical",
        "node_left": "info",
        "same_node": "warning",
    }
    assert found["search_shards_unassigned_filter"].evidence == "1 primary and 2 replicas of a and 1 more; filter: box:warm"


def test_an_engine_that_does_not_explain_in_time_is_asked_once() -> None:
    asked_long_enough = threading.Event()
    answers = {
        "/_cluster/health": fake.health(status="red", unassigned_shards=3),
        "/_cat/shards": [row("a"), row("b"), row("c")],
        fake.EXPLAIN: lambda _parameters: asked_long_enough.wait(30),
    }
    with serving(healthy(**answers)) as engine:
        part = engine.look(timeout_seconds=1)
        asked_long_enough.set()
    assert engine.paths().count(fake.EXPLAIN) == 1
    assert "GET /_cluster/allocation/explain: " in part.reason
    assert part.findings[-1].evidence.startswith("3 primaries of a, b, c; ")


def test_the_engine_is_asked_for_each_kind_by_its_own_parameters() -> None:
    answers = {
        "/_cluster/health": fake.health(status="yellow", unassigned_shards=2),
        "/_cat/shards": [row("logs", 0, "r"), row("logs", 1, "r"), row("logs", 2, "p", "STARTED")],
        fake.EXPLAIN: explanation(SAME),
    }
    with serving(healthy(**answers)) as engine:
        part = engine.look()
    (asked,) = [request for request in engine.asked if request.path == fake.EXPLAIN]
    assert asked.parameters == {"source": '{"index": "logs", "shard": 0, "primary": false}', "source_content_type": "application/json"}
    assert [finding.id for finding in part.findings] == ["search_status_yellow", "search_shards_unassigned_same_node"]
    assert part.reason == ""
