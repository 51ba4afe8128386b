# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

from ansible_collections.endpoint_stats.ops.plugins.module_utils._kubernetes.edges import Edge, Judgement, judge, pods_of

NAMESPACES: dict[str, dict[str, str]] = {"shop": {}}
WEB = {"namespace": "shop", "app": "web"}
STORE = {"namespace": "shop", "app": "store"}
STRANGER = {"namespace": "shop", "labels": {"app": "stranger"}}


def workload(kind: str, app: str, *ports: dict[str, Any]) -> dict[str, Any]:
    pod = {"template": {"metadata": {"labels": {"app": app}}, "spec": {"containers": [{"ports": list(ports)}]}}}
    spec = {"jobTemplate": {"spec": pod}} if kind == "CronJob" else pod
    return {"kind": kind, "metadata": {"name": app, "namespace": "shop"}, "spec": spec}


WORKLOADS = pods_of(
    [
        workload("Deployment", "web"),
        workload("StatefulSet", "store", {"name": "sql", "containerPort": 5432}, {"containerPort": 9}),
        workload("CronJob", "nightly"),
        {"kind": "ConfigMap", "metadata": {"name": "web", "namespace": "shop"}},
    ]
)
STORE_FROM_WEB = {
    "metadata": {"name": "store", "namespace": "shop"},
    "spec": {
        "podSelector": {"matchLabels": {"app": "store"}},
        "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": "sql"}]}],
    },
}


def judged(*edges: Edge, policies: tuple[dict[str, Any], ...] = (STORE_FROM_WEB,)) -> Judgement:
    return judge(edges, policies, NAMESPACES, WORKLOADS)


def test_the_pods_of_workloads_are_read_from_their_templates() -> None:
    assert [(pod.name, dict(pod.ports)) for pod in WORKLOADS] == [
        ("shop/Deployment/web", {}),
        ("shop/StatefulSet/store", {"sql": 5432}),
        ("shop/CronJob/nightly", {}),
    ]


def test_edges_that_are_as_they_must_be_hold() -> None:
    outcome = judged(
        Edge(WEB, STORE, 5432, "TCP", True),
        Edge(STRANGER, STORE, 5432, "TCP", False),
        Edge({"address": "203.0.113.7"}, STORE, 5432, "TCP", False),
    )
    assert outcome.to_dict() == {
        "held": ["shop/web -> shop/store:5432/TCP", "shop/app=stranger -> shop/store:5432/TCP", "203.0.113.7 -> shop/store:5432/TCP"],
        "broken": [],
        "absent": [],
    }


def test_an_edge_that_is_closed_names_the_policy_in_its_way() -> None:
    outcome = judged(Edge(WEB, STORE, 9, "TCP", True))
    assert outcome.broken == [
        {
            "edge": "shop/web -> shop/store:9/TCP",
            "must": "be allowed",
            "connections": ["shop/Deployment/web -> shop/StatefulSet/store"],
            "blockers": ["ingress of shop/StatefulSet/store: store"],
        }
    ]


def test_an_edge_that_is_open_is_named() -> None:
    outcome = judged(Edge(WEB, STORE, 5432, "TCP", False))
    assert [(item["must"], item["blockers"]) for item in outcome.broken] == [("be denied", [])]


def test_an_edge_of_a_workload_that_is_not_there_is_neither_held_nor_broken() -> None:
    outcome = judged(Edge({"namespace": "shop", "app": "weekly"}, STORE, 5432, "TCP", True))
    assert (outcome.held, outcome.broken, outcome.absent) == ([], [], ["shop/weekly -> shop/store:5432/TCP"])


def test_an_ip_block_counts_as_it_is_worse_for_the_edge() -> None:
    from_pods = {"spec": {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]}}
    policies = ({**from_pods, "metadata": {"name": "block", "namespace": "shop"}},)
    outcome = judged(Edge(WEB, STORE, 5432, "TCP", True), Edge(WEB, STORE, 5432, "TCP", False), policies=policies)
    assert [item["must"] for item in outcome.broken] == ["be allowed", "be denied"]
