# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._inventory import CONTRACT, unknown_variables

PREFIX = "kubernetes_cluster_"
KNOWN = [
    "kubernetes_cluster_checksums",
    "kubernetes_cluster_endpoint",
    "kubernetes_cluster_pod_subnet",
    "kubernetes_cluster_registry_mirrors",
    "kubernetes_cluster_release_urls",
    "kubernetes_cluster_service_subnet",
    "kubernetes_cluster_version",
]


def judge(*names: str) -> list[str]:
    return unknown_variables(names, PREFIX, KNOWN)


def test_known_names_pass() -> None:
    assert judge(*KNOWN, *CONTRACT) == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("kubernetes_cluster_verison", "kubernetes_cluster_version"),
        ("kubernetes_cluster_release_url", "kubernetes_cluster_release_urls"),
        ("kubernetes_cluster_podsubnet", "kubernetes_cluster_pod_subnet"),
        ("kubernetes_cluster_registry_mirror", "kubernetes_cluster_registry_mirrors"),
        ("endpoint_stats_kubeconfg", "endpoint_stats_kubeconfig"),
        ("endpoint_stats_report_dir", "endpoint_stats_reports_dir"),
    ],
)
def test_a_stranger_with_our_prefix_is_named_with_its_neighbour(name: str, meant: str) -> None:
    (message,) = judge(name)
    assert message.startswith(f"{name} is not a variable of ")
    assert message.endswith(f", did you mean {meant}?")


@pytest.mark.parametrize("name", ["kubernetes_cluster_zzz", "endpoint_stats_qqq"])
def test_a_stranger_without_a_neighbour_is_reported_too(name: str) -> None:
    (message,) = judge(name)
    assert message.startswith(f"{name} is not a variable of ")
    assert message.endswith("no name there is close to it.")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("kubernetes_clutser_version", "kubernetes_cluster_version"),
        ("kubernets_cluster_version", "kubernetes_cluster_version"),
        ("kubernetes_cluser_endpoint", "kubernetes_cluster_endpoint"),
        ("kubernetescluster_version", "kubernetes_cluster_version"),
        ("kubernetes_clusterversion", "kubernetes_cluster_version"),
        ("kubernetes_clusters_version", "kubernetes_cluster_version"),
        ("kubernetes-cluster-version", "kubernetes_cluster_version"),
        ("Kubernetes_cluster_version", "kubernetes_cluster_version"),
        ("kuber_netes_cluster_version", "kubernetes_cluster_version"),
        ("kubernetes_cluster-endpoint", "kubernetes_cluster_endpoint"),
        ("kubernets_cluster_x", "kubernetes_cluster_x"),
        ("endpoint_stat_cluster", "endpoint_stats_cluster"),
        ("endpoints_stats_cluster", "endpoint_stats_cluster"),
        ("endpoint_status_cluster", "endpoint_stats_cluster"),
        ("endpointstats_kubeconfig", "endpoint_stats_kubeconfig"),
        ("end_point_stats_secrets_dir", "endpoint_stats_secrets_dir"),
    ],
)
def test_a_near_miss_of_a_prefix_is_named(name: str, meant: str) -> None:
    (message,) = judge(name)
    assert message.startswith(f"{name} looks like a misspelt variable of ")
    assert message.endswith(f", did you mean {meant}?")


@pytest.mark.parametrize(
    "name",
    [
        "_kubernetes_cluster_plan",
        "__kubernetes_cluster_probe",
        "_endpoint_stats_scratch",
        "ansible_facts",
        "ansible_kubernetes_cluster_version",
        "app_stack_version",
        "cluster_version",
        "endpoint_state_interval_seconds",
        "endpoint_status_url",
        "endpoints",
        "group_names",
        "inventory_hostname",
        "kubernetes_cluster",
        "kubernetes_cluster2_label",
        "kubernetes_clusters_wanted_by_marketing",
        "kubernetes_endpoint",
        "kubernetes_version",
        "backups_schedule",
        "monitoring_retention",
    ],
)
def test_variables_of_others_are_left_alone(name: str) -> None:
    assert judge(name) == []


def test_a_short_prefix_needs_a_known_rest() -> None:
    known = ["backups_schedule", "backups_retention_days"]
    assert unknown_variables(["backup_host", "backup_user"], "backups_", known) == []
    assert unknown_variables(["backup_schedule", "bakcups_retention_day"], "backups_", known) == [
        "backup_schedule looks like a misspelt variable of the role backups, did you mean backups_schedule?",
        "bakcups_retention_day looks like a misspelt variable of the role backups, did you mean backups_retention_days?",
    ]


def test_messages_are_sorted_and_said_once() -> None:
    messages = judge("kubernetes_cluster_zzz", "endpoint_stats_qqq", "kubernetes_cluster_zzz")
    assert len(messages) == 2
    assert messages == sorted(messages)
