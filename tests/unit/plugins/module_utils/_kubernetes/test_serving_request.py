# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._kubernetes.serving_request import judge
from cryptography import x509

from tests.unit.plugins.module_utils._kubernetes.signing_requests import (
    COMMON,
    GOOD_NAMES,
    GOOD_SUBJECT,
    NODES,
    ORG,
    UNIT,
    WANTED,
    address,
    node,
    pem,
    request,
    with_wrong_signature,
)


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
