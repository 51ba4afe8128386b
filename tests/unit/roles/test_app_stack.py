# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects that the role app_stack makes, as its templates make them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.filter.quantity import FilterModule
from ansible_collections.endpoint_stats.ops.plugins.module_utils._kubernetes.edges import Edge, judge, pods_of

from tests.unit.roles.rendered import rendered

quantity = FilterModule().filters()["quantity"]

IMAGES = {
    name: f"images.example.net/endpoint-stats/{name}@sha256:{index:064x}"
    for index, name in enumerate(("api", "postgresql", "redis", "ops_runner", "proxy"), start=1)
}
OBJECTS = [
    "policies.yaml.j2",
    "quota.yaml.j2",
    "ops_runner.yaml.j2",
    "service_account.yaml.j2",
    "migration.yaml.j2",
    "api.yaml.j2",
    "proxy.yaml.j2",
]
VARIABLES = {
    "app_stack_images": IMAGES,
    "app_stack_cluster": "example",
    "app_stack_ingress_kind": "proxy",
    "app_stack_policies_api_server": [{"cidr": "192.0.2.11/32", "port": 6443}],
    "__app_stack_mounted": {"resources": [{"metadata": {"name": "postgres-api", "resourceVersion": "41"}}]},
}
NAMESPACES: dict[str, dict[str, str]] = {name: {} for name in ("endpoint-stats", "ingress", "kube-system", "default", "monitoring")}


def store(name: str, port: str, number: int) -> dict[str, Any]:
    """What is judged of a store: its labels and its port."""
    container = {"name": name, "ports": [{"name": port, "containerPort": number}]}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
    return {"kind": "StatefulSet", "metadata": {"name": name, "namespace": "endpoint-stats"}, "spec": {"template": template}}


STORES = [store("postgres", "postgresql", 5432), store("redis", "redis", 6379)]


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    return rendered("app_stack", [*OBJECTS, "edges.yml.j2"], VARIABLES, tmp_path_factory.mktemp("rendered"))


