# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.merge import merge
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.part import Part, Threshold
from ansible_collections.endpoint_stats.ops.plugins.module_utils._search.checks import CHECKS

from tests.unit.plugins.module_utils._search import fake
from tests.unit.plugins.module_utils._search.fake import LIMITS, elasticsearch_root, healthy, opensearch_root, serving

NO_MASTER = (503, {"error": {"type": "master_not_discovered_exception", "reason": None}, "status": 503})
NO_MANAGER = (503, {"error": {"type": "cluster_manager_not_discovered_exception", "reason": None}, "status": 503})
# Which checks one endpoint is behind.
BEHIND = {
    "/_cluster/health": {"health"},
    "/_nodes": {"nodes", "disk"},
    fake.STATS: {"nodes", "disk"},
    fake.SETTINGS: {"settings", "disk"},
    fake.BLOCKS: {"blocks"},
    "/_health_report": {"health_report"},
}
SHAPES = {
    "elasticsearch 7": elasticsearch_root("7.17.29"),
    "elasticsearch 8.6": elasticsearch_root("8.6.2"),
    "elasticsearch 8": elasticsearch_root("8.19.21"),
    "elasticsearch 9": elasticsearch_root("9.5.3"),
    "opensearch 1": opensearch_root("1.3.20"),
    "opensearch 2": opensearch_root("2.19.1"),
    "opensearch 3": opensearch_root("3.8.0"),
}


def found(part: Part) -> dict[str, str]:
    return {finding.id: finding.severity for finding in part.findings}


def evidence(part: Part, identity: str) -> str:
    return next(finding.evidence for finding in part.findings if finding.id == identity)


def states(part: Part, state: str) -> set[str]:
    return {name for name, covered in part.data["coverage"].items() if covered["state"] == state}


def verdict(part: Part) -> str:
    made = merge({"search": part.to_dict()}, taken_at="2026-11-24T06:00:00Z", cluster="lab", namespace="endpoint-stats")
    return str(made["parts"]["search"]["state"])


@pytest.mark.parametrize("root", SHAPES.values(), ids=SHAPES.keys())
def test_a_good_day_has_no_findings_and_only_get_is_ever_sent(root: dict[str, Any]) -> None:
    with serving(healthy(root)) as engine:
        part = engine.look()
    assert (found(part), part.reason, verdict(part)) == ({}, "", "healthy")
    assert states(part, "could_not_check") == set()
    assert {(request.method, request.body_bytes) for request in engine.asked} == {("GET", 0)}
    assert len(engine.asked) <= len(CHECKS)


@pytest.mark.parametrize("root", SHAPES.values(), ids=SHAPES.keys())
def test_on_a_bad_day_too(root: dict[str, Any]) -> None:
    rows = [{"index": "logs", "shard": "0", "prirep": "p", "state": "UNASSIGNED"}]
    answers = {"/_cluster/health": fake.health(status="red", unassigned_shards=1), "/_cat/shards": rows, fake.EXPLAIN: (500, "oops")}
    with serving(healthy(root, **answers)) as engine:
        part = engine.look()
    assert found(part) == {"search_status_red": "critical", "search_shards_unassigned_unexplained": "critical"}
    assert states(part, "could_not_check") == {"shards"}
    assert {(request.method, request.body_bytes) for request in engine.asked} == {("GET", 0)}


def test_the_engines_own_report_is_asked_for_where_there_is_one() -> None:
    asked = {}
    for name, root in SHAPES.items():
        with serving(healthy(root)) as engine:
            state = engine.look().data["coverage"]["health_report"]["state"]
        asked[name] = ("/_health_report" in engine.paths(), state)
    without = (False, "not_applicable")
    assert asked == {name: (True, "checked") if name in ("elasticsearch 8", "elasticsearch 9") else without for name in SHAPES}


def test_the_wait_for_an_elected_node_is_shorter_than_ours_and_has_the_name_of_its_version() -> None:
    names = {}
    for name, root in SHAPES.items():
        with serving(healthy(root)) as engine:
            engine.look(timeout_seconds=3)
        asked = next(request.parameters for request in engine.asked if request.path == "/_cluster/health")
        names[name] = asked
    new = {"timeout": "2s", "cluster_manager_timeout": "2s"}
    old = {"timeout": "2s", "master_timeout": "2s"}
    assert names == {name: new if name in ("opensearch 2", "opensearch 3") else old for name in SHAPES}


@pytest.mark.parametrize("answer", [(403, {"error": {"type": "security_exception", "reason": "no permissions"}}), (404, {}), (500, "x")])
@pytest.mark.parametrize("path", BEHIND)
def test_an_endpoint_that_is_refused_costs_its_own_checks_and_health(path: str, answer: tuple[int, Any]) -> None:
    with serving(healthy(**{path: answer})) as engine:
        part = engine.look()
    assert states(part, "could_not_check") == BEHIND[path]
    assert states(part, "checked") == set(CHECKS) - BEHIND[path]
    assert f"HTTP {answer[0]}" in part.reason
    assert verdict(part) == "could_not_check"


