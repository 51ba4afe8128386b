# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the users of the cluster rely on, tried the way they use it."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator

import pytest

from tests.e2e.support import Lab, succeed, wait_until

ETCDCTL = (
    "ctr --namespace k8s.io tasks exec --exec-id e2e "
    '$(ctr --namespace k8s.io tasks list | awk \'$3 == "RUNNING" {print $1}\' | grep --fixed-strings --line-regexp "$('
    'ctr --namespace k8s.io containers list --quiet \'labels."io.kubernetes.container.name"==etcd\')") '
    "etcdctl --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/etcd/healthcheck-client.crt "
    "--key /etc/kubernetes/pki/etcd/healthcheck-client.key"
)


def stored_secrets(lab: Lab) -> dict[str, object]:
    """What the module says of the Secrets in etcd."""
    inventory = ["--inventory", str(lab.paths.inventory)]
    module = ["--module-name", "endpoint_stats.ops.kubernetes_secret_encryption_info", "--one-line"]
    line = succeed(["ansible", *inventory, *module, "control-1"])
    found: dict[str, object] = json.loads(line[line.index("{") :])
    return found


def test_the_nodes_are_ready_and_of_the_version(lab: Lab) -> None:
    versions = {name: node["status"]["nodeInfo"]["kubeletVersion"] for name, node in lab.nodes().items()}
    assert versions == {"control-1": "v1.37.2", "worker-1": "v1.37.2"}
    assert lab.ready() == {"control-1", "worker-1"}


def test_a_pod_reaches_a_service_on_the_other_node_by_name(lab: Lab, workload: str) -> None:
    """The answer comes from the pod on control-1 and is asked for on worker-1."""
    lab.await_pod(workload, "web")
    lab.await_pod(workload, "client")
    ask = "exec 3<>/dev/tcp/web/80; printf 'GET /hostname HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"
    answer = lab.kubectl("--namespace", workload, "exec", "client", "--", "bash", "-c", ask)
    assert answer.endswith("\nweb"), answer


def test_the_data_of_a_claim_survives_its_pod(lab: Lab, workload: str) -> None:
    lab.await_pod(workload, "client")
    lab.kubectl("--namespace", workload, "exec", "client", "--", "sh", "-c", "echo kept > /data/file")
    pod = lab.get("--namespace", workload, "pod/client")
    lab.kubectl("--namespace", workload, "delete", "pod/client")
    again = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "client", "namespace": workload}, "spec": pod["spec"]}
    lab.kubectl("create", "--filename=-", stdin=json.dumps(again))
    lab.await_pod(workload, "client")
    assert lab.kubectl("--namespace", workload, "exec", "client", "--", "cat", "/data/file") == "kept\n"
    assert lab.get("--namespace", workload, "pod/client")["metadata"]["uid"] != pod["metadata"]["uid"]


def test_usage_is_measured(lab: Lab, workload: str) -> None:
    nodes = wait_until(lambda: lab.kubectl("top", "nodes", "--no-headers").split(), seconds=60, what="usage of nodes")
    assert {"control-1", "worker-1"} <= set(nodes)
    assert "kube-apiserver-control-1" in lab.kubectl("--namespace=kube-system", "top", "pods", "--no-headers")


def test_secrets_are_encrypted_in_etcd(lab: Lab) -> None:
    found = stored_secrets(lab)
    assert found["plain"] == []
    assert found["encrypted"] == found["total"] != 0


@pytest.fixture
def plain_secret(lab: Lab, workload: str) -> Iterator[str]:
    """A Secret that went past the API server into etcd."""
    metadata = {"name": "plain", "namespace": workload, "creationTimestamp": "2026-01-01T00:00:00Z", "uid": "e2e"}
    value = json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": {}}).replace('"', '\\"')
    lab.root("control-1", f'{ETCDCTL} put /registry/secrets/{workload}/plain "{value}"')
    yield f"{workload}/plain"
    lab.kubectl("--namespace", workload, "delete", "secret", "plain")


def test_a_secret_stored_plain_is_named_until_it_is_rewritten(lab: Lab, plain_secret: str) -> None:
    assert stored_secrets(lab)["plain"] == [plain_secret]
    namespace, name = plain_secret.split("/")
    stored = lab.get("--namespace", namespace, f"secret/{name}")
    lab.kubectl("replace", "--filename=-", stdin=json.dumps(stored))
    assert stored_secrets(lab)["plain"] == []


def test_the_audit_log_names_a_secret_and_keeps_its_value(lab: Lab, workload: str) -> None:
    value = secrets.token_hex(16)
    name = f"audited-{value[:8]}"
    lab.kubectl("--namespace", workload, "create", "secret", "generic", name, f"--from-literal=word={value}")
    log = "/var/log/kubernetes/audit.log"
    wait_until(lambda: int(lab.root("control-1", f"grep --count {name} {log} || true")), seconds=30, what="audit record")
    encoded = base64.b64encode(value.encode()).decode()
    assert lab.root("control-1", f"grep --count --regexp={value} --regexp={encoded} {log} || true") == "0"
    assert lab.root("control-1", f"stat --format=%a {log}") == "600"


def test_the_kubeconfig_is_the_owners_alone(lab: Lab) -> None:
    assert lab.paths.kubeconfig.stat().st_mode & 0o777 == 0o600


def test_no_bootstrap_token_is_left(lab: Lab) -> None:
    listing = lab.get("--namespace=kube-system", "secrets", "--field-selector=type=bootstrap.kubernetes.io/token")
    assert listing["items"] == []


def test_metrics_server_checks_every_certificate(lab: Lab) -> None:
    deployment = lab.get("--namespace=kube-system", "deployment/metrics-server")
    arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    assert any(argument.startswith("--kubelet-certificate-authority=") for argument in arguments)
    assert not any("insecure" in argument for argument in arguments)
    assert "insecureSkipTLSVerify" not in lab.get("apiservice/v1beta1.metrics.k8s.io")["spec"]


def test_the_report_tells_how_long_certificates_last(lab: Lab) -> None:
    report = json.loads((lab.paths.reports / "kubernetes_cluster.json").read_text())
    days = {(item["machine"], item["path"]): item["days_left"] for item in report["certificates"]}
    assert 300 < days["control-1", "/etc/kubernetes/pki/apiserver.crt"] < 366
    assert ("worker-1", "/var/lib/kubelet/pki/kubelet-server-current.pem") in days
    assert report["certificate_days_left_minimum"] == min(days.values())


def test_load_makes_more_pods(lab: Lab, workload: str) -> None:
    """The autoscaler sees the processor time of the busy pod and starts another."""
    wait_until(
        lambda: lab.get("--namespace", workload, "deployment/busy")["status"].get("readyReplicas") == 2,
        seconds=240,
        what="second replica",
    )
    events = lab.get("--namespace", workload, "hpa/busy")["status"]
    assert events["desiredReplicas"] == 2
