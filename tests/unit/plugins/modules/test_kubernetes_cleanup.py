# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible runs it, with the real Kubernetes client, against an HTTP server that answers like an API server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.modules import kubernetes_cleanup

from tests.unit.plugins.modules import api_server
from tests.unit.plugins.modules.api_server import TOKEN, kubeconfig

PODS, JOBS = "/api/v1/namespaces/endpoint-stats/pods", "/apis/batch/v1/namespaces/endpoint-stats/jobs"


def metadata(name: str) -> dict[str, Any]:
    return {"name": name, "namespace": "endpoint-stats", "uid": f"uid-{name}", "resourceVersion": "7", "creationTimestamp": ago(10)}


def ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def evicted(name: str) -> dict[str, Any]:
    status = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory.", "startTime": ago(0.01)}
    return {"metadata": metadata(name), "spec": {"nodeName": "worker-1"}, "status": status}


def finished(name: str) -> dict[str, Any]:
    conditions = [{"type": "Complete", "status": "True", "lastTransitionTime": ago(9)}]
    return {"metadata": metadata(name), "spec": {}, "status": {"completionTime": ago(9), "conditions": conditions}}


class Handler(api_server.ApiHandler):
    objects: dict[str, dict[str, Any]]
    deletions: list[tuple[str, Any]]
    refusals: dict[str, int]

    def get(self) -> None:
        where = urlsplit(self.path)
        if where.path == PODS:
            assert parse_qs(where.query) == {"fieldSelector": ["status.phase=Failed"]}
        status = self.refusals.get(where.path, 200) if self.is_let_in() else 401
        items = [document for path, document in self.objects.items() if path.startswith(f"{where.path}/")]
        self.answer(status, {"items": items} if status == 200 else {"message": "no right to it"})

    def delete(self) -> None:
        path = urlsplit(self.path).path
        self.deletions.append((path, self.body()))
        status = self.refusals.get(path, 200)
        if status == 200:
            del self.objects[path]
        self.answer(status, {"kind": "Status", "message": "no right to it"})


@pytest.fixture
def handler() -> type[Handler]:
    objects = {f"{PODS}/{name}": evicted(name) for name in ("flask-api-a", "flask-api-b")} | {f"{JOBS}/old": finished("old")}
    return type("FreshHandler", (Handler,), {"objects": objects, "deletions": [], "refusals": {}})


@pytest.fixture
def config(handler: type[Handler], tmp_path: Path) -> Iterator[Path]:
    with api_server.serving(handler) as address:
        yield kubeconfig(tmp_path / "config", address)


def clean(config: Path, *, check: bool = False, **changes: Any) -> dict[str, Any]:
    ages = {"failed_pod_age_seconds": 86400.0, "finished_job_age_seconds": 604800.0}
    options = {"kubeconfig": str(config), "context": None, "namespace": "endpoint-stats", **ages, **changes}
    return kubernetes_cleanup.work(options, check)


def names(result: dict[str, Any]) -> list[str]:
    return [entry["name"] for entry in (*result["pods"], *result["jobs"])]


def test_what_is_over_is_deleted_once_and_exactly(handler: type[Handler], config: Path) -> None:
    arguments = {"kubeconfig": str(config), "namespace": "endpoint-stats"}
    predicted, _output = api_server.run("kubernetes_cleanup", arguments, "--check", "--diff")
    assert (predicted["changed"], names(predicted)) == (True, ["flask-api-a", "flask-api-b", "old"])
    expected = {"Pod/flask-api-a": "Evicted", "Pod/flask-api-b": "Evicted", "Job/old": "Complete"}
    assert predicted["diff"] == {"before": expected, "after": {}}
    assert handler.deletions == []

    result, output = api_server.run("kubernetes_cleanup", arguments)
    assert (result["changed"], names(result)) == (True, ["flask-api-a", "flask-api-b", "old"])
    assert result["findings"][0]["id"] == "pods_evicted"
    assert TOKEN not in output
    assert [path for path, _body in handler.deletions] == [f"{PODS}/flask-api-a", f"{PODS}/flask-api-b", f"{JOBS}/old"]
    preconditions = {"uid": "uid-old", "resourceVersion": "7"}
    assert handler.deletions[-1][1] == {"propagationPolicy": "Background", "preconditions": preconditions}

    again = clean(config)
    assert (again["changed"], names(again), again["findings"]) == (False, [], [])


@pytest.mark.parametrize("status", [404, 409])
def test_what_is_gone_or_has_changed_is_left(handler: type[Handler], config: Path, status: int) -> None:
    handler.refusals[f"{PODS}/flask-api-a"] = status
    assert names(clean(config)) == ["flask-api-b", "old"]


def test_a_missing_right_is_told_with_what_was_done_until_then(handler: type[Handler], config: Path) -> None:
    handler.refusals[f"{JOBS}/old"] = 403
    with pytest.raises(OpsError, match="The Job endpoint-stats/old could not be deleted") as raised:
        clean(config)
    assert raised.value.cause == "HTTP status 403: no right to it"
    assert [pod["name"] for pod in raised.value.details["pods"]] == ["flask-api-a", "flask-api-b"]


@pytest.mark.parametrize("path", [PODS, JOBS])
def test_nothing_is_deleted_when_something_cannot_be_listed(handler: type[Handler], config: Path, path: str) -> None:
    handler.refusals[path] = 403
    with pytest.raises(OpsError, match="could not be listed"):
        clean(config)
    assert handler.deletions == []


@pytest.mark.parametrize("option", ["failed_pod_age_seconds", "finished_job_age_seconds"])
def test_an_age_below_0_is_refused(config: Path, option: str) -> None:
    changes: dict[str, Any] = {option: -1.0}
    with pytest.raises(OpsError, match=f"{option} is -1"):
        clean(config, **changes)
