# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides, from what the machines and the cluster say, what a run does; changes nothing itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from .._preflight import failed
from .._report.finding import Finding
from .settings import changed_documents, refused_changes

Probe = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """What the inventory asks for."""

    cluster: str
    version: str
    control_plane: list[str]
    workers: list[str]
    addresses: dict[str, str]
    pod_subnets: dict[str, str]
    network: str
    maximum_clock_skew_seconds: float
    read_before_epoch_seconds: float
    configuration: str
    kubeconfig: str
    kubeconfig_ca_sha256: str
    downloads: list[dict[str, str]]

    @property
    def machines(self) -> list[str]:
        return [*self.control_plane, *self.workers]


@dataclass(frozen=True)
class Plan:
    """What the run does, or every reason why it must not start."""

    failures: list[dict[str, str]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    initialise: bool = False
    join: list[str] = field(default_factory=list)
    rejoin: list[str] = field(default_factory=list)
    clean: list[str] = field(default_factory=list)
    apply: list[str] = field(default_factory=list)
    actions: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def inventory_failures(wanted: Wanted) -> Iterator[dict[str, str]]:
    """What is wrong with the inventory whatever the machines say."""
    if len(wanted.control_plane) > 1:
        yield failed(
            "control_plane",
            f"{len(wanted.control_plane)} hosts; more than one control plane is not there yet",
            "Leave one host in the group control_plane.",
        )
    for name in sorted(set(wanted.control_plane) & set(wanted.workers)):
        yield failed(name, "is in control_plane and in workers", "Leave it in one of the two groups.")
    for download in wanted.downloads:
        if not download["checksum"]:
            yield failed(
                "kubernetes_cluster_checksums",
                f"has no entry for {download['name']}",
                "Write the entries with: ansible-playbook endpoint_stats.ops.release_checksums",
            )
    yield from value_failures("kubernetes_cluster_node_address", wanted.addresses)
    yield from value_failures("kubernetes_cluster_node_pod_subnet", wanted.pod_subnets)


def value_failures(variable: str, values: dict[str, str]) -> Iterator[dict[str, str]]:
    """A variable that each machine must have, and must not share."""
    owners: dict[str, str] = {}
    for name, value in sorted(values.items()):
        if not value:
            yield failed(name, f"has no {variable}", "Set it in the inventory for each machine.")
        elif value in owners:
            yield failed(name, f"has the {variable} of {owners[value]}, {value}", "Give each machine its own.")
        owners.setdefault(value, name)


def removal(cluster: str, name: str) -> str:
    """The command that takes a machine out of the cluster."""
    return f"ansible-playbook endpoint_stats.ops.remove -e kubernetes_cluster_remove_machine={name} -e confirm={cluster}/machines/{name}"


def unreachable_failures(wanted: Wanted, probes: dict[str, Probe]) -> Iterator[dict[str, str]]:
    for name, probe in sorted(probes.items()):
        if probe.get("unreachable"):
            way_out = "" if name in wanted.control_plane else f", or take its node out of the cluster with: {removal(wanted.cluster, name)}"
            yield failed(name, f"does not answer: {probe['msg']}", f"Bring the machine back{way_out}")


def twins(machines: dict[str, Probe], key: str, words: str) -> Iterator[dict[str, str]]:
    """Machines that share what must be unique."""
    owners: dict[str, str] = {}
    for name, machine in sorted(machines.items()):
        value = str(machine[key])
        if value in owners:
            yield failed(name, f"has the {words} {value} of {owners[value]}", f"Give each machine its own {words}.")
        owners.setdefault(value, name)


def offset(machine: Probe, read_before_epoch_seconds: float) -> tuple[float, float]:
    """Least and largest offset of a machine's clock; the reading lies somewhere between the question and the end of the round."""
    clock = float(machine["epoch_seconds"])
    return clock - read_before_epoch_seconds, clock - float(machine["asked_epoch_seconds"])


def clock_failures(machines: dict[str, Probe], wanted: Wanted) -> Iterator[dict[str, str]]:
    """Machine against the host of the run, then machine against machine; a slow run is no skew."""
    offsets = {name: offset(machine, wanted.read_before_epoch_seconds) for name, machine in machines.items()}
    maximum = wanted.maximum_clock_skew_seconds
    remedy = "Start time synchronisation on it (chrony or systemd-timesyncd)."
    for name, (least, largest) in sorted(offsets.items()):
        skew = max(least, 0.0) + min(largest, 0.0)
        if abs(skew) > maximum:
            yield failed(name, f"its clock is {skew:+.0f} s off against localhost (at most {maximum:g} s)", remedy)
    if not offsets:
        return
    early, late = max(offsets, key=lambda name: offsets[name][0]), min(offsets, key=lambda name: offsets[name][1])
    apart = offsets[early][0] - offsets[late][1]
    if apart > maximum:
        yield failed(early, f"its clock is {apart:.0f} s ahead of {late}", remedy)


def link_failures(machines: dict[str, Probe], network: str) -> Iterator[dict[str, str]]:
    """The reference pod network routes by next hop, which needs one common link."""
    if network != "reference":
        return
    for name, machine in sorted(machines.items()):
        for peer, gateway in sorted(machine["gateways"].items()):
            if gateway:
                yield failed(
                    name,
                    f"reaches {peer} through {'no route' if gateway == 'none' else 'the router ' + gateway}; the reference pod network "
                    "needs all machines on one link",
                    "Put the machines into one subnet, or give a pod network of your own in kubernetes_cluster_network_manifest.",
                )


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


def port_failures(machines: dict[str, Probe], nodes: dict[str, dict[str, Any]]) -> Iterator[dict[str, str]]:
    """Ports of a machine that is no node must be free, but for the kubelet of its own former membership."""
    for name, machine in sorted(machines.items()):
        if machine["membership"]["state"] not in ("absent", "lost"):
            continue
        own = nodes.get(name, {}).get("machine_id") == machine["machine_id"]
        for port, owner in sorted(machine["port_owners"].items()):
            if not (own and owner == "kubelet"):
                yield failed(name, f"port {port} is taken by {owner}", "Stop that program or move it to another port.")


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


def decide(wanted: Wanted, probes: dict[str, Probe]) -> Plan:
    """The plan of a run; with failures the rest is empty."""
    machines = {name: probe["machine"] for name, probe in probes.items() if not probe.get("unreachable")}
    first = wanted.control_plane[0]
    control_plane = machines.get(first, {}).get("membership", {"state": "absent", "ca_sha256": "", "configuration": ""})
    alive = control_plane["state"] == "member"
    ca_sha256 = control_plane["ca_sha256"] if alive else ""
    cluster = probes.get(first, {}).get("cluster", {}) if alive else {}
    nodes = {node["name"]: node for node in cluster.get("nodes", [])}
    failures = [
        *inventory_failures(wanted),
        *unreachable_failures(wanted, probes),
        *(failed(name, item["summary"], item["remedy"]) for name in sorted(machines) for item in probes[name]["failures"]),
        *twins(machines, "hostname", "host name"),
        *twins(machines, "machine_id", "machine id"),
        *clock_failures(machines, wanted),
        *link_failures(machines, wanted.network),
        *membership_failures(wanted, machines, ca_sha256),
        *network_failures(wanted, machines),
        *kubeconfig_failures(wanted, ca_sha256),
        *port_failures(machines, nodes),
        *node_failures(machines, nodes),
        *refused_changes(control_plane["configuration"], wanted.configuration),
    ]
    if alive and cluster.get("identity") not in (None, "", wanted.cluster):
        failures.append(
            failed(first, f"the living cluster calls itself {cluster['identity']}", f"Set endpoint_stats_cluster: {cluster['identity']}")
        )
    outside = [name for name in wanted.workers if name in machines and machines[name]["membership"]["state"] != "member"]
    if alive and outside and not cluster.get("answered"):
        failures.append(
            failed(
                first,
                f"its API server does not answer, so {', '.join(outside)} cannot join: {cluster.get('error', '')}",
                "Look at the log of kube-apiserver on it; run again when it answers.",
            )
        )
    if failures:
        return Plan(failures=failures)
    return arrange(wanted, machines, nodes, cluster, alive)


def arrange(wanted: Wanted, machines: dict[str, Probe], nodes: dict[str, Any], cluster: Probe, alive: bool) -> Plan:
    """Who starts, joins, comes back or is cleaned first, when nothing forbids the run."""
    states = {name: machine["membership"]["state"] for name, machine in machines.items()}
    outside = [name for name in wanted.workers if states[name] != "member"]
    rejoin = [name for name in outside if name in nodes]
    configuration = machines[wanted.control_plane[0]]["membership"]["configuration"]
    actions = dict.fromkeys(machines, "keep as it is, repair what differs")
    if not alive:
        actions[wanted.control_plane[0]] = "install packages and binaries, start a new cluster"
    actions |= dict.fromkeys(outside, "install packages and binaries, join")
    actions |= {name: f"delete the Node object of its former life, join again (it was {states[name]})" for name in rejoin}
    return Plan(
        findings=[*stranger_findings(wanted, nodes), *cordon_findings(nodes), *claim_findings(rejoin, cluster.get("claims", {}))],
        initialise=not alive,
        join=outside,
        rejoin=rejoin,
        clean=[name for name in machines if states[name] in ("interrupted", "lost") or name in rejoin],
        apply=changed_documents(configuration, wanted.configuration) if alive else [],
        actions=actions,
    )


def stranger_findings(wanted: Wanted, nodes: dict[str, Any]) -> Iterator[Finding]:
    for name in sorted(set(nodes) - set(wanted.machines)):
        yield Finding(
            "kubernetes_node_not_in_inventory",
            "warning",
            name,
            "is a node of the cluster but not in the inventory; it is left alone",
            f"machine id {nodes[name]['machine_id']}, {'ready' if nodes[name]['ready'] else 'not ready'}",
            f"Add it to the inventory, or remove it with: {removal(wanted.cluster, name)}",
        )


def cordon_findings(nodes: dict[str, Any]) -> Iterator[Finding]:
    for name in sorted(nodes):
        if nodes[name]["unschedulable"]:
            yield Finding(
                "kubernetes_node_unschedulable",
                "warning",
                name,
                "takes no new pods: somebody has cordoned it, or a drain was interrupted",
                "spec.unschedulable is true",
                f"If nobody works on it: kubectl uncordon {name}.",
            )


def claim_findings(rejoin: list[str], claims: dict[str, list[str]]) -> Iterator[Finding]:
    for name in rejoin:
        for claim in claims.get(name, []):
            yield Finding(
                "kubernetes_claim_on_lost_machine",
                "critical",
                claim,
                f"its data lay on {name}, which came back without its former state",
                f"volume bound to {name}",
                "If the path is gone, delete the claim and its pod and restore the data from a backup.",
            )