@pytest.mark.parametrize("answer", ["<html>Sign in</html>", "[]", "{}", '{"nodes": 3, "indicators": 3, "status": 7}'])
@pytest.mark.parametrize("path", sorted(set(BEHIND) - {fake.BLOCKS}))
def test_an_answer_that_nobody_knows_is_not_healthy(path: str, answer: str) -> None:
    with serving(healthy(**{path: (200, answer)})) as engine:
        part = engine.look()
    assert states(part, "could_not_check") & BEHIND[path]
    assert verdict(part) == "could_not_check"


def test_a_question_that_is_not_answered_in_time_costs_its_own_check() -> None:
    asked_long_enough = threading.Event()
    with serving(healthy(**{fake.BLOCKS: lambda _parameters: asked_long_enough.wait(30)})) as engine:
        part = engine.look(timeout_seconds=1)
        asked_long_enough.set()
    assert states(part, "could_not_check") == {"blocks"}
    assert "timed out" in part.reason


def test_without_a_master_nothing_that_is_remembered_is_believed() -> None:
    lost = {"master_is_stable": ("red", "No master node observed in the last 30s"), "disk": ("unknown", "No disk usage data.")}
    with serving(healthy(**{"/_cluster/health": NO_MASTER, "/_health_report": fake.indicators(**lost)})) as engine:
        part = engine.look()
    assert found(part) == {"search_no_elected_master": "critical"}
    said = evidence(part, "search_no_elected_master")
    assert "GET /_cluster/health: HTTP 503: master_not_discovered_exception" in said
    assert "GET /_health_report answers all the same: No master node observed" in said
    assert states(part, "checked") == {"engine", "nodes"}
    assert "of its indicators disk is unknown" in part.reason
    assert not {fake.SETTINGS, "/_cat/shards", fake.BLOCKS} & set(engine.paths())


def test_opensearch_without_a_cluster_manager_says_the_same() -> None:
    with serving(healthy(opensearch_root("2.19.1"), **{"/_cluster/health": NO_MANAGER})) as engine:
        part = engine.look()
    assert found(part) == {"search_no_elected_master": "critical"}
    assert states(part, "checked") == {"engine", "nodes"}


def test_a_proxy_that_is_overloaded_is_no_lost_quorum() -> None:
    with serving(healthy(**{"/_cluster/health": (503, "<h1>Service Unavailable</h1>")})) as engine:
        part = engine.look()
    assert found(part) == {}
    assert states(part, "could_not_check") == {"health"}


def test_shards_are_asked_for_when_the_health_is_not_known() -> None:
    rows = [{"index": "logs", "shard": "0", "prirep": "r", "state": "UNASSIGNED"}]
    with serving(healthy(**{"/_cluster/health": (403, ""), "/_cat/shards": rows, fake.EXPLAIN: (404, "")})) as engine:
        part = engine.look()
    assert found(part) == {"search_shards_unassigned_unexplained": "warning"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"status": "yellow", "unassigned_shards": 0, "initializing_shards": 1}, {"search_status_yellow": "warning"}),
        ({"status": "purple"}, {"search_status_purple": "critical"}),
        ({"timed_out": True}, {"search_health_timed_out": "warning"}),
        ({"number_of_pending_tasks": 3, "task_max_waiting_in_queue_millis": 29_999}, {}),
        ({"number_of_pending_tasks": 3, "task_max_waiting_in_queue_millis": 30_000}, {"search_tasks_pending": "warning"}),
        ({"number_of_pending_tasks": 3, "task_max_waiting_in_queue_millis": 300_000}, {"search_tasks_pending": "critical"}),
        ({"number_of_nodes": 1}, {"search_nodes_missing": "critical"}),
        ({"number_of_nodes": 3}, {}),
    ],
)
def test_the_health_is_judged(changes: dict[str, Any], expected: dict[str, str]) -> None:
    with serving(healthy(**{"/_cluster/health": fake.health(**changes)})) as engine:
        part = engine.look(replace(LIMITS, expected_nodes=2))
    assert found(part) == expected


@pytest.mark.parametrize(
    ("path", "answer", "expected"),
    [
        ("/_nodes", fake.node_info(a="8.19.20", b="8.19.21"), {"search_versions_mixed": "warning"}),
        (fake.STATS, fake.node_stats("a", "b", heap=84), {}),
        (fake.STATS, fake.node_stats("a", "b", heap=85), {"search_heap_high": "warning"}),
        (fake.STATS, fake.node_stats("a", "b", heap=95), {"search_heap_high": "critical"}),
        (fake.STATS, fake.node_stats("a", "b", cpu=94), {}),
        (fake.STATS, fake.node_stats("a", "b", cpu=95), {"search_cpu_busy": "info"}),
        (fake.STATS, fake.node_stats("a", "b", cpu=-1), {}),
        (fake.SETTINGS, fake.settings(cluster__routing__allocation__enable="primaries"), {"search_allocation_limited": "warning"}),
        (fake.SETTINGS, fake.settings(cluster__blocks__read_only="true"), {"search_cluster_read_only": "critical"}),
        (fake.SETTINGS, fake.settings(cluster__blocks__create_index="true"), {"search_create_index_blocked": "warning"}),
        (fake.BLOCKS, {"old": {"settings": {"index.blocks.write": "true"}}}, {}),
        (fake.BLOCKS, {"old": {"settings": {"index.blocks.read_only": "true"}}}, {"search_indices_set_read_only": "info"}),
        (fake.BLOCKS, {"old": {"settings": {"index.blocks.read_only_allow_delete": "false"}}}, {}),
        ("/_health_report", fake.indicators(slm=("yellow", "Snapshots fail.")), {"search_indicator_slm": "warning"}),
        ("/_health_report", fake.indicators(master_is_stable=("red", "It changes.")), {"search_indicator_master_is_stable": "critical"}),
    ],
)
def test_what_is_seen_is_judged(path: str, answer: Any, expected: dict[str, str]) -> None:
    with serving(healthy(**{path: answer})) as engine:
        part = engine.look()
    assert (found(part), part.reason) == (expected, "")


