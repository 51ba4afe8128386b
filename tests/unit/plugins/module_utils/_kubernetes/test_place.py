# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._kubernetes.place import (
    credential_end,
    node_of_pod,
    ops_host,
    refuse_another_cluster,
    refuse_ended,
    refuse_without_kubectl,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ENDED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
GROUPS = {"all": ["a"], "ungrouped": [], "workers": ["a"], "ops": ["ops-runner-0"]}
EVERYBODY = ["a", "ops-runner-0", "localhost"]


class Living:
    """A cluster that answers from memory."""

    def __init__(self, *, name: str = "", pod: dict[str, Any] | None = None) -> None:
        self._name, self._pod = name, pod

    def config_map(self, namespace: str, name: str) -> dict[str, Any] | None:
        assert (namespace, name) == ("kube-system", "endpoint-stats-cluster")
        return {"data": {"name": self._name}} if self._name else None

    def pod(self, namespace: str, name: str) -> dict[str, Any] | None:
        assert (namespace, name) == ("endpoint-stats", "ops-runner-0")
        return self._pod


def pod(*, ready: str = "True", container: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    condition = {
        "type": "Ready",
        "status": ready,
        "reason": "ContainersNotReady",
        "message": "containers with unready status: [ops-runner]",
    }
    status = {"phase": "Pending", "conditions": [condition], "containerStatuses": [{"state": container or {"running": {}}}]}
    return {"metadata": metadata, "spec": {"nodeName": "worker-1"}, "status": status}


def certificate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "admin")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, ENDED - timedelta(days=365), ENDED)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def token(**claims: Any) -> str:
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (b"{}", json.dumps(claims).encode(), b"signature"))


def kubeconfig(directory: Path, user: dict[str, Any]) -> str:
    path = directory / "config"
    context = {"name": "here", "context": {"cluster": "c", "user": "admin"}}
    path.write_text(yaml.safe_dump({"current-context": "here", "contexts": [context], "users": [{"name": "admin", "user": user}]}))
    return str(path)


def test_a_run_with_localhost_and_the_one_host_beside_the_data_is_accepted() -> None:
    assert ops_host(GROUPS, EVERYBODY) == "ops-runner-0"
    assert ops_host({"ops": ["localhost"]}, ["localhost"]) == "localhost"


@pytest.mark.parametrize(
    ("groups", "hosts", "words"),
    [
        ({"all": ["a"], "ungrouped": [], "web": ["a"]}, EVERYBODY, "no host in the group ops. Cause: its groups are: web."),
        ({}, [], "its groups are: none"),
        ({"ops": ["one", "two"]}, EVERYBODY, "The group ops has 2 hosts, an operation needs exactly one. Cause: one, two."),
        (GROUPS, ["ops-runner-0"], "This run leaves out localhost. Cause: --limit keeps ops-runner-0."),
        (GROUPS, ["localhost"], "This run leaves out ops-runner-0."),
        (GROUPS, ["a"], "This run leaves out localhost and ops-runner-0. Cause: --limit keeps a."),
    ],
)
def test_a_wrong_inventory_and_a_limit_are_told_apart(groups: dict[str, list[str]], hosts: list[str], words: str) -> None:
    with pytest.raises(OpsError) as refused:
        ops_host(groups, hosts)
    assert words in str(refused.value)


def test_the_end_of_a_certificate_is_read_from_the_kubeconfig_and_from_a_file_beside_it(tmp_path: Path) -> None:
    content = certificate()
    (tmp_path / "admin.crt").write_bytes(content)
    inside = kubeconfig(tmp_path, {"client-certificate-data": base64.b64encode(content).decode()})
    assert credential_end(inside, None) == ENDED
    beside = kubeconfig(tmp_path, {"client-certificate": "admin.crt"})
    assert credential_end(beside, "here") == ENDED


def test_the_end_of_a_token_is_read_where_it_says_one(tmp_path: Path) -> None:
    assert credential_end(kubeconfig(tmp_path, {"token": token(exp=int(ENDED.timestamp()))}), None) == ENDED
    assert credential_end(kubeconfig(tmp_path, {"token": token(sub="x")}), None) is None
    assert credential_end(kubeconfig(tmp_path, {"token": "opaque"}), None) is None


@pytest.mark.parametrize("content", ["", "{", "a: [", "users: []", "current-context: x\ncontexts: []\nusers: []"])
def test_a_file_that_is_no_kubeconfig_is_left_to_the_client(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config"
    path.write_text(content)
    assert credential_end(str(path), None) is None
    assert credential_end(str(tmp_path / "absent"), None) is None


def test_an_ended_credential_is_refused_with_its_time() -> None:
    refuse_ended(None, "config", NOW)
    refuse_ended(NOW + timedelta(seconds=1), "config", NOW)
    with pytest.raises(OpsError) as refused:
        refuse_ended(ENDED, "config", NOW)
    assert "it was valid until 2026-01-02T03:04:05Z, now it is 2026-06-01T00:00:00Z" in str(refused.value)


def test_another_cluster_is_refused() -> None:
    assert refuse_another_cluster(Living(name="production"), "production", "config") == "production"
    assert refuse_another_cluster(Living(), "production", "config") == ""
    with pytest.raises(OpsError, match="This is the cluster test, the inventory means production"):
        refuse_another_cluster(Living(name="test"), "production", "config")


def test_a_ready_pod_tells_its_node() -> None:
    assert node_of_pod(Living(pod=pod()), "endpoint-stats", "ops-runner-0") == "worker-1"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, "The pod of the group ops is not there. Where: endpoint-stats/ops-runner-0."),
        (pod(ready="False", container={"waiting": {"reason": "ImagePullBackOff"}}), "phase Pending; waiting: ImagePullBackOff"),
        (pod(ready="False"), "ContainersNotReady containers with unready status: [ops-runner]"),
        (pod(deletionTimestamp="2026-06-01T00:00:00Z"), "it is being deleted"),
    ],
)
def test_a_pod_that_cannot_work_says_why(found: dict[str, Any] | None, words: str) -> None:
    with pytest.raises(OpsError) as refused:
        node_of_pod(Living(pod=found), "endpoint-stats", "ops-runner-0")
    assert words in str(refused.value)


def test_what_is_missing_on_localhost_is_said() -> None:
    refuse_without_kubectl("/usr/bin/kubectl")
    with pytest.raises(OpsError, match="no program kubectl on localhost"):
        refuse_without_kubectl(None)
    with pytest.raises(OpsError, match="names no pod"):
        node_of_pod(Living(), "endpoint-stats", "")
