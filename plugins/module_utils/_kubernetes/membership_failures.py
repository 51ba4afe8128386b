# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What contradicts the cluster that a machine, a kubeconfig or a node's name belongs to already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._preflight import failed
from .machine_failures import Probe
from .wanted import Wanted, removal


def membership_failures(wanted: Wanted, machines: dict[str, Probe], ca_sha256: str) -> Iterator[dict[str, str]]:
    """Machines of other clusters, versions and subnets."""
    for name, machine in sorted(machines.items()):
        member = machine["membership"]
        if member["state"] not in ("member", "lost"):
            continue
        if member["cluster"] and member["cluster"] != wanted.cluster:
            yield failed(name, f"belongs to another cluster, {member['cluster']}", "Take it out of the inventory.")
        elif member["state"] == "member" and member["ca_sha256"] != ca_sha256:
            yield failed(
                name,
                "belongs to another cluster: its certificate authority is not that of the control plane",
                f"Reset it with: {removal(wanted.cluster, name)}",
            )
        if member["kubelet_version"] and member["kubelet_version"] != wanted.version:
            yield failed(
                "kubernetes_cluster_version",
                f"is {wanted.version}, {name} runs {member['kubelet_version']}; upgrading a living cluster is not there yet",
                f"Set kubernetes_cluster_version: {member['kubelet_version']}",
            )


def network_failures(wanted: Wanted, machines: dict[str, Probe]) -> Iterator[dict[str, str]]:
    """Pods that run have addresses of the network and subnet the machine joined with."""
    for name, machine in sorted(machines.items()):
        member = machine["membership"]
        if member["state"] != "member":
            continue
        if member["network"] != wanted.network:
            yield failed(
                "kubernetes_cluster_network_manifest",
                f"asks for the {wanted.network} network, {name} has the {member['network']} network; this cannot be changed in place",
                "Set it back, or build a new cluster with the other network.",
            )
        elif wanted.network == "reference" and member["pod_subnet"] != wanted.pod_subnets.get(name):
            yield failed(
                "kubernetes_cluster_node_pod_subnet",
                f"is {wanted.pod_subnets.get(name)} for {name}, which joined with {member['pod_subnet']}; this cannot be changed in place",
                f"Set it back, or take {name} out with the playbook remove first; it then joins with the new one.",
            )


def kubeconfig_failures(wanted: Wanted, ca_sha256: str) -> Iterator[dict[str, str]]:
    if wanted.kubeconfig_ca_sha256 and wanted.kubeconfig_ca_sha256 != ca_sha256:
        yield failed(
            wanted.kubeconfig,
            "is the kubeconfig of another cluster" + ("" if ca_sha256 else " (the control plane machine has none yet)"),
            "Set endpoint_stats_kubeconfig to another path, or move that file away if its cluster is gone for good.",
        )


def node_failures(machines: dict[str, Probe], nodes: dict[str, dict[str, Any]]) -> Iterator[dict[str, str]]:
    """A name that a live kubelet elsewhere uses must not be taken."""
    for name, machine in sorted(machines.items()):
        node = nodes.get(name)
        if node is None or machine["membership"]["state"] == "member":
            continue
        if node["ready"] and node["machine_id"] != machine["machine_id"]:
            yield failed(
                name,
                f"a live node of this name runs on another machine (machine id {node['machine_id']}, this one has {machine['machine_id']})",
                "Give the new machine another name, or stop the old one; the cluster gives it up about a minute later, then run again.",
            )
