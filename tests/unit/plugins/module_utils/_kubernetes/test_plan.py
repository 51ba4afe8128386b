# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._kubernetes.plan import Plan, decide
from ansible_collections.endpoint_stats.ops.plugins.module_utils._kubernetes.wanted import Wanted

CONFIGURATION = """
kind: ClusterConfiguration
clusterName: demo
controlPlaneEndpoint: api.demo:6443
networking: {podSubnet: 10.244.0.0/16, serviceSubnet: 10.96.0.0/16}
---
kind: KubeletConfiguration
maxPods: 110
"""
NOW = 1_800_000_000.0
WANTED: dict[str, Any] = {
    "cluster": "demo",
    "version": "1.37.2",
    "control_plane": ["control-1"],
    "workers": ["worker-1", "worker-2"],
    "addresses": {"control-1": "10.0.0.11", "worker-1": "10.0.0.21", "worker-2": "10.0.0.22"},
    "pod_subnets": {"control-1": "10.244.1.0/24", "worker-1": "10.244.2.0/24", "worker-2": "10.244.3.0/24"},
    "network": "reference",
    "maximum_clock_skew_seconds": 5.0,
    "read_before_epoch_seconds": NOW + 1.0,
    "configuration": CONFIGURATION,
    "kubeconfig": "/home/ops/kubeconfig",
    "kubeconfig_ca_sha256": "",
    "downloads": [{"name": "kubernetes/kubelet", "checksum": "1" * 64}],
}


def machine(name: str, state: str = "absent") -> dict[str, Any]:
    member = state == "member"
    return {
        "failures": [],
        "cluster": {},
        "machine": {
            "hostname": name,
            "machine_id": f"id-{name}",
            "asked_epoch_seconds": NOW,
            "epoch_seconds": NOW + 0.5,
            "gateways": {"10.0.0.99": ""},
            "port_owners": {"10250": "kubelet"} if member else {},
            "membership": {
                "state": state,
                "cluster": "" if state in ("absent", "foreign") else "demo",
                "ca_sha256": "ca" if member else "",
                "kubelet_version": "1.37.2" if member else "",
                "network": "reference" if member else "",
                "pod_subnet": WANTED["pod_subnets"][name] if member else "",
                "configuration": CONFIGURATION if member and name == "control-1" else "",
            },
        },
    }


def node(name: str, **changes: Any) -> dict[str, Any]:
    return {"name": name, "ready": True, "machine_id": f"id-{name}", "unschedulable": False, **changes}


def fleet(**states: str) -> dict[str, dict[str, Any]]:
    """Probes of three machines; the living cluster has a node for each member."""
    names = ["control-1", "worker-1", "worker-2"]
    probes = {name: machine(name, states.get(name.replace("-", "_"), "absent")) for name in names}
    if states.get("control_1") == "member":
        probes["control-1"]["cluster"] = {
            "answered": True,
            "identity": "demo",
            "claims": {},
            "nodes": [node(name) for name in names if probes[name]["machine"]["membership"]["state"] == "member"],
        }
    return probes


def planned(probes: dict[str, dict[str, Any]], **changes: Any) -> Plan:
    return decide(Wanted(**{**WANTED, **changes}), probes)


def test_empty_machines_become_a_new_cluster() -> None:
    plan = planned(fleet())
    assert plan.failures == []
    assert (plan.initialise, plan.join, plan.rejoin) == (True, ["worker-1", "worker-2"], [])


def test_a_converged_cluster_is_left_alone() -> None:
    plan = planned(fleet(control_1="member", worker_1="member", worker_2="member"), kubeconfig_ca_sha256="ca")
    assert (plan.failures, plan.initialise, plan.join, plan.apply, plan.clean) == ([], False, [], [], [])


def test_only_the_new_worker_joins() -> None:
    plan = planned(fleet(control_1="member", worker_1="member"))
    assert (plan.initialise, plan.join, plan.rejoin, plan.clean) == (False, ["worker-2"], [], [])


