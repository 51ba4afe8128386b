# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a set of NetworkPolicies lets one pod reach a port of another, judged as networking.k8s.io/v1 says it.

Where the API leaves a choice to the pod network (whether an ipBlock also means pods), the caller says which way to judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any, Union

Policy = Mapping[str, Any]
Labels = Mapping[str, str]
_NAME_LABEL = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Pod:
    """What policies see of a pod; `ports` are its named ports."""

    name: str
    namespace: str
    labels: Labels
    ports: Mapping[str, int] = field(default_factory=dict)
    address: str = ""


@dataclass(frozen=True)
class Address:
    """Something that is no pod: a node, or a machine outside of the cluster."""

    address: str

    @property
    def name(self) -> str:
        return self.address


End = Union[Pod, Address]  # noqa: UP007 - a linter of ansible-test takes | for an operation on values


@dataclass(frozen=True)
class Connection:
    """What is asked for: from where, to where, which port."""

    source: End
    target: End
    port: int
    protocol: str = "TCP"


def matches(selector: Mapping[str, Any] | None, labels: Labels) -> bool:
    """A label selector; the empty one matches everything."""
    if not selector:
        return True
    if any(labels.get(name) != value for name, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_matches_expression(expression, labels) for expression in selector.get("matchExpressions") or [])


def _matches_expression(expression: Mapping[str, Any], labels: Labels) -> bool:
    name, operator, values = expression["key"], expression["operator"], expression.get("values") or []
    answers = {
        "In": labels.get(name) in values,
        "NotIn": labels.get(name) not in values,
        "Exists": name in labels,
        "DoesNotExist": name not in labels,
    }
    return answers[operator]


def policy_types(policy: Policy) -> set[str]:
    """The directions a policy speaks of; what is not said follows from whether it has egress rules."""
    spec = policy["spec"]
    return set(spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])])


class Network:
    """A cluster's policies and the labels of its namespaces."""

    def __init__(self, policies: Iterable[Policy], namespaces: Mapping[str, Labels], *, ip_blocks_mean_pods: bool = False) -> None:
        self._policies = list(policies)
        self._namespaces = namespaces
        self._ip_blocks_mean_pods = ip_blocks_mean_pods

    def allows(self, connection: Connection) -> bool:
        return not self.blockers(connection)

    def blockers(self, connection: Connection) -> list[str]:
        """The sides that refuse a connection, with the policies that select the pod there; empty where it is allowed."""
        sides = (("egress", connection.source, connection.target), ("ingress", connection.target, connection.source))
        return [
            f"{direction} of {end.name}: {', '.join(sorted(policy['metadata']['name'] for policy in selecting))}"
            for direction, end, peer in sides
            if (selecting := self._selecting(end, direction))
            and not any(self._rule_allows(rule, policy, peer, connection, direction) for policy, rule in _rules(selecting, direction))
        ]

    def _selecting(self, end: End, direction: str) -> list[Policy]:
        """Without a policy that selects it, a pod is open in that direction; what is no pod always is."""
        if isinstance(end, Address):
            return []
        return [
            policy
            for policy in self._policies
            if policy["metadata"]["namespace"] == end.namespace
            and direction.capitalize() in policy_types(policy)
            and matches(policy["spec"].get("podSelector"), end.labels)
        ]

    def _rule_allows(self, rule: Mapping[str, Any], policy: Policy, peer: End, connection: Connection, direction: str) -> bool:
        peers = rule.get("to" if direction == "egress" else "from")
        if peers and not any(self._is_peer(entry, policy["metadata"]["namespace"], peer) for entry in peers):
            return False
        ports = rule.get("ports")
        return not ports or any(_is_port(entry, connection) for entry in ports)

    def _is_peer(self, entry: Mapping[str, Any], namespace: str, peer: End) -> bool:
        if "ipBlock" in entry:
            may_mean = isinstance(peer, Address) or self._ip_blocks_mean_pods
            return may_mean and _in_block(entry["ipBlock"], peer.address)
        if isinstance(peer, Address):
            return False
        if "namespaceSelector" in entry:
            # Every namespace carries its name as a label; one that is not made yet will.
            labels = {**self._namespaces.get(peer.namespace, {}), _NAME_LABEL: peer.namespace}
            in_namespace = matches(entry["namespaceSelector"], labels)
        else:
            in_namespace = peer.namespace == namespace
        return in_namespace and matches(entry.get("podSelector"), peer.labels)


def _rules(policies: Sequence[Policy], direction: str) -> Iterable[tuple[Policy, Mapping[str, Any]]]:
    return ((policy, rule) for policy in policies for rule in policy["spec"].get(direction) or [])


def _is_port(entry: Mapping[str, Any], connection: Connection) -> bool:
    if (entry.get("protocol") or "TCP") != connection.protocol:
        return False
    wanted = entry.get("port")
    if wanted is None:
        return True
    if isinstance(wanted, str):
        return isinstance(connection.target, Pod) and connection.target.ports.get(wanted) == connection.port
    return int(wanted) <= connection.port <= int(entry.get("endPort") or wanted)


def _in_block(block: Mapping[str, Any], address: str) -> bool:
    """A pod whose address is not known yet may have any address."""
    if not address:
        return True
    found = ip_address(address)
    return found in ip_network(block["cidr"]) and not any(found in ip_network(part) for part in block.get("except") or [])
