# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests of kubelets, as they are and tampered with, and the nodes they are of."""

from __future__ import annotations

import base64
import ipaddress
from typing import Any

from ansible_collections.endpoint_stats.ops.plugins.module_utils._kubernetes.serving_request import SIGNER
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