def test_a_worker_that_lost_its_state_joins_again_and_its_claims_are_named() -> None:
    probes = fleet(control_1="member", worker_1="member", worker_2="lost")
    probes["control-1"]["cluster"]["nodes"].append(node("worker-2", ready=False))
    probes["control-1"]["cluster"]["claims"] = {"worker-2": ["shop/data (/opt/x)"], "worker-1": ["shop/other (/opt/y)"]}
    plan = planned(probes)
    assert (plan.join, plan.rejoin, plan.clean) == (["worker-2"], ["worker-2"], ["worker-2"])
    assert [(item.severity, item.subject) for item in plan.findings] == [("critical", "shop/data (/opt/x)")]


def test_a_node_outside_the_inventory_is_reported_and_kept() -> None:
    probes = fleet(control_1="member", worker_1="member", worker_2="member")
    probes["control-1"]["cluster"]["nodes"].append(node("worker-9"))
    plan = planned(probes)
    assert plan.failures == []
    assert [item.subject for item in plan.findings] == ["worker-9"]
    assert "confirm=demo/machines/worker-9" in plan.findings[0].remedy


def test_a_node_that_takes_no_pods_is_reported_and_left_so() -> None:
    probes = fleet(control_1="member", worker_1="member", worker_2="member")
    probes["control-1"]["cluster"]["nodes"][1]["unschedulable"] = True
    plan = planned(probes)
    assert plan.failures == []
    assert [(item.id, item.subject) for item in plan.findings] == [("kubernetes_node_unschedulable", "worker-1")]
    assert "kubectl uncordon worker-1" in plan.findings[0].remedy


def test_a_changed_setting_is_applied() -> None:
    plan = planned(
        fleet(control_1="member", worker_1="member", worker_2="member"),
        configuration=CONFIGURATION.replace("110", "90"),
    )
    assert (plan.failures, plan.apply) == ([], ["KubeletConfiguration"])


