# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._app_stack.plan import (
    Found,
    Wanted,
    cluster_failures,
    grown_claims,
    inventory_failures,
    storage_class,
)

IMAGE = "images.example.net/endpoint-stats/postgresql@sha256:" + "a" * 64
WANTED: dict[str, Any] = {
    "cluster": "demo",
    "namespace": "endpoint-stats",
    "ops_hosts": ["ops-runner-0"],
    "images": {"postgresql": IMAGE},
    "required_images": ["postgresql"],
    "storage_class": "",
    "claims": [{"name": "postgres-data", "size": "10Gi"}],
    "workloads": [{"name": "Redis", "resources": {"requests": {"memory": "256Mi", "cpu": "100m"}, "limits": {"memory": "256Mi"}}}],
    "secrets": ["postgres_api"],
    "known_secrets": ["postgres_api", "redis_api"],
}
OURS = {"metadata": {"labels": {"app.kubernetes.io/part-of": "endpoint-stats"}}}
FOUND: dict[str, Any] = {
    "cluster": "demo",
    "namespace": OURS,
    "storage_classes": [
        {"metadata": {"name": "local", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}},
        {"metadata": {"name": "network"}, "allowVolumeExpansion": True},
    ],
    "claims": {"postgres-data": {"spec": {"storageClassName": "local", "resources": {"requests": {"storage": "10Gi"}}}}},
}


def claim(storage: str, name: str = "local") -> dict[str, Any]:
    return {"postgres-data": {"spec": {"storageClassName": name, "resources": {"requests": {"storage": storage}}}}}


def inventory(**changed: Any) -> list[str]:
    return [f"{item['subject']} {item['summary']}" for item in inventory_failures(Wanted(**{**WANTED, **changed}))]


def cluster(wanted: dict[str, Any] | None = None, **changed: Any) -> list[str]:
    failures = cluster_failures(Wanted(**{**WANTED, **(wanted or {})}), Found(**{**FOUND, **changed}))
    return [f"{item['subject']} {item['summary']}" for item in failures]


def test_nothing_stands_against_a_good_inventory() -> None:
    assert inventory() == []
    assert cluster() == []
    assert cluster(namespace=None, claims={}) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"cluster": ""}, "endpoint_stats_cluster is empty"),
        ({"ops_hosts": []}, "the group ops must have exactly one host, it has none"),
        ({"ops_hosts": ["a", "b"]}, "the group ops must have exactly one host, it has a, b"),
        ({"images": {}}, "app_stack_images.postgresql is missing"),
        ({"images": {"postgresql": "x/postgresql:15"}}, "app_stack_images.postgresql x/postgresql:15 is not named by digest"),
        ({"images": {"postgresql": IMAGE, "postgres": IMAGE}}, "app_stack_images.postgres is an image that nothing runs"),
        ({"secrets": ["postgres_apii"]}, "app_stack_secrets.postgres_apii is a secret that nothing reads"),
        ({"claims": [{"name": "redis-data", "size": "5GB"}]}, "the size of claim redis-data '5GB' is no Kubernetes quantity"),
        (
            {"workloads": [{"name": "Redis", "resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": "512Mi"}}}]},
            "Redis, memory has limit 512Mi below its request 1Gi",
        ),
        ({"workloads": [{"name": "Redis", "resources": {"requests": {"memory": "1Gi"}}}]}, "Redis, memory has no limit"),
        (
            {"numbers": [{"name": "connections", "value": 100, "minimum": 140, "remedy": "Raise it."}]},
            "connections is 100, at least 140 is needed",
        ),
    ],
)
def test_what_is_wrong_with_the_inventory_is_named(changed: dict[str, Any], words: str) -> None:
    (found,) = inventory(**changed)
    assert words in found


def test_all_reasons_come_at_once() -> None:
    assert len(inventory(cluster="", ops_hosts=[], images={})) == 3
    assert len(cluster(cluster="other", storage_classes=[], claims={}, namespace={"metadata": {}})) == 3


@pytest.mark.parametrize(
    ("wanted", "found", "words"),
    [
        ({}, {"cluster": "other"}, "calls itself other, the inventory means demo"),
        ({}, {"cluster": ""}, "calls itself nothing"),
        ({}, {"namespace": {"metadata": {"labels": {"app.kubernetes.io/part-of": "shop"}}}}, "belongs to shop"),
        ({}, {"namespace": {"metadata": {**OURS["metadata"], "deletionTimestamp": "2026-01-01"}}}, "is being deleted"),
        ({"storage_class": "fast"}, {"claims": {}}, "app_stack_storage_class fast does not exist"),
        ({}, {"storage_classes": [{"metadata": {"name": "a"}}], "claims": {}}, "the storage has no default class"),
        ({"storage_class": "network"}, {}, "a class cannot be changed in place"),
        ({}, {"claims": claim("20Gi")}, "a volume cannot shrink"),
        ({}, {"claims": claim("5Gi")}, "its storage class local does not expand volumes"),
    ],
)
def test_what_the_cluster_stands_against_is_named(wanted: dict[str, Any], found: dict[str, Any], words: str) -> None:
    (failure,) = cluster(wanted, **found)
    assert words in failure


def test_a_claim_grows_where_its_class_can() -> None:
    found = Found(**{**FOUND, "claims": claim("5Gi", "network")})
    assert list(cluster_failures(Wanted(**WANTED), found)) == []
    assert grown_claims(Wanted(**WANTED), found) == ["postgres-data"]
    assert grown_claims(Wanted(**WANTED), Found(**FOUND)) == []


def test_the_default_class_is_taken_unless_one_is_named() -> None:
    assert storage_class(Wanted(**WANTED), Found(**FOUND)) == "local"
    assert storage_class(Wanted(**{**WANTED, "storage_class": "network"}), Found(**FOUND)) == "network"