def test_nodes_that_do_not_answer_are_a_finding_and_a_gap() -> None:
    stats = {**fake.node_stats("a"), "_nodes": {"failed": 1}}
    with serving(healthy(**{fake.STATS: stats})) as engine:
        part = engine.look()
    assert found(part) == {"search_nodes_silent": "warning"}
    assert states(part, "could_not_check") == {"nodes", "disk"}
    assert "b did not tell how full the disk is" in part.reason


def test_an_indicator_that_does_not_know_is_not_healthy() -> None:
    with serving(healthy(**{"/_health_report": fake.indicators(disk=("unknown", "No data."))})) as engine:
        part = engine.look()
    assert (found(part), states(part, "could_not_check"), verdict(part)) == ({}, {"health_report"}, "could_not_check")


def test_what_our_findings_say_is_not_said_twice() -> None:
    full = {fake.STATS: fake.node_stats("a", "b", available=1), "/_health_report": fake.indicators(disk=("red", "Full."))}
    with serving(healthy(**full)) as engine:
        part = engine.look()
    assert set(found(part)) == {"search_disk_flood_stage"}


def test_ones_own_limits_judge_disks_whose_watermarks_are_not_known() -> None:
    with serving(healthy(**{fake.SETTINGS: (403, "")})) as engine:
        part = engine.look(replace(LIMITS, disk=Threshold(50, 90)))
    assert found(part) == {"search_disk_full": "warning"}
    assert "the watermarks are not known" in part.reason


def test_an_engine_that_serves_nobody_is_down() -> None:
    with serving({"/": (503, "OpenSearch Security not initialized.")}) as engine:
        part = engine.look()
    assert found(part) == {"search_does_not_answer": "critical"}
    assert states(part, "could_not_check") == set(CHECKS)
    assert part.reason.endswith("HTTP 503: OpenSearch Security not initialized.")


def test_who_has_no_name_or_is_refused_is_not_known_to_be_down() -> None:
    with serving({"/": (401, "Unauthorized")}) as engine:
        part = engine.look(LIMITS, "http://search.nowhere.invalid:9200")
    assert (found(part), verdict(part)) == ({}, "could_not_check")
    assert "has no address" in part.reason
    assert "HTTP 401: Unauthorized" in part.reason


def test_one_address_of_several_without_an_answer_is_a_finding() -> None:
    with serving(healthy()) as engine:
        part = engine.look(LIMITS, "http://search.nowhere.invalid:9200")
    assert (found(part), part.reason) == ({"search_address_does_not_answer": "warning"}, "")
    assert [entry["answers"] for entry in part.data["addresses"]] == [False, True]


def test_what_answers_and_is_no_engine_says_nothing() -> None:
    with serving({"/": {"name": "quickwit", "version": {"number": "0.8"}}}) as engine:
        part = engine.look()
    assert (found(part), "neither Elasticsearch nor OpenSearch" in part.reason) == ({}, True)


def test_credentials_go_to_the_engine_and_not_where_it_points(tmp_path: Path) -> None:
    (tmp_path / "username").write_text("monitoring\n")
    (tmp_path / "password").write_text("Planted-pässword:%\n", encoding="utf-8")
    with serving(healthy()) as other, serving(healthy()) as engine:
        engine.answers[fake.BLOCKS] = (302, f"{other.url}{fake.BLOCKS}")
        part = engine.look(credentials_dir=str(tmp_path))
    expected = f"Basic {base64.b64encode('monitoring:Planted-pässword:%'.encode()).decode()}"
    assert {request.authorization for request in engine.asked} == {expected}
    assert other.asked == []
    assert states(part, "could_not_check") == {"blocks"}
    assert "Planted" not in str(part)


def test_credentials_that_are_not_there_are_a_reason(tmp_path: Path) -> None:
    with serving(healthy()) as engine:
        part = engine.look(credentials_dir=str(tmp_path))
    assert (engine.asked, part.findings, states(part, "could_not_check")) == ([], [], set(CHECKS))
    assert part.reason.startswith("The credentials could not be read")


@pytest.mark.parametrize("changes", [{"shown": 0}, {"expected_nodes": -1}])
def test_limits_that_cannot_be_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(OpsError, match="at least"):
        replace(LIMITS, **changes)
