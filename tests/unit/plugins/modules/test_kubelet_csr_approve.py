# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible runs it, with the real Kubernetes client, against an HTTP server that answers like an API server."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.unit.plugins.modules import api_server
from tests.unit.plugins.modules.api_server import TOKEN, kubeconfig

REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


def signing_request(node: str) -> dict[str, Any]:
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"), x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}")]
    builder = x509.CertificateSigningRequestBuilder(x509.Name(names))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(node)]), critical=False)
    content = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    spec = {
        "signerName": "kubernetes.io/kubelet-serving",
        "username": f"system:node:{node}",
        "groups": ["system:nodes"],
        "usages": ["digital signature", "server auth"],
        "request": base64.b64encode(content).decode(),
    }
    return {"metadata": {"name": f"csr-{node}", "resourceVersion": "7"}, "spec": spec, "status": {}}


class Handler(api_server.ApiHandler):
    requests: dict[str, dict[str, Any]]
    patches: list[dict[str, Any]]

    def get(self) -> None:
        path = self.path.partition("?")[0]
        if not self.is_let_in():
            self.answer(401, {"kind": "Status", "message": "Unauthorized"})
        elif path == "/api/v1/nodes":
            node = {"metadata": {"name": "worker-1"}, "status": {"addresses": [{"type": "Hostname", "address": "worker-1"}]}}
            self.answer(200, {"items": [node]})
        elif path == REQUESTS:
            assert unquote(self.path).endswith("?fieldSelector=spec.signerName=kubernetes.io/kubelet-serving")
            self.answer(200, {"items": list(self.requests.values())})
        elif path == "/api/v1/nodes/worker-1/proxy/healthz" and self.requests["csr-worker-1"]["status"]:
            self.answer(200, "ok")
        else:
            self.answer(500, {"kind": "Status", "message": "error trying to reach service: remote error: tls: internal error"})

    def patch(self) -> None:
        body = self.body()
        self.patches.append({"path": self.path, "type": self.headers["Content-Type"], "body": body})
        name = self.path.removeprefix(f"{REQUESTS}/").removesuffix("/approval")
        self.requests[name]["status"] = body["status"]
        self.answer(200, self.requests[name])


@pytest.fixture
def handler() -> type[Handler]:
    requests = {f"csr-{node}": signing_request(node) for node in ("worker-1", "stranger")}
    return type("FreshHandler", (Handler,), {"requests": requests, "patches": []})


@pytest.fixture
def server(handler: type[Handler]) -> Iterator[str]:
    with api_server.serving(handler) as address:
        yield address


def approve(config: Path, *flags: str, timeout_seconds: int = 10) -> tuple[dict[str, Any], str]:
    arguments = {"kubeconfig": str(config), "nodes": ["worker-1"], "timeout_seconds": timeout_seconds}
    return api_server.run("kubelet_csr_approve", arguments, *flags)


def test_only_the_request_that_matches_is_approved(handler: type[Handler], server: str, tmp_path: Path) -> None:
    config = kubeconfig(tmp_path / "config", server)
    patches = handler.patches

    predicted, _ = approve(config, "--check")
    assert predicted["changed"] is True
    assert patches == []

    result, output = approve(config)
    assert [entry["request"] for entry in result["approved"]] == ["csr-worker-1"]
    assert [entry["reason"] for entry in result["refused"]] == ["the node stranger is not in the inventory"]
    assert result["serving"] == ["worker-1"]
    (patch,) = patches
    assert patch["path"] == f"{REQUESTS}/csr-worker-1/approval"
    assert patch["type"] == "application/strategic-merge-patch+json"
    assert patch["body"]["metadata"] == {"resourceVersion": "7"}
    assert patch["body"]["status"]["conditions"][0]["type"] == "Approved"
    assert TOKEN not in output

    again, _ = approve(config)
    assert again["changed"] is False


def test_a_wrong_token_fails_at_once_and_is_not_shown(server: str, tmp_path: Path) -> None:
    config = kubeconfig(tmp_path / "config", server, token="another-secret-token")
    result, output = approve(config, timeout_seconds=600)
    assert result["failure"]["cause"] == "HTTP status 401: Unauthorized"
    assert result["failure"]["remedy"] == "Check the credentials of the kubeconfig."
    assert "another-secret-token" not in output


def test_a_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    result, _ = approve(kubeconfig(tmp_path / "config", "http://127.0.0.1:9"), timeout_seconds=1)
    assert "After 1 seconds these kubelets do not serve" in result["msg"]
    assert "http://127.0.0.1:9" in result["msg"]
    assert "Connection refused" in result["msg"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "The kubeconfig is not there"),
        (f"users: [{{token: {TOKEN}", "The kubeconfig could not be used"),
        ("{}", "The kubeconfig could not be used"),
    ],
)
def test_a_broken_kubeconfig_is_refused_without_quoting_it(content: str | None, complaint: str, tmp_path: Path) -> None:
    config = tmp_path / "config"
    if content is not None:
        config.write_text(content)
    result, output = approve(config)
    assert result["failure"]["summary"] == complaint
    assert result["failure"]["where"] == str(config)
    assert TOKEN not in output
