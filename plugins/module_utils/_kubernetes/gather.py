# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the API server for the parts of the report that Kubernetes answers; each part fails alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from .._errors import OpsError
from .._report.part import Part, timed
from . import claim_health, event_health, job_health, log_health, usage_health, workload_health
from .answer import ApiError
from .api import Api
from .limits import Limits
from .objects import is_young

Kubelet = Literal["proxy", "direct", "none"]
_LOG_LINES = 500
_LOG_BYTES = 1024 * 1024
_EVENTS = 500


@dataclass
class Namespace:
    """One namespace as the API server shows it; what did not answer once is not asked again, and pods are listed once."""

    api: Api
    name: str
    _silent: ApiError | None = None
    _listed: dict[str, list[dict[str, Any]] | OpsError] = field(default_factory=dict)

    def items(self, kind: str, group: str = "/api/v1", **query: Any) -> list[dict[str, Any]]:
        """Objects of a kind, named in the plural; a list's items lack their own kind."""
        key = f"{group}/{kind}"
        if key not in self._listed:
            try:
                self._listed[key] = list(
                    self._get(f"The {kind} could not be listed", f"{group}/namespaces/{self.name}/{kind}", **query)["items"]
                )
            except OpsError as error:
                self._listed[key] = error
        found = self._listed[key]
        if isinstance(found, OpsError):
            raise found
        return found

    def log(self, pod: str, container: str) -> str:
        path = f"/api/v1/namespaces/{self.name}/pods/{pod}/log"
        query = {"container": container, "tailLines": _LOG_LINES, "limitBytes": _LOG_BYTES, "timestamps": "true"}
        return self.api.text(f"The log of {pod} could not be read", path, **query)

    def _get(self, summary: str, path: str, **query: Any) -> dict[str, Any]:
        if self._silent:
            raise self._silent
        try:
            return self.api.get(summary, path, **query)
        except ApiError as error:
            if error.status == 0:
                self._silent = error
            raise


def gather(
    api: Api,
    name: str,
    now: datetime,
    limits: Limits,
    *,
    workloads: Sequence[str],
    events: int,
    api_selector: Mapping[str, str],
    kubelet: Kubelet,
) -> dict[str, Part]:
    """Every part by name."""
    namespace = Namespace(api, name)
    asks = {
        "pods": lambda: workload_health.pods(namespace.items("pods"), _workloads(namespace), workloads, now, limits),
        "events": lambda: event_health.events(namespace.items("events", limit=_EVENTS), events, now, limits),
        "usage": lambda: usage_health.usage(namespace.items("pods"), namespace.items("pods", "/apis/metrics.k8s.io/v1beta1"), now, limits),
        "claims": lambda: _claims(namespace, now, limits, kubelet),
        "api_log": lambda: _api_log(namespace, api_selector),
        "jobs": lambda: job_health.jobs(namespace.items("cronjobs", "/apis/batch/v1"), namespace.items("jobs", "/apis/batch/v1")),
    }
    return {part: timed(ask) for part, ask in asks.items()}


def _workloads(namespace: Namespace) -> list[dict[str, Any]]:
    kinds = {"Deployment": "deployments", "StatefulSet": "statefulsets"}
    return [{**item, "kind": kind} for kind, plural in kinds.items() for item in namespace.items(plural, "/apis/apps/v1")]


def _claims(namespace: Namespace, now: datetime, limits: Limits, kubelet: Kubelet) -> Part:
    listed = namespace.items("persistentvolumeclaims")
    volumes: dict[str, Any] = {}
    reasons = []
    nodes = {} if kubelet == "none" else _nodes_with_claims(namespace.items("pods"))
    for node, address in sorted(nodes.items()):
        try:
            volumes.update(_volumes(_stats(namespace.api, node, address, kubelet), namespace.name))
        except OpsError as error:
            reasons.append(f"{node}: {error}")
    part = claim_health.claims(listed, volumes, kubelet != "none", limits)
    # A kubelet measures once a minute, so it has nothing yet of a pod that has just started.
    mounted = _mounted([pod for pod in namespace.items("pods") if not is_young(pod, now)]) if nodes else set()
    unknown = [row["name"] for row in part.data["claims"] if row["name"] in mounted and row["used_bytes"] is None]
    if unknown and not reasons:
        reasons.append(f"the kubelet says nothing of {', '.join(unknown)}")
    return Part(part.data, part.findings, "; ".join(reasons))


def _stats(api: Api, node: str, address: str, kubelet: Kubelet) -> dict[str, Any]:
    if kubelet == "direct":
        return api.kubelet_stats(address)
    return api.get("The kubelet could not be asked", f"/api/v1/nodes/{node}/proxy/stats/summary")


def _running(pods: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [pod for pod in pods if pod.get("status", {}).get("phase") == "Running"]


def _claims_of(pod: Mapping[str, Any]) -> set[str]:
    return {volume["persistentVolumeClaim"]["claimName"] for volume in pod["spec"].get("volumes", []) if "persistentVolumeClaim" in volume}


def _mounted(pods: Sequence[Mapping[str, Any]]) -> set[str]:
    return {claim for pod in _running(pods) for claim in _claims_of(pod)}


def _nodes_with_claims(pods: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {pod["spec"]["nodeName"]: pod["status"].get("hostIP", "") for pod in _running(pods) if _claims_of(pod)}


def _volumes(stats: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    volumes = [volume for pod in stats.get("pods", []) for volume in pod.get("volume", [])]
    claimed = [volume for volume in volumes if volume.get("pvcRef", {}).get("namespace") == namespace]
    return {volume["pvcRef"]["name"]: volume for volume in claimed}


def _api_log(namespace: Namespace, selector: Mapping[str, str]) -> Part:
    pods = [pod for pod in _running(namespace.items("pods")) if selector.items() <= pod["metadata"].get("labels", {}).items()]
    if not pods:
        return Part(reason="no pod of the API is running")
    texts: dict[str, str] = {}
    reasons = []
    for pod in pods:
        name = pod["metadata"]["name"]
        try:
            texts[name] = namespace.log(name, pod["spec"]["containers"][0]["name"])
        except OpsError as error:
            reasons.append(str(error))
    part = log_health.api_log(texts)
    return Part(part.data, part.findings, "; ".join(reasons))
