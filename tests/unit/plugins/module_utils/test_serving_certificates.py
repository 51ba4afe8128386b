# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import ipaddress
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._kubernetes.answer import ApiError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._kubernetes.serving_certificates import settle
from ansible_collections.endpoint_stats.ops.plugins.module_utils._kubernetes.serving_request import SIGNER, judge
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

COMMON, ORG, UNIT = NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME
GOOD_SUBJECT = [(ORG, "system:nodes"), (COMMON, "system:node:worker-1")]
GOOD_NAMES = [x509.DNSName("worker-1"), x509.IPAddress(ipaddress.ip_address("10.0.0.21"))]


def address(text: str) -> x509.IPAddress:
    return x509.IPAddress(ipaddress.ip_address(text))


def pem(
    subject: list[tuple[x509.ObjectIdentifier, str]] | None = None,
    names: list[x509.GeneralName] | None = None,
    extra: x509.ExtensionType | None = None,
) -> bytes:
    builder = x509.CertificateSigningRequestBuilder(
        x509.Name([x509.NameAttribute(oid, value) for oid, value in (GOOD_SUBJECT if subject is None else subject)])
    )
    chosen = GOOD_NAMES if names is None else names
    if chosen:
        builder = builder.add_extension(x509.SubjectAlternativeName(chosen), critical=False)
    if extra:
        builder = builder.add_extension(extra, critical=True)
    signed = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def with_wrong_signature() -> bytes:
    """A request whose key was exchanged after it had been signed."""
    original = x509.load_pem_x509_csr(pem())
    old_key = original.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    new_key = x509.load_pem_x509_csr(pem()).public_key()
    other = new_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    der = original.public_bytes(serialization.Encoding.DER).replace(old_key, other)
    return b"-----BEGIN CERTIFICATE REQUEST-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE REQUEST-----\n"


def request(content: bytes | None = None, **changed: Any) -> dict[str, Any]:
    spec = {
        "signerName": SIGNER,
        "username": "system:node:worker-1",
        "groups": ["system:nodes", "system:authenticated"],
        "usages": ["digital signature", "server auth"],
        "request": base64.b64encode(pem() if content is None else content).decode(),
    }
    return {"metadata": {"name": "csr-1", "resourceVersion": "7"}, "spec": {**spec, **changed}, "status": {}}


def node(name: str, *addresses: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": {"addresses": [{"type": "any", "address": text} for text in (name, *addresses)]}}


NODES = {
    "control-1": node("control-1", "10.0.0.11"),
    "worker-1": node("worker-1", "10.0.0.21", "FD00::21"),
    "worker-2": node("worker-2", "10.0.0.22"),
}
WANTED = ["control-1", "worker-1"]


@pytest.mark.parametrize(
    ("good", "names"),
    [
        (request(), ("10.0.0.21", "worker-1")),
        (request(usages=["server auth", "key encipherment", "digital signature"]), ("10.0.0.21", "worker-1")),
        (request(pem(subject=GOOD_SUBJECT[::-1])), ("10.0.0.21", "worker-1")),
        (request(pem(names=[address("fd00:0::21")])), ("fd00::21",)),
    ],
)
def test_what_a_kubelet_asks_for_itself_is_approved(good: dict[str, Any], names: tuple[str, ...]) -> None:
    verdict = judge(good, NODES, WANTED)
    assert verdict.refusal == ""
    assert verdict.names == names


TAMPERED: list[tuple[Callable[[], dict[str, Any]], str]] = [
    (lambda: request(signerName="kubernetes.io/kube-apiserver-client"), "its signer is kubernetes.io/kube-apiserver-client"),
    (lambda: request(username="alice"), "made by alice, who is no node"),
    (lambda: request(username="system:node:"), "who is no node"),
    (lambda: request(username="system:serviceaccount:default:x"), "who is no node"),
    (lambda: request(groups=["system:authenticated"]), "not in the group system:nodes"),
    (lambda: request(groups=None), "not in the group system:nodes"),
    (lambda: request(username="system:node:worker-2"), "the node worker-2 is not in the inventory"),
    (lambda: request(usages=["digital signature", "client auth"]), "the usages digital signature, client auth"),
    (lambda: request(usages=["digital signature", "server auth", "client auth"]), "client auth"),
    (lambda: request(usages=["server auth"]), "the usages server auth"),
    (lambda: request(usages=[]), "the usages none"),
    (lambda: request(b"no certificate request"), "no readable certificate request"),
    (lambda: request(request="%%%"), "no readable certificate request"),
    (lambda: request(with_wrong_signature()), "its own signature is wrong"),
    (lambda: request(pem(subject=[(ORG, "system:nodes"), (COMMON, "system:node:control-1")])), "CN=system:node:control-1"),
    (lambda: request(pem(subject=[(ORG, "system:masters"), (COMMON, "system:node:worker-1")])), "O=system:masters"),
    (lambda: request(pem(subject=[*GOOD_SUBJECT, (ORG, "system:masters")])), "O=system:masters"),
    (lambda: request(pem(subject=[*GOOD_SUBJECT, (UNIT, "any")])), "OU=any"),
    (lambda: request(pem(subject=[(COMMON, "system:node:worker-1")])), "its subject is CN=system:node:worker-1, not"),
    (lambda: request(pem(subject=[])), "its subject is empty"),
    (
        lambda: request(pem(names=[*GOOD_NAMES, x509.DNSName("kubernetes.default.svc")])),
        "the name kubernetes.default.svc, which is no address",
    ),
    (lambda: request(pem(names=[x509.DNSName("*.worker-1")])), "the name *.worker-1"),
    (lambda: request(pem(names=[*GOOD_NAMES, address("10.0.0.99")])), "the name 10.0.0.99, which is no address"),
    (lambda: request(pem(names=[address("10.0.0.11")])), "the name 10.0.0.11, which is no address of the node worker-1"),
    (lambda: request(pem(names=[*GOOD_NAMES, x509.RFC822Name("a@example.org")])), "neither DNS name nor address (RFC822Name)"),
    (lambda: request(pem(names=[*GOOD_NAMES, x509.UniformResourceIdentifier("spiffe://x/y")])), "(UniformResourceIdentifier)"),
    (lambda: request(pem(names=[])), "no name and no address at all"),
    (lambda: request(pem(extra=x509.BasicConstraints(ca=True, path_length=None))), "the certificate extension 2.5.29.19"),
]


@pytest.mark.parametrize(("make", "reason"), TAMPERED)
def test_each_tampering_is_refused_for_its_own_reason(make: Callable[[], dict[str, Any]], reason: str) -> None:
    assert reason in judge(make(), NODES, WANTED).refusal


def test_a_node_without_its_object_is_refused() -> None:
    assert judge(request(), {}, WANTED).refusal == "there is no Node object worker-1"


def test_an_address_that_another_node_claims_too_is_refused() -> None:
    nodes = {**NODES, "worker-2": node("worker-2", "10.0.0.21")}
    assert "which is an address of the node worker-2 as well" in judge(request(), nodes, WANTED).refusal


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