def edit(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(probes: dict[str, Any]) -> None:
        *parents, last = path.split("/")
        target = probes
        for key in parents:
            target = target[key]
        target[last] = value

    return change


REFUSALS: dict[str, tuple[Callable[[dict[str, Any]], None] | None, dict[str, Any], str]] = {
    "second control plane": (None, {"control_plane": ["control-1", "worker-1"], "workers": ["worker-2"]}, "more than one control plane"),
    "in both groups": (None, {"workers": ["control-1", "worker-1", "worker-2"]}, "is in control_plane and in workers"),
    "no checksum": (None, {"downloads": [{"name": "runc/runc", "checksum": ""}]}, "has no entry for runc/runc"),
    "shared pod subnet": (None, {"pod_subnets": {"control-1": "10.244.1.0/24", "worker-1": "10.244.1.0/24"}}, "of control-1"),
    "no address": (None, {"addresses": {"worker-1": ""}}, "has no kubernetes_cluster_node_address"),
    "unreachable": (edit("worker-2", {"unreachable": True, "msg": "timed out"}), {}, "does not answer: timed out"),
    "failure of a machine": (edit("worker-2/failures", [{"summary": "port 10250 is taken", "remedy": "Stop it."}]), {}, "port 10250"),
    "same host name": (edit("worker-2/machine/hostname", "worker-1"), {}, "has the host name worker-1 of worker-1"),
    "same machine id": (edit("worker-2/machine/machine_id", "id-worker-1"), {}, "has the machine id id-worker-1"),
    "clock ahead": (edit("worker-2/machine/epoch_seconds", NOW + 3601.0), {}, "+3600 s off against localhost"),
    "clocks apart": (edit("worker-2/machine/epoch_seconds", NOW - 4.9), {}, "s ahead of worker-2"),
    "router between": (edit("worker-2/machine/gateways", {"10.0.0.11": "10.9.0.1"}), {}, "through the router 10.9.0.1"),
    "member elsewhere": (edit("worker-2/machine/membership/cluster", "other"), {}, "belongs to another cluster, other"),
    "other authority": (edit("worker-2/machine/membership/ca_sha256", "cb"), {}, "its certificate authority is not"),
    "version": (None, {"version": "1.37.3"}, "upgrading a living cluster is not there yet"),
    "other network": (None, {"network": "manifest"}, "control-1 has the reference network"),
    "other pod subnet": (edit("worker-1/machine/membership/pod_subnet", "10.244.9.0/24"), {}, "worker-1, which joined with 10.244.9.0/24"),
    "kubeconfig": (None, {"kubeconfig_ca_sha256": "cz"}, "is the kubeconfig of another cluster"),
    "identity": (edit("control-1/cluster/identity", "staging"), {}, "the living cluster calls itself staging"),
    "subnet": (None, {"configuration": CONFIGURATION.replace("10.96", "10.97")}, "cannot be changed in place"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refused_before_anything_changes(name: str) -> None:
    change, wanted, words = REFUSALS[name]
    probes = copy.deepcopy(fleet(control_1="member", worker_1="member", worker_2="member"))
    if name == "clocks apart":
        edit("worker-1/machine/epoch_seconds", NOW + 4.0)(probes)
    if change:
        change(probes)
    plan = planned(probes, **wanted)
    sentences = [f"{item['subject']} {item['summary']}" for item in plan.failures]
    assert any(words in sentence for sentence in sentences), sentences
    assert (plan.initialise, plan.join, plan.apply) == (False, [], [])


def test_all_failures_come_at_once() -> None:
    probes = fleet()
    probes["worker-1"] = {"unreachable": True, "msg": "timed out"}
    probes["worker-2"]["failures"] = [{"summary": "port 10250 is taken by nginx", "remedy": "Stop it."}]
    plan = planned(probes, downloads=[{"name": "runc/runc", "checksum": ""}])
    assert [item["subject"] for item in plan.failures] == ["kubernetes_cluster_checksums", "worker-1", "worker-2"]


def test_the_name_of_a_live_node_is_not_taken() -> None:
    probes = fleet(control_1="member", worker_1="member")
    probes["control-1"]["cluster"]["nodes"].append(node("worker-2", machine_id="another"))
    assert "a live node of this name runs on another machine" in planned(probes).failures[0]["summary"]
    probes["control-1"]["cluster"]["nodes"][-1] = node("worker-2", machine_id="another", ready=False)
    assert planned(probes).rejoin == ["worker-2"]


def test_nobody_joins_while_the_api_server_is_silent() -> None:
    probes = fleet(control_1="member", worker_1="member")
    probes["control-1"]["cluster"] = {"answered": False, "error": "connection refused", "nodes": [], "claims": {}}
    assert "worker-2 cannot join: connection refused" in planned(probes).failures[0]["summary"]
    probes["worker-2"] = machine("worker-2", "member")
    assert planned(probes).failures == []


def test_a_slow_run_is_no_skew() -> None:
    probes = fleet()
    probes["worker-2"]["machine"]["epoch_seconds"] = NOW + 59.0
    assert planned(probes, read_before_epoch_seconds=NOW + 60.0).failures == []
    probes["worker-2"]["machine"]["epoch_seconds"] = NOW - 60.0
    assert "its clock is -60 s off" in planned(probes, read_before_epoch_seconds=NOW + 60.0).failures[0]["summary"]


def test_only_the_kubelet_of_its_own_former_life_may_hold_a_port() -> None:
    probes = fleet(control_1="member", worker_1="member")
    probes["worker-2"]["machine"]["port_owners"] = {"10250": "kubelet"}
    assert "port 10250 is taken by kubelet" in planned(probes).failures[0]["summary"]
    probes["control-1"]["cluster"]["nodes"].append(node("worker-2"))
    assert planned(probes).rejoin == ["worker-2"]
    probes["worker-2"]["machine"]["port_owners"] = {"10250": "nginx"}
    assert "port 10250 is taken by nginx" in planned(probes).failures[0]["summary"]
