# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the API server says of its nodes and volumes, asked on the control plane itself."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .._completed import Completed
from .._process import run
from .machine import KUBECTL


@dataclass(frozen=True)
class Node:
    """One Node object, reduced to what decides whether a machine may use its name."""

    name: str
    ready: bool
    machine_id: str
    unschedulable: bool = False


@dataclass(frozen=True)
class Cluster:
    """The living cluster; C(error) is the reason where it could not be asked."""

    answered: bool
    error: str = ""
    identity: str = ""
    nodes: list[Node] = field(default_factory=list)
    claims: dict[str, list[str]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def node_of(item: dict[str, Any]) -> Node:
    status = item.get("status", {})
    conditions = {entry["type"]: entry["status"] for entry in status.get("conditions", [])}
    information = status.get("nodeInfo", {})
    return Node(
        name=item["metadata"]["name"],
        ready=conditions.get("Ready") == "True",
        machine_id=information.get("machineID", ""),
        unschedulable=bool(item.get("spec", {}).get("unschedulable")),
    )


def claims_by_node(volumes: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Node -> C(namespace/claim (path)) of the volumes that can only live there."""
    result: dict[str, list[str]] = {}
    for volume in volumes:
        spec = volume["spec"]
        claim = spec.get("claimRef", {})
        path = (spec.get("local") or spec.get("hostPath") or {}).get("path", "")
        terms = spec.get("nodeAffinity", {}).get("required", {}).get("nodeSelectorTerms", [])
        names = [value for term in terms for expression in term.get("matchExpressions", []) for value in expression.get("values", [])]
        for name in names:
            result.setdefault(name, []).append(f"{claim.get('namespace', '')}/{claim.get('name', '')} ({path})")
    return result


def ask(timeout_seconds: float) -> Completed:
    """Waits, bounded, until the API server of this machine is ready."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        completed = run([*KUBECTL, "get", "--raw", "/readyz"], timeout_seconds=20)
        if completed.returncode == 0 or time.monotonic() > deadline:
            return completed
        time.sleep(1)


def describe(timeout_seconds: float) -> Cluster:
    """Nodes, identity and node-bound claims of the cluster whose control plane this machine is."""
    if not Path("/etc/kubernetes/admin.conf").exists():
        return Cluster(answered=False, error="this machine has no control plane")
    ready = ask(timeout_seconds)
    if ready.returncode != 0:
        return Cluster(answered=False, error=(ready.stderr or ready.stdout).strip()[-500:])
    listing = run([*KUBECTL, "get", "nodes,persistentvolumes", "--output=json"], timeout_seconds=30)
    listing.check("The nodes could not be listed", remedy="Look at the log of kube-apiserver on this machine.")
    items = json.loads(listing.stdout)["items"]
    identity = run(
        [
            *KUBECTL,
            "--namespace=kube-system",
            "get",
            "configmap",
            "endpoint-stats-cluster",
            "--ignore-not-found",
            "--output=jsonpath={.data.name}",
        ],
        timeout_seconds=30,
    )
    return Cluster(
        answered=True,
        identity=identity.stdout.strip(),
        nodes=sorted((node_of(item) for item in items if item["kind"] == "Node"), key=lambda node: node.name),
        claims=claims_by_node([item for item in items if item["kind"] == "PersistentVolume"]),
    )
