# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._kubernetes.network_policy import (
    Address,
    Connection,
    Network,
    Pod,
    matches,
)

NAMESPACES = {"shop": {"team": "a"}, "watch": {}}
WEB = Pod("web", "shop", {"app": "web", "tier": "front"}, {"http": 8080})
STORE = Pod("store", "shop", {"app": "store"}, {"sql": 5432}, "10.244.0.9")
SCRAPER = Pod("scraper", "watch", {"app": "scraper"})
OUTSIDE = Address("203.0.113.7")


def policy(selector: dict[str, Any] | None = None, *, namespace: str = "shop", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p", "namespace": namespace}, "spec": {"podSelector": selector or {}, **spec}}


def allows(policies: list[dict[str, Any]], source: Any, target: Any, port: int = 5432, protocol: str = "TCP", **how: Any) -> bool:
    return Network(policies, NAMESPACES, **how).allows(Connection(source, target, port, protocol))


def of_store(**rule: Any) -> list[dict[str, Any]]:
    return [policy({"matchLabels": {"app": "store"}}, policyTypes=["Ingress"], ingress=[rule])]


def test_without_policies_everything_is_open() -> None:
    assert allows([], WEB, STORE)
    assert allows([], OUTSIDE, STORE)


def test_a_policy_without_rules_closes_its_directions_for_its_pods_only() -> None:
    closed = [policy({"matchLabels": {"app": "store"}}, policyTypes=["Ingress"])]
    assert not allows(closed, WEB, STORE)
    assert allows(closed, STORE, WEB)
    assert allows([policy(namespace="watch", policyTypes=["Ingress", "Egress"])], WEB, STORE)


def test_the_directions_follow_from_the_rules_where_they_are_not_said() -> None:
    assert not allows([policy({"matchLabels": {"app": "store"}})], WEB, STORE)
    egress = [policy({"matchLabels": {"app": "store"}}, egress=[{"ports": [{"port": 53}]}])]
    assert not allows(egress, STORE, WEB)
    assert not allows(egress, WEB, STORE)


def test_both_sides_must_agree() -> None:
    ingress = of_store(**{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]})
    assert allows(ingress, WEB, STORE)
    assert not allows([*ingress, policy({"matchLabels": {"app": "web"}}, policyTypes=["Egress"])], WEB, STORE)


def test_policies_add_up() -> None:
    assert allows([policy(policyTypes=["Ingress"]), *of_store()], WEB, STORE)


@pytest.mark.parametrize(
    ("peer", "source", "answer"),
    [
        ({"podSelector": {"matchLabels": {"app": "web"}}}, WEB, True),
        ({"podSelector": {"matchLabels": {"app": "scraper"}}}, SCRAPER, False),
        ({"namespaceSelector": {}}, SCRAPER, True),
        ({"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "other"}}}, SCRAPER, False),
        ({"namespaceSelector": {"matchLabels": {"team": "a"}}}, SCRAPER, False),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "new"}}}, Pod("first", "new", {}), True),
        ({"namespaceSelector": {}}, OUTSIDE, False),
        ({"ipBlock": {"cidr": "203.0.113.0/24"}}, OUTSIDE, True),
        ({"ipBlock": {"cidr": "203.0.113.0/24", "except": ["203.0.113.7/32"]}}, OUTSIDE, False),
        ({"ipBlock": {"cidr": "0.0.0.0/0"}}, WEB, False),
    ],
)
def test_peers(peer: dict[str, Any], source: Any, answer: bool) -> None:
    assert allows(of_store(**{"from": [peer]}), source, STORE) is answer


def test_whether_an_ip_block_means_pods_is_the_callers_choice() -> None:
    block = of_store(**{"from": [{"ipBlock": {"cidr": "10.244.0.0/16"}}]})
    assert allows(block, WEB, STORE, ip_blocks_mean_pods=True)
    assert not allows(block, WEB, STORE)
    elsewhere = Pod("web", "shop", {}, address="10.9.0.1")
    assert not allows(block, elsewhere, STORE, ip_blocks_mean_pods=True)


@pytest.mark.parametrize(
    ("entry", "port", "protocol", "answer"),
    [
        ({"port": 5432}, 5432, "TCP", True),
        ({"port": 5432}, 5433, "TCP", False),
        ({"port": 5432}, 5432, "UDP", False),
        ({"protocol": "UDP", "port": 53}, 53, "UDP", True),
        ({"protocol": "UDP"}, 9, "UDP", True),
        ({"port": 5000, "endPort": 6000}, 5432, "TCP", True),
        ({"port": 5000, "endPort": 5431}, 5432, "TCP", False),
        ({"port": "sql"}, 5432, "TCP", True),
        ({"port": "http"}, 5432, "TCP", False),
    ],
)
def test_ports(entry: dict[str, Any], port: int, protocol: str, answer: bool) -> None:
    assert allows(of_store(ports=[entry]), WEB, STORE, port, protocol) is answer


def test_a_named_port_of_an_address_is_none() -> None:
    egress = [policy(policyTypes=["Egress"], egress=[{"ports": [{"port": "https"}]}])]
    assert not allows(egress, WEB, OUTSIDE, 443)


@pytest.mark.parametrize(
    ("selector", "answer"),
    [
        (None, True),
        ({}, True),
        ({"matchLabels": {"app": "web", "tier": "back"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "api"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, False),
        ({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "zone", "operator": "Exists"}]}, False),
    ],
)
def test_selectors(selector: dict[str, Any] | None, answer: bool) -> None:
    assert matches(selector, WEB.labels) is answer


def test_the_policies_in_the_way_are_named() -> None:
    closed = Network([policy(policyTypes=["Ingress", "Egress"])], NAMESPACES)
    assert closed.blockers(Connection(WEB, STORE, 5432)) == ["egress of web: p", "ingress of store: p"]
