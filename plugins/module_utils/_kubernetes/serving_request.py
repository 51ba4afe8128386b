# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kubelet may have which serving certificate.

Kubernetes approves no request of the signer kubernetes.io/kubelet-serving by itself: whoever approves vouches for the names.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from .._deps import declare
from .._report.finding import Finding

with declare("cryptography", minimum="3.3"):
    from cryptography import x509
    from cryptography.x509.oid import ExtensionOID, NameOID

SIGNER = "kubernetes.io/kubelet-serving"
_USER_PREFIX = "system:node:"
_GROUP = "system:nodes"
_USAGES = (["digital signature", "server auth"], ["digital signature", "key encipherment", "server auth"])


class RefusedError(Exception):
    """Why a request is left pending."""


@dataclass(frozen=True)
class Verdict:
    """What was decided about one pending request."""

    request: str
    node: str
    names: tuple[str, ...]
    refusal: str

    def to_approved(self) -> dict[str, Any]:
        return {"request": self.request, "node": self.node, "names": list(self.names)}

    def to_refused(self) -> dict[str, Any]:
        return {"request": self.request, "node": self.node, "reason": self.refusal}

    def to_finding(self) -> Finding:
        return Finding(
            id="kubelet_serving_request_refused",
            severity="warning",
            subject=self.node or self.request,
            summary=f"The serving certificate request {self.request} is left pending.",
            evidence=self.refusal,
            remedy=f"If the machine is to be trusted, correct what differs and run again; else kubectl certificate deny {self.request}.",
        )


def judge(request: Mapping[str, Any], nodes: Mapping[str, Mapping[str, Any]], wanted: Collection[str]) -> Verdict:
    """Compare a request with the Node it claims to come from; `nodes` are all Node objects by name."""
    spec = request["spec"]
    user = str(spec.get("username", ""))
    node = user.removeprefix(_USER_PREFIX) if user.startswith(_USER_PREFIX) else ""
    names: tuple[str, ...] = ()
    refusal = ""
    try:
        _check_requestor(spec, node, nodes, wanted)
        names = _check_certificate(_parse(spec), user, node, nodes)
    except RefusedError as error:
        refusal = str(error)
    return Verdict(request["metadata"]["name"], node, names, refusal)


def _check_requestor(spec: Mapping[str, Any], node: str, nodes: Mapping[str, Any], wanted: Collection[str]) -> None:
    if spec.get("signerName") != SIGNER:
        raise RefusedError(f"its signer is {spec.get('signerName')}, not {SIGNER}")
    if not node:
        raise RefusedError(f"it was made by {spec.get('username')}, who is no node")
    if _GROUP not in (spec.get("groups") or []):
        raise RefusedError(f"its requestor is not in the group {_GROUP}")
    if node not in wanted:
        raise RefusedError(f"the node {node} is not in the inventory")
    if node not in nodes:
        raise RefusedError(f"there is no Node object {node}")
    if sorted(spec.get("usages") or []) not in _USAGES:
        raise RefusedError(f"it asks for the usages {', '.join(spec.get('usages') or ['none'])}")


def _parse(spec: Mapping[str, Any]) -> x509.CertificateSigningRequest:
    try:
        parsed = x509.load_pem_x509_csr(base64.b64decode(spec.get("request", ""), validate=True))
        parsed.extensions  # noqa: B018 - parsed on first use, and a broken one must be refused here
    except (ValueError, binascii.Error, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise RefusedError(f"it holds no readable certificate request ({error})") from error
    if not parsed.is_signature_valid:
        raise RefusedError("its own signature is wrong")
    return parsed


def _check_certificate(
    parsed: x509.CertificateSigningRequest, user: str, node: str, nodes: Mapping[str, Mapping[str, Any]]
) -> tuple[str, ...]:
    """The names the certificate is for, when all of it is as the kubelet of this node may ask."""
    subject = [(attribute.oid, attribute.value) for attribute in parsed.subject]
    if len(subject) != 2 or set(subject) != {(NameOID.COMMON_NAME, user), (NameOID.ORGANIZATION_NAME, _GROUP)}:
        raise RefusedError(f"its subject is {parsed.subject.rfc4514_string() or 'empty'}, not CN={user},O={_GROUP}")
    allowed = (ExtensionOID.SUBJECT_ALTERNATIVE_NAME, ExtensionOID.KEY_USAGE, ExtensionOID.EXTENDED_KEY_USAGE)
    strangers = [extension.oid.dotted_string for extension in parsed.extensions if extension.oid not in allowed]
    if strangers:
        raise RefusedError(f"it asks for the certificate extension {strangers[0]}")
    names = _alternative_names(parsed)
    own = _addresses(nodes[node])
    for name in names:
        if name not in own:
            raise RefusedError(f"it asks for the name {name}, which is no address of the node {node}")
        others = sorted(other for other, document in nodes.items() if other != node and name in _addresses(document))
        if others:
            raise RefusedError(f"it asks for the name {name}, which is an address of the node {others[0]} as well")
    return names


def _alternative_names(parsed: x509.CertificateSigningRequest) -> tuple[str, ...]:
    try:
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    for name in names:
        if not isinstance(name, (x509.DNSName, x509.IPAddress)):
            raise RefusedError(f"it asks for a name that is neither DNS name nor address ({type(name).__name__})")
    if not list(names):
        raise RefusedError("it asks for no name and no address at all")
    return tuple(sorted(_canonical(str(name.value)) for name in names))


def _addresses(node: Mapping[str, Any]) -> set[str]:
    return {_canonical(str(entry.get("address", ""))) for entry in node.get("status", {}).get("addresses") or []}


def _canonical(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower()
