# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides, from what the inventory asks for and what the cluster has, whether the stack can be deployed; changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._kubernetes.quantity import quantity
from .._preflight import failed

PART_OF = "app.kubernetes.io/part-of"
STACK = "endpoint-stats"
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_DIGEST = "@sha256:"
_DIGEST_CHARACTERS = 64

Failures = Iterator[dict[str, str]]


@dataclass(frozen=True)
class Wanted:
    """What the inventory asks for; sizes are Kubernetes quantities."""

    cluster: str
    namespace: str
    ops_hosts: Sequence[str]
    images: Mapping[str, str]
    required_images: Sequence[str]
    storage_class: str
    claims: Sequence[Mapping[str, str]]
    workloads: Sequence[Mapping[str, Any]]
    secrets: Sequence[str]
    known_secrets: Sequence[str]
    numbers: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Found:
    """What the cluster has; the namespace is none where it does not exist."""

    cluster: str = ""
    namespace: Mapping[str, Any] | None = None
    storage_classes: Sequence[Mapping[str, Any]] = ()
    claims: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def inventory_failures(wanted: Wanted) -> Failures:
    """What is wrong whatever the cluster says."""
    if not wanted.cluster:
        yield failed("endpoint_stats_cluster", "is empty", "Name the cluster as the cluster names itself.")
    if len(wanted.ops_hosts) != 1:
        names = ", ".join(wanted.ops_hosts) or "none"
        yield failed(
            "the group ops", f"must have exactly one host, it has {names}", "Name ops-runner-0 in it, as inventories/example does."
        )
    for name in wanted.required_images:
        yield from _image_failures(name, wanted.images.get(name) or "")
    for name in sorted(set(wanted.images) - {*wanted.required_images, "proxy"}):
        yield failed(f"app_stack_images.{name}", "is an image that nothing runs", "Take it out, or correct its name.")
    for name in sorted(set(wanted.secrets) - set(wanted.known_secrets)):
        yield failed(f"app_stack_secrets.{name}", "is a secret that nothing reads", f"Known are: {', '.join(wanted.known_secrets)}.")
    for claim in wanted.claims:
        yield from _quantity_failures(f"the size of claim {claim['name']}", claim["size"])
    for workload in wanted.workloads:
        yield from _resource_failures(str(workload["name"]), workload["resources"])
    for number in wanted.numbers:
        if number["value"] < number["minimum"]:
            yield failed(str(number["name"]), f"is {number['value']}, at least {number['minimum']} is needed", str(number["remedy"]))


def cluster_failures(wanted: Wanted, found: Found) -> Failures:
    """What in the cluster stands against it."""
    if found.cluster != wanted.cluster:
        said = found.cluster or "nothing (it was neither made nor checked by the role kubernetes_cluster)"
        yield failed(
            "the cluster behind the kubeconfig",
            f"calls itself {said}, the inventory means {wanted.cluster}",
            "Use the kubeconfig of the cluster the inventory means. A cluster that somebody else runs gets its name by "
            f"kubectl --namespace kube-system create configmap endpoint-stats-cluster --from-literal=name={wanted.cluster}.",
        )
    yield from _namespace_failures(wanted, found.namespace)
    name = storage_class(wanted, found)
    if not name:
        yield failed("the storage", "has no default class", "Mark one as default, or name one in app_stack_storage_class.")
    elif name not in _classes(found):
        yield failed("app_stack_storage_class", f"{name} does not exist", f"Classes are: {', '.join(sorted(_classes(found))) or 'none'}.")
    for claim in wanted.claims:
        if claim["name"] in found.claims:
            yield from _claim_failures(wanted, found, claim)


def storage_class(wanted: Wanted, found: Found) -> str:
    """The class of new claims."""
    defaults = [name for name, item in _classes(found).items() if _annotations(item).get(_DEFAULT_CLASS) == "true"]
    return wanted.storage_class or (defaults[0] if defaults else "")