@pytest.fixture(scope="module")
def objects(documents: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    return [document for name in OBJECTS for document in documents[name]]


@pytest.fixture(scope="module")
def policies(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [document for document in objects if document["kind"] == "NetworkPolicy"]


@pytest.fixture(scope="module")
def edges(documents: Mapping[str, list[Any]]) -> list[Edge]:
    return [Edge(**edge) for edge in documents["edges.yml.j2"][0]]


def pod_specs(objects: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for item in objects:
        spec = item.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            yield f"{item['kind']}/{item['metadata']['name']}", spec["template"]["spec"]


def containers(objects: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, spec in pod_specs(objects):
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            yield f"{name}/{container['name']}", container


def test_every_edge_is_as_it_must_be(policies: list[dict[str, Any]], objects: list[dict[str, Any]], edges: list[Edge]) -> None:
    judged = judge(edges, policies, NAMESPACES, pods_of([*objects, *STORES]))
    assert judged.broken == []
    assert judged.absent == []
    assert len(judged.held) == len(edges) > 60


def test_without_any_one_policy_an_edge_is_wrong(policies: list[dict[str, Any]], objects: list[dict[str, Any]], edges: list[Edge]) -> None:
    workloads = pods_of([*objects, *STORES])
    idle = [
        policy["metadata"]["name"]
        for index, policy in enumerate(policies)
        if not judge(edges, [*policies[:index], *policies[index + 1 :]], NAMESPACES, workloads).broken
    ]
    assert idle == []
    assert len(policies) > 10


def less_by_one(policy: dict[str, Any], direction: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The policy without each of its peers and ports in turn; the last one of its kind leaves everything open."""
    rules = policy["spec"].get(direction) or []
    for number, rule in enumerate(rules):
        for key, entries in rule.items():
            for part, entry in enumerate(entries):
                less = {**rule, key: [*entries[:part], *entries[part + 1 :]]}
                spec = {**policy["spec"], direction: [*rules[:number], less, *rules[number + 1 :]]}
                yield f"{policy['metadata']['name']} {direction} {entry}", {**policy, "spec": spec}


@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_without_any_one_peer_or_port_an_edge_is_judged_otherwise(
    direction: str, policies: list[dict[str, Any]], objects: list[dict[str, Any]], edges: list[Edge]
) -> None:
    """One direction alone, since the other one would hide that a rule has become too wide."""
    alone = [
        {**policy, "spec": {**policy["spec"], "policyTypes": [direction.capitalize()]}}
        for policy in policies
        if direction.capitalize() in policy["spec"]["policyTypes"]
    ]
    workloads = pods_of([*objects, *STORES])
    whole = judge(edges, alone, NAMESPACES, workloads).broken
    idle = [
        words
        for index, policy in enumerate(alone)
        for words, mutant in less_by_one(policy, direction)
        if judge(edges, [*alone[:index], mutant, *alone[index + 1 :]], NAMESPACES, workloads).broken == whole
    ]
    # No pod has a port of this name yet; exporters will.
    assert idle == [entry for entry in idle if entry == "scrapes ingress {'port': 'metrics', 'protocol': 'TCP'}"]


def test_no_container_has_what_it_does_not_need(objects: list[dict[str, Any]]) -> None:
    found = dict(containers(objects))
    assert len(found) == 6
    for name, container in found.items():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}, name
        assert "memory" in container["resources"]["limits"], name
        assert "@sha256:" in container["image"], name
    for name, spec in pod_specs(objects):
        assert spec["securityContext"]["runAsNonRoot"], name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["automountServiceAccountToken"] is False, name


def test_a_secret_is_mounted_only_where_it_is_used(objects: list[dict[str, Any]]) -> None:
    mounted = {
        name: sorted(volume["secret"]["secretName"] for volume in spec.get("volumes", []) if "secret" in volume)
        for name, spec in pod_specs(objects)
    }
    assert mounted == {
        "StatefulSet/ops-runner": ["postgres-backup", "postgres-maintenance", "postgres-monitoring", "redis-monitoring", "redis-ops"],
        "Job/flask-api-migration-000000000000": ["postgres-owner"],
        "Deployment/flask-api": ["postgres-api", "redis-api"],
        "CronJob/flask-api-partitions": ["postgres-maintenance"],
        "Deployment/proxy": [],
    }


def test_every_object_says_whose_it_is(objects: list[dict[str, Any]]) -> None:
    for item in objects:
        labels = item["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "endpoint-stats", item
        assert labels["app.kubernetes.io/managed-by"] == "endpoint-stats-ops", item
        assert labels["app.kubernetes.io/name"], item


def test_the_number_of_pods_belongs_to_the_autoscaler(objects: list[dict[str, Any]]) -> None:
    (api,) = [item for item in objects if (item["kind"], item["metadata"]["name"]) == ("Deployment", "flask-api")]
    assert "replicas" not in api["spec"]
    assert api["spec"]["template"]["metadata"]["annotations"]["endpoint-stats/secrets"] == "postgres-api=41 redis-api=none"


def test_the_quota_has_room_for_everything_at_once(objects: list[dict[str, Any]]) -> None:
    (quota,) = [item for item in objects if item["kind"] == "ResourceQuota"]
    hard = {name: quantity(value) for name, value in quota["spec"]["hard"].items()}
    api = next(container for name, container in containers(objects) if name == "Deployment/flask-api/api")["resources"]
    assert hard["pods"] >= 6 + 2 + 1 + 4 + 1
    assert hard["limits.memory"] > 6 * quantity(api["limits"]["memory"])
    assert hard["requests.memory"] <= hard["limits.memory"]
    assert hard["persistentvolumeclaims"] == 6


@pytest.mark.parametrize("cidr", ["198.51.100.9/32", "0.0.0.0/0"])
def test_copies_elsewhere_are_reached_by_those_who_make_them(cidr: str, tmp_path: Path) -> None:
    """By ops-runner and whoever has the label, on the port of the service; the Secret is mounted, and not waited for."""
    elsewhere = {"remote": "archive:backups", "secret": "rclone", "endpoints": [{"cidr": cidr, "port": 443}]}
    given = {"endpoint_stats_offsite": elsewhere, "endpoint_stats_backup_secrets": {"backup-keys": "keys"}}
    found = rendered("app_stack", [*OBJECTS, "edges.yml.j2"], {**VARIABLES, **given}, tmp_path)
    (listed,) = found.pop("edges.yml.j2")
    every = [item for documents in found.values() for item in documents]
    policies = [item for item in every if item["kind"] == "NetworkPolicy"]
    edges, workloads = [Edge(**edge) for edge in listed], pods_of([*every, *STORES])
    assert judge(edges, policies, NAMESPACES, workloads).broken == []
    without = [policy for policy in policies if policy["metadata"]["name"] != "offsite-clients"]
    assert len(without) == len(policies) - 1
    assert judge(edges, without, NAMESPACES, workloads).broken != []
    spec = next(spec for name, spec in pod_specs(every) if name == "StatefulSet/ops-runner")
    optional = {volume["name"]: volume["secret"] for volume in spec["volumes"] if volume.get("secret", {}).get("optional")}
    assert optional == {name: {"secretName": name, "defaultMode": 288, "optional": True} for name in ("rclone", "keys")}
    mounts = {mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"] if mount["name"] in optional}
    assert mounts == {f"/run/secrets/endpoint-stats/{directory}" for directory in ("offsite", "backup-keys")}
    (inventory,) = (item["data"]["hosts.yml"] for item in every if item["metadata"]["name"] == "ops-inventory")
    assert "remote: archive:backups" in inventory


def test_without_copies_elsewhere_there_is_nothing_of_them(objects: list[dict[str, Any]]) -> None:
    assert "offsite" not in str(objects)


def test_an_endpoint_of_the_api_server_is_found(tmp_path_factory: pytest.TempPathFactory) -> None:
    living = {"resources": [{"endpoints": [{"addresses": ["192.0.2.11"]}, {"addresses": ["2001:db8::1"]}], "ports": [{"port": 6443}]}]}
    found = rendered("app_stack", ["api_server.json.j2"], {"__app_stack_api_server": living}, tmp_path_factory.mktemp("rendered"))
    assert found["api_server.json.j2"] == [[{"cidr": "192.0.2.11/32", "port": 6443}, {"cidr": "2001:db8::1/128", "port": 6443}]]


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("ingress", {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress"}),
        ("httproute", {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute"}),
    ],
)
def test_another_controller_is_led_to_the_api(kind: str, made: dict[str, str], tmp_path: Path) -> None:
    names = [*(name for name in OBJECTS if name != "proxy.yaml.j2"), "ingress.yaml.j2", "edges.yml.j2"]
    variables = {
        **VARIABLES,
        "app_stack_ingress_kind": kind,
        "app_stack_ingress_host": "stats.example.net",
        "app_stack_ingress_class": "nginx",
        "app_stack_ingress_namespace": "ingress-nginx",
        "app_stack_ingress_tls_secret": "stats-tls",
        "app_stack_ingress_gateway": {"name": "public", "namespace": "gateways"},
    }
    found = rendered("app_stack", names, variables, tmp_path)
    (way,) = found["ingress.yaml.j2"]
    assert {name: way[name] for name in made} == made
    assert "stats.example.net" in str(way["spec"])
    assert "/metrics" not in str(way["spec"])
    (edges,) = found.pop("edges.yml.j2")
    every = [item for documents in found.values() for item in documents]
    assert {item["metadata"].get("namespace") for item in every} == {"endpoint-stats"}
    policies = [item for item in every if item["kind"] == "NetworkPolicy"]
    assert judge([Edge(**edge) for edge in edges], policies, NAMESPACES, pods_of([*every, *STORES])).broken == []
