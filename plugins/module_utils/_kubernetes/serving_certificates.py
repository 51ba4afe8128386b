# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting until each kubelet serves with its certificate, whose request is approved on the way where it may be."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from .._errors import OpsError
from .answer import ApiError
from .serving_request import SIGNER, Verdict, judge

_POLL_SECONDS = 1.0


class Cluster(Protocol):
    """What settling needs of a cluster."""

    def nodes(self) -> list[dict[str, Any]]: ...
    def signing_requests(self, signer: str) -> list[dict[str, Any]]: ...
    def approve(self, request: dict[str, Any], reason: str, message: str) -> None: ...
    def kubelet_health(self, node: str) -> str: ...


@dataclass
class Settled:
    """What has been done so far; `states` holds the last word on each node that does not serve yet."""

    approved: dict[str, Verdict] = field(default_factory=dict)
    refused: list[Verdict] = field(default_factory=list)
    serving: list[str] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)

    def to_result(self) -> dict[str, Any]:
        approved = sorted(self.approved)
        return {
            "changed": bool(approved),
            "approved": [self.approved[name].to_approved() for name in approved],
            "refused": [verdict.to_refused() for verdict in self.refused],
            "serving": list(self.serving),
            "findings": [verdict.to_finding().to_dict() for verdict in self.refused],
            "diff": {"before": dict.fromkeys(approved, "pending"), "after": dict.fromkeys(approved, "approved")},
        }


def settle(
    cluster: Cluster,
    wanted: Sequence[str],
    *,
    timeout_seconds: float,
    predict: bool = False,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Settled:
    """Approve what may be approved until every wanted node's kubelet serves; with `predict` only look, once."""
    settled = Settled()
    deadline = clock() + timeout_seconds
    while True:
        try:
            _look_once(cluster, wanted, settled, predict=predict)
        except ApiError as error:
            if predict or error.lasting:
                raise
            settled.states = dict.fromkeys(settled.states or wanted, str(error))
        if predict or not settled.states:
            return settled
        if clock() >= deadline:
            raise _timed_out(settled, timeout_seconds)
        pause(_POLL_SECONDS)


def _look_once(cluster: Cluster, wanted: Sequence[str], settled: Settled, *, predict: bool) -> None:
    nodes = {node["metadata"]["name"]: node for node in cluster.nodes()}
    pending = [request for request in cluster.signing_requests(SIGNER) if not request.get("status", {}).get("conditions")]
    verdicts = [(request, judge(request, nodes, wanted)) for request in pending]
    settled.refused = [verdict for _request, verdict in verdicts if verdict.refusal]
    for request, verdict in verdicts:
        if verdict.refusal:
            continue
        if not predict:
            names = ", ".join(verdict.names)
            cluster.approve(request, "AddressesMatchNode", f"Requestor, subject and names ({names}) are those of the Node {verdict.node}.")
        settled.approved[verdict.request] = verdict
    health = {name: _health(cluster, name) if name in nodes else "there is no Node object of this name" for name in wanted}
    settled.serving = [name for name in wanted if health[name] == "ok"]
    settled.states = {name: state for name, state in health.items() if state != "ok"}


def _health(cluster: Cluster, node: str) -> str:
    try:
        return cluster.kubelet_health(node) or "the kubelet answered nothing"
    except ApiError as error:
        if error.lasting:
            raise
        return error.cause


def _timed_out(settled: Settled, timeout_seconds: float) -> OpsError:
    refusals = {verdict.node: f"{verdict.request} is refused, because {verdict.refusal}" for verdict in settled.refused}
    states = {node: refusals.get(node, state) for node, state in settled.states.items()}
    return OpsError(
        f"After {timeout_seconds:g} seconds these kubelets do not serve with an approved certificate: {', '.join(states)}",
        cause="; ".join(f"{node}: {state}" for node, state in states.items()),
        remedy="Look at journalctl -u kubelet on the machine and at kubectl get csr, then run again.",
        states=states,
        refused=[verdict.to_refused() for verdict in settled.refused],
        approved=[verdict.to_approved() for verdict in settled.approved.values()],
    )