def grown_claims(wanted: Wanted, found: Found) -> list[str]:
    """Claims that exist and become larger."""
    return [str(claim["name"]) for claim in wanted.claims if claim["name"] in found.claims and _growth(found, claim) > 0]


def _image_failures(name: str, reference: str) -> Failures:
    digest = reference.partition(_DIGEST)[2]
    if not reference:
        yield failed(f"app_stack_images.{name}", "is missing", "`make images REGISTRY=…` builds the images and prints these lines.")
    elif len(digest) != _DIGEST_CHARACTERS:
        yield failed(f"app_stack_images.{name}", f"{reference} is not named by digest", "Name it as registry/name@sha256:….")


def _quantity_failures(subject: str, size: str) -> Failures:
    try:
        quantity(size)
    except ValueError as error:
        yield failed(subject, str(error).rstrip("."), "Correct it.")


def _resource_failures(name: str, resources: Mapping[str, Mapping[str, str]]) -> Failures:
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    broken = False
    for part, sizes in (("requests", requests), ("limits", limits)):
        for key, size in sizes.items():
            complaints = list(_quantity_failures(f"{name}, {part}.{key}", size))
            broken = broken or bool(complaints)
            yield from complaints
    if broken:
        return
    for key in sorted(set(requests) & set(limits)):
        if quantity(limits[key]) < quantity(requests[key]):
            yield failed(
                f"{name}, {key}", f"has limit {limits[key]} below its request {requests[key]}", "Raise the limit or lower the request."
            )
    if "memory" not in limits:
        yield failed(f"{name}, memory", "has no limit", "Give it one: settings are made from it.")


def _namespace_failures(wanted: Wanted, namespace: Mapping[str, Any] | None) -> Failures:
    if namespace is None:
        return
    labels = namespace["metadata"].get("labels") or {}
    if namespace["metadata"].get("deletionTimestamp"):
        yield failed(f"the namespace {wanted.namespace}", "is being deleted", "Wait until it is gone.")
    elif labels.get(PART_OF) != STACK:
        yield failed(
            f"the namespace {wanted.namespace}",
            f"belongs to {labels.get(PART_OF) or 'something else'}: it has no label {PART_OF}={STACK}",
            f"Choose another in endpoint_stats_namespace, or hand it over: kubectl label namespace {wanted.namespace} {PART_OF}={STACK}.",
        )


def _claim_failures(wanted: Wanted, found: Found, claim: Mapping[str, str]) -> Failures:
    spec = found.claims[claim["name"]]["spec"]
    used, subject = str(spec.get("storageClassName") or ""), f"the claim {claim['name']}"
    if wanted.storage_class and used != wanted.storage_class:
        yield failed(
            subject,
            f"has storage class {used}, app_stack_storage_class is {wanted.storage_class}; a class cannot be changed in place",
            "Keep the class, or restore a backup into a stack with the new one.",
        )
    growth, size = _growth(found, claim), _size(found, claim)
    if growth < 0:
        yield failed(subject, f"has {size}, {claim['size']} is asked for; a volume cannot shrink", f"Ask for {size} or more.")
    elif growth > 0 and not _classes(found).get(used, {}).get("allowVolumeExpansion"):
        yield failed(
            subject,
            f"has {size}, {claim['size']} is asked for; its storage class {used} does not expand volumes",
            f"Ask for {size}, or restore a backup into a stack with a larger claim of another class.",
        )


def _growth(found: Found, claim: Mapping[str, str]) -> float:
    """How many bytes are asked for beyond what the claim has asked for so far."""
    try:
        return quantity(claim["size"]) - quantity(_size(found, claim))
    except ValueError:
        return 0  # said among the failures of the inventory


def _size(found: Found, claim: Mapping[str, str]) -> str:
    return str(found.claims[claim["name"]]["spec"]["resources"]["requests"]["storage"])


def _classes(found: Found) -> dict[str, Mapping[str, Any]]:
    return {str(item["metadata"]["name"]): item for item in found.storage_classes}


def _annotations(item: Mapping[str, Any]) -> Mapping[str, str]:
    return item["metadata"].get("annotations") or {}
