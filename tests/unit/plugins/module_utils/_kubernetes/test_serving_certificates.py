# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._kubernetes.answer import ApiError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._kubernetes.serving_certificates import settle
from ansible_collections.endpoint_stats.ops.plugins.module_utils._kubernetes.serving_request import SIGNER

from tests.unit.plugins.module_utils._kubernetes.signing_requests import NODES, WANTED, request


class Living:
    """A small cluster in memory: a kubelet answers once a request of its node has been approved."""

    def __init__(self, requests: list[dict[str, Any]], *, appears_after_looks: int = 0, failures: list[ApiError] | None = None) -> None:
        self.requests = requests
        self.appears_after_looks = appears_after_looks
        self.failures = failures or []
        self.looks = 0
        self.now = 0.0
        self.serving = {"control-1"}

    def nodes(self) -> list[dict[str, Any]]:
        self.looks += 1
        if self.failures:
            raise self.failures.pop()
        return list(NODES.values())

    def signing_requests(self, signer: str) -> list[dict[str, Any]]:
        assert signer == SIGNER
        return self.requests if self.looks > self.appears_after_looks else []

    def approve(self, request: dict[str, Any], reason: str, message: str) -> None:
        request["status"] = {"conditions": [{"type": "Approved", "reason": reason, "message": message}]}
        self.serving.add(request["spec"]["username"].removeprefix("system:node:"))

    def kubelet_health(self, node: str) -> str:
        if node in self.serving:
            return "ok"
        raise ApiError("no", status=500, where="here", cause="remote error: tls: internal error")

    def clock(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


def run(cluster: Living, *, predict: bool = False) -> dict[str, Any]:
    options = {"timeout_seconds": 5, "predict": predict, "clock": cluster.clock, "pause": cluster.pause}
    return settle(cluster, WANTED, **options).to_result()  # type: ignore[arg-type]


def test_all_requests_of_a_node_are_approved_and_a_second_run_changes_nothing() -> None:
    second = request()
    second["metadata"]["name"] = "csr-2"
    cluster = Living([request(), second])
    result = run(cluster)
    assert result["changed"] is True
    assert [entry["request"] for entry in result["approved"]] == ["csr-1", "csr-2"]
    assert result["approved"][0] == {"request": "csr-1", "node": "worker-1", "names": ["10.0.0.21", "worker-1"]}
    assert result["serving"] == WANTED
    assert result["refused"] == result["findings"] == []
    assert result["diff"] == {"before": {"csr-1": "pending", "csr-2": "pending"}, "after": {"csr-1": "approved", "csr-2": "approved"}}
    again = run(cluster)
    assert again["changed"] is False
    assert again["approved"] == []


def test_a_request_that_comes_late_is_waited_for() -> None:
    cluster = Living([request()], appears_after_looks=3)
    assert run(cluster)["changed"] is True
    assert cluster.looks == 4


def test_check_mode_says_what_it_would_approve_and_does_not_wait() -> None:
    cluster = Living([request()])
    result = run(cluster, predict=True)
    assert result["changed"] is True
    assert [entry["node"] for entry in result["approved"]] == ["worker-1"]
    assert result["serving"] == ["control-1"]
    assert cluster.requests[0]["status"] == {}
    assert cluster.now == 0


def test_a_refused_request_is_left_pending_and_found() -> None:
    cluster = Living([request(username="system:node:worker-2")])
    cluster.serving.add("worker-1")
    result = run(cluster)
    assert result["changed"] is False
    assert result["refused"] == [{"request": "csr-1", "node": "worker-2", "reason": "the node worker-2 is not in the inventory"}]
    assert result["findings"][0]["evidence"] == "the node worker-2 is not in the inventory"
    assert cluster.requests[0]["status"] == {}


def test_the_timeout_names_the_nodes_their_state_and_the_next_step() -> None:
    with pytest.raises(OpsError) as caught:
        run(Living([]))
    message = str(caught.value)
    assert "After 5 seconds these kubelets do not serve with an approved certificate: worker-1." in message
    assert "worker-1: remote error: tls: internal error" in message
    assert "journalctl -u kubelet" in message
    assert caught.value.details["states"] == {"worker-1": "remote error: tls: internal error"}


def test_the_timeout_names_the_refusal_when_that_is_the_cause() -> None:
    with pytest.raises(OpsError, match="worker-1: csr-1 is refused, because it asks for the usages server auth"):
        run(Living([request(usages=["server auth"])]))


def test_a_restarting_api_server_is_waited_for() -> None:
    gone = ApiError("The nodes could not be listed", status=0, where="here", cause="connection refused")
    assert run(Living([request()], failures=[gone, gone]))["serving"] == WANTED


@pytest.mark.parametrize("status", [401, 403])
def test_missing_rights_are_not_waited_for(status: int) -> None:
    cluster = Living([request()], failures=[ApiError("The nodes could not be listed", status=status, where="here", cause="no")])
    with pytest.raises(ApiError, match="Check the "):
        run(cluster)
    assert cluster.now == 0
