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
from .machine_failures import Probe, clock_failures, link_failures, port_failures, twins, unreachable_failures
from .membership_failures import kubeconfig_failures, membership_failures, network_failures, node_failures
from .settings import changed_documents, refused_changes
from .wanted import Wanted, inventory_failures, removal


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
