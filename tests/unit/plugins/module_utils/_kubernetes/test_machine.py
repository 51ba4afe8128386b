# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._kubernetes import certificates, cluster, encryption, machine, settings
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def certificate(days: int) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"lasts-{days}")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW - timedelta(days=1), NOW + timedelta(days=days))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def put(root: Path, path: str, text: str = "") -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


RECORD = "etc/kubernetes/endpoint-stats/machine.json"
KUBELET = ["etc/kubernetes/kubelet.conf", "var/lib/kubelet/config.yaml"]


@pytest.mark.parametrize(
    ("files", "phase", "state"),
    [
        ([], None, "absent"),
        (["usr/local/bin/kubelet", "etc/kubernetes/manifests/x"], None, "absent"),
        (KUBELET, None, "foreign"),
        (["etc/kubernetes/pki/ca.key"], None, "foreign"),
        (KUBELET, "starting", "interrupted"),
        ([], "starting", "interrupted"),
        (KUBELET, "member", "member"),
        (KUBELET[:1], "member", "lost"),
        (KUBELET[1:], "member", "lost"),
    ],
)
def test_membership_is_read_from_what_lies_there(tmp_path: Path, files: list[str], phase: str | None, state: str) -> None:
    for path in files:
        put(tmp_path, path)
    if phase:
        put(tmp_path, RECORD, json.dumps({"cluster": "demo", "phase": phase, "version": "1.37.2"}))
    assert machine.membership(str(tmp_path)).state == state


def test_the_fingerprint_is_that_of_the_first_certificate() -> None:
    one, two = certificate(1), certificate(2)
    assert machine.certificate_sha256(one + two) == machine.certificate_sha256("text\n" + one)
    assert machine.certificate_sha256(one) != machine.certificate_sha256(two)
    assert machine.certificate_sha256("no certificate") == ""


def test_system_and_memory() -> None:
    assert machine.system_release('PRETTY_NAME="Debian"\nID=debian\nVERSION_ID="12"\n') == ("debian", "12")
    assert machine.memory_bytes("MemTotal:       2048 kB\nMemFree: 1 kB\n") == 2097152


def test_certificates_of_files_and_kubeconfigs_sorted_by_end(tmp_path: Path) -> None:
    put(tmp_path, "etc/kubernetes/pki/etcd/server.crt", certificate(300))
    put(tmp_path, "etc/kubernetes/admin.conf", f"client-certificate-data: {base64.b64encode(certificate(5).encode()).decode()}")
    put(tmp_path, "var/lib/kubelet/pki/kubelet-client-current.pem", certificate(20))
    found = certificates.certificates(str(tmp_path), NOW)
    assert [(Path(item.path).name, item.days_left) for item in found] == [
        ("admin.conf", 5.0),
        ("kubelet-client-current.pem", 20.0),
        ("server.crt", 300.0),
    ]
    assert [item.severity for item in certificates.findings(found, 30, 7)] == ["critical", "warning"]


def stored(name: str, value: bytes) -> dict[str, str]:
    return {
        "key": base64.b64encode(f"/registry/secrets/{name}".encode()).decode(),
        "value": base64.b64encode(value).decode(),
    }


def test_plain_secrets_are_named_and_their_values_are_not() -> None:
    answer = json.dumps({"kvs": [stored("shop/db", b"k8s:enc:secretbox:v1:key1:\x00"), stored("shop/old", b"k8s\x00hunter2")]})
    judged = encryption.judge(answer)
    assert (judged.total, judged.encrypted, judged.plain) == (2, 1, ["shop/old"])
    assert "hunter2" not in json.dumps(judged.to_dict())
    assert encryption.judge("{}").total == 0


def test_refused_and_applied_settings() -> None:
    before = "kind: ClusterConfiguration\nclusterName: demo\n---\nkind: KubeProxyConfiguration\nmode: nftables\n"
    renamed = before.replace("demo", "other")
    assert [item["subject"] for item in settings.refused_changes(before, renamed)] == ["kubernetes_cluster_name"]
    assert list(settings.refused_changes("", renamed)) == []
    assert settings.changed_documents(before, before.replace("nftables", "iptables")) == ["KubeProxyConfiguration"]
    assert settings.changed_documents(before, before) == []


def test_a_node_is_reduced_to_what_is_decided_by() -> None:
    item = {
        "metadata": {"name": "worker-1"},
        "spec": {},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"machineID": "x"}},
    }
    assert cluster.node_of(item) == cluster.Node("worker-1", ready=True, machine_id="x", unschedulable=False)
    assert cluster.node_of({**item, "spec": {"unschedulable": True}}).unschedulable


def test_claims_are_found_by_the_node_of_their_volume() -> None:
    volume = {
        "spec": {
            "claimRef": {"namespace": "shop", "name": "data"},
            "local": {"path": "/opt/x"},
            "nodeAffinity": {
                "required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/hostname", "values": ["worker-1"]}]}]}
            },
        }
    }
    assert cluster.claims_by_node([volume, {"spec": {}}]) == {"worker-1": ["shop/data (/opt/x)"]}


def test_a_file_written_after_the_start_makes_a_service_stale(tmp_path: Path) -> None:
    put(tmp_path, "config.toml")
    written = (tmp_path / "config.toml").stat().st_mtime
    assert machine.newer_than(written - 1, [str(tmp_path / "config.toml"), str(tmp_path / "absent")])
    assert not machine.newer_than(written + 1, [str(tmp_path / "config.toml")])
