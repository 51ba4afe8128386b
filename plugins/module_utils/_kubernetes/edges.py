# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges which connections between workloads the NetworkPolicies must let through and which they must not.

A workload's pods are judged by its pod template, so that those that run only now and then are judged as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .network_policy import Address, Connection, End, Labels, Network, Pod, Policy

_TEMPLATED = {"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"}


@dataclass(frozen=True)
class Edge:
    """One connection and whether it must be allowed; an end is C({namespace, app}), C({namespace, labels}) or C({address})."""

    source: Mapping[str, Any]
    target: Mapping[str, Any]
    port: int
    protocol: str
    allowed: bool

    def __str__(self) -> str:
        return f"{_words(self.source)} -> {_words(self.target)}:{self.port}/{self.protocol}"


@dataclass(frozen=True)
class Judgement:
    """What came of all edges; `broken` names those that are not as they must be."""

    held: list[str] = field(default_factory=list)
    broken: list[dict[str, Any]] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return {"held": self.held, "broken": self.broken, "absent": self.absent}


def pods_of(objects: Iterable[Mapping[str, Any]]) -> list[Pod]:
    """The pods that workloads make, one for each template."""
    return [_pod(item) for item in objects if item.get("kind") in _TEMPLATED]


def _pod(item: Mapping[str, Any]) -> Pod:
    spec = item["spec"]["jobTemplate"]["spec"] if item["kind"] == "CronJob" else item["spec"]
    template = spec["template"]
    containers = template["spec"].get("containers") or []
    ports = {port["name"]: port["containerPort"] for container in containers for port in container.get("ports") or [] if "name" in port}
    metadata = item["metadata"]
    return Pod(
        name=f"{metadata['namespace']}/{item['kind']}/{metadata['name']}",
        namespace=metadata["namespace"],
        labels=template.get("metadata", {}).get("labels") or {},
        ports=ports,
    )


def judge(
    edges: Sequence[Edge],
    policies: Sequence[Policy],
    namespaces: Mapping[str, Labels],
    workloads: Sequence[Pod],
) -> Judgement:
    """Both ways of reading an ipBlock are tried, and the one that is worse for the edge counts."""
    judgement = Judgement()
    strict, generous = (Network(policies, namespaces, ip_blocks_mean_pods=generous) for generous in (False, True))
    for edge in edges:
        sources, targets = _ends(edge.source, workloads), _ends(edge.target, workloads)
        if not sources or not targets:
            judgement.absent.append(str(edge))
            continue
        network = strict if edge.allowed else generous
        connections = [Connection(source, target, edge.port, edge.protocol) for source in sources for target in targets]
        wrong = [(connection, blockers) for connection in connections if bool(blockers := network.blockers(connection)) == edge.allowed]
        if wrong:
            judgement.broken.append(_complaint(edge, wrong))
        else:
            judgement.held.append(str(edge))
    return judgement


def _complaint(edge: Edge, wrong: list[tuple[Connection, list[str]]]) -> dict[str, Any]:
    connections = sorted({f"{connection.source.name} -> {connection.target.name}" for connection, _blockers in wrong})
    return {
        "edge": str(edge),
        "must": "be allowed" if edge.allowed else "be denied",
        "connections": connections,
        "blockers": sorted({blocker for _connection, blockers in wrong for blocker in blockers}),
    }


def _ends(end: Mapping[str, Any], workloads: Sequence[Pod]) -> list[End]:
    if end.get("address"):
        return [Address(end["address"])]
    if end.get("app"):
        return [pod for pod in workloads if pod.namespace == end["namespace"] and pod.labels.get("app") == end["app"]]
    return [Pod(name=_words(end), namespace=end["namespace"], labels=end.get("labels") or {})]


def _words(end: Mapping[str, Any]) -> str:
    if end.get("address"):
        return str(end["address"])
    labels = ",".join(f"{name}={value}" for name, value in sorted((end.get("labels") or {}).items()))
    return f"{end['namespace']}/{end.get('app') or labels or 'any pod'}"
