# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls that are made to the Kubernetes API: what comes back are plain documents or text, every failure is an OpsError."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .._deps import declare
from .._errors import OpsError
from .answer import ApiError, document_of, items_of, said

with declare("kubernetes", minimum="24.2.0"):
    import kubernetes
    import kubernetes.client
    import kubernetes.config

with declare("urllib3"):
    import urllib3

_REQUEST_TIMEOUT_SECONDS = 10
_KUBELET_PORT = 10250


class Api:
    """The calls the collection makes to one API server; without a kubeconfig as the ServiceAccount of the pod it runs in."""

    def __init__(self, kubeconfig: str, context: str | None = None) -> None:
        self._client = _load(kubeconfig, context) if kubeconfig else _load_from_pod()
        self._client.configuration.retries = False
        self._server = self._client.configuration.host
        self._core = kubernetes.client.CoreV1Api(self._client)
        self._apps = kubernetes.client.AppsV1Api(self._client)
        self._batch = kubernetes.client.BatchV1Api(self._client)
        self._networking = kubernetes.client.NetworkingV1Api(self._client)
        self._certificates = kubernetes.client.CertificatesV1Api(self._client)
        self._authorization = kubernetes.client.AuthorizationV1Api(self._client)

    def nodes(self) -> list[dict[str, Any]]:
        return items_of(self._call("The nodes could not be listed", self._core.list_node))

    def signing_requests(self, signer: str) -> list[dict[str, Any]]:
        listing = self._certificates.list_certificate_signing_request
        selector = f"spec.signerName={signer}"
        return items_of(self._call("The certificate signing requests could not be listed", listing, field_selector=selector))

    def approve(self, request: dict[str, Any], reason: str, message: str) -> None:
        """Approve exactly the request that was looked at: the server refuses if it is another by now."""
        condition = {"type": "Approved", "status": "True", "reason": reason, "message": message}
        name, version = request["metadata"]["name"], request["metadata"]["resourceVersion"]
        conditions = [*request.get("status", {}).get("conditions", []), condition]
        body = {"metadata": {"resourceVersion": version}, "status": {"conditions": conditions}}
        patch = self._certificates.patch_certificate_signing_request_approval
        self._call(f"The certificate signing request {name} could not be approved", patch, name, body)

    def kubelet_health(self, node: str) -> str:
        """What the node's kubelet says to the API server about itself: ok, when the way there works."""
        proxy = self._core.connect_get_node_proxy_with_path
        return self._call(f"The kubelet of {node} could not be asked", proxy, node, "healthz").strip()

    def may(self, verb: str, resource: str, group: str) -> bool:
        """Whether the kubeconfig's user has a right in all namespaces, as the API server sees it."""
        attributes = {"verb": verb, "resource": resource, "group": group}
        review = self._authorization.create_self_subject_access_review
        answer = self._call("The rights could not be asked for", review, {"spec": {"resourceAttributes": attributes}})
        return bool(json.loads(answer)["status"]["allowed"])

    def get(self, summary: str, path: str, **query: Any) -> dict[str, Any]:
        """The document at a path."""
        return document_of(summary, f"{self._server}{path}", self.text(summary, path, **query))

    def text(self, summary: str, path: str, **query: Any) -> str:
        """What the API server sends for a path; the names in a query are those of the API."""
        return self._raw(summary, f"{self._server}{path}", query)

    def kubelet_stats(self, address: str) -> dict[str, Any]:
        """What a kubelet says when it is asked itself: that needs the right to nodes/stats, the way through the API server nodes/proxy."""
        url = f"https://{f'[{address}]' if ':' in address else address}:{_KUBELET_PORT}/stats/summary"
        summary = "The kubelet could not be asked"
        return document_of(summary, url, self._raw(summary, url, {}))

    def _raw(self, summary: str, url: str, query: dict[str, Any]) -> str:
        """A plain GET with the client's credentials and authorities; the generated calls differ between versions of the library."""
        credentials = self._client.configuration.auth_settings().values()
        headers = {setting["key"]: setting["value"] for setting in credentials if setting["in"] == "header"}
        timeout = urllib3.Timeout(connect=_REQUEST_TIMEOUT_SECONDS, read=_REQUEST_TIMEOUT_SECONDS)
        pool = self._client.rest_client.pool_manager
        try:
            answer = pool.request("GET", url, fields=query, headers=headers, timeout=timeout, retries=False)
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(summary, status=0, where=url, cause=str(error)) from error
        if answer.status != 200:
            cause = f"HTTP status {answer.status}: {said(answer.data) or answer.reason}"
            raise ApiError(summary, status=answer.status, where=url, cause=cause)
        return str(answer.data.decode("utf-8", errors="replace"))

    def config_map(self, namespace: str, name: str) -> dict[str, Any] | None:
        return self._read(f"The ConfigMap {namespace}/{name} could not be read", self._core.read_namespaced_config_map, name, namespace)

    def pod(self, namespace: str, name: str) -> dict[str, Any] | None:
        return self._read(f"The pod {namespace}/{name} could not be read", self._core.read_namespaced_pod, name, namespace)

    def namespaces(self) -> list[dict[str, Any]]:
        return items_of(self._call("The namespaces could not be listed", self._core.list_namespace))

    def network_policies(self) -> list[dict[str, Any]]:
        return items_of(self._call("The NetworkPolicies could not be listed", self._networking.list_network_policy_for_all_namespaces))

    def workloads(self, namespace: str) -> list[dict[str, Any]]:
        """Everything in a namespace that has a pod template, with its kind."""
        listings = {
            "Deployment": self._apps.list_namespaced_deployment,
            "StatefulSet": self._apps.list_namespaced_stateful_set,
            "DaemonSet": self._apps.list_namespaced_daemon_set,
            "Job": self._batch.list_namespaced_job,
            "CronJob": self._batch.list_namespaced_cron_job,
        }
        return [
            {**item, "kind": kind}
            for kind, listing in listings.items()
            for item in items_of(self._call(f"The objects of kind {kind} in {namespace} could not be listed", listing, namespace))
        ]

    def failed_pods(self, namespace: str) -> list[dict[str, Any]]:
        summary = f"The failed pods of {namespace} could not be listed"
        return items_of(self._call(summary, self._core.list_namespaced_pod, namespace, field_selector="status.phase=Failed"))

    def jobs(self, namespace: str) -> list[dict[str, Any]]:
        return items_of(self._call(f"The Jobs of {namespace} could not be listed", self._batch.list_namespaced_job, namespace))

    def delete(self, kind: str, document: Mapping[str, Any]) -> bool:
        """Delete exactly the pod or Job that was looked at, and what belongs to it; false where it is gone or changed by now."""
        call = {"Pod": self._core.delete_namespaced_pod, "Job": self._batch.delete_namespaced_job}[kind]
        name, namespace = document["metadata"]["name"], document["metadata"]["namespace"]
        same = {key: document["metadata"][key] for key in ("uid", "resourceVersion")}
        body = {"propagationPolicy": "Background", "preconditions": same}
        try:
            self._call(f"The {kind} {namespace}/{name} could not be deleted", call, name, namespace, body=body)
        except ApiError as error:
            if error.status in (404, 409):
                return False
            raise
        return True

    def _read(self, summary: str, call: Callable[..., Any], *arguments: Any) -> dict[str, Any] | None:
        """One object; none where there is no such one."""
        try:
            found: dict[str, Any] = json.loads(self._call(summary, call, *arguments))
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return found

    def _call(self, summary: str, call: Callable[..., Any], *arguments: Any, **options: Any) -> str:
        timeout = (_REQUEST_TIMEOUT_SECONDS, _REQUEST_TIMEOUT_SECONDS)
        try:
            answer = call(*arguments, **options, _preload_content=False, _request_timeout=timeout)
            return str(answer.data.decode("utf-8", errors="replace"))
        except kubernetes.client.ApiException as error:
            cause = f"HTTP status {error.status}: {said(error.body) or error.reason}"
            raise ApiError(summary, status=error.status or 0, where=self._server, cause=cause) from error
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(summary, status=0, where=self._server, cause=str(error)) from error


def _load(kubeconfig: str, context: str | None) -> Any:
    """Messages of a YAML parser quote the file, so only its kind of complaint is passed on."""
    if not Path(kubeconfig).is_file():
        raise OpsError("The kubeconfig is not there", where=kubeconfig, remedy="Name a file that exists on this host.")
    try:
        return kubernetes.config.new_client_from_config(config_file=kubeconfig, context=context, persist_config=False)
    except kubernetes.config.ConfigException as error:
        cause = str(error)
    except Exception as error:  # whatever a parser or a credential plugin says may carry a secret
        cause = type(error).__name__
    raise OpsError("The kubeconfig could not be used", where=kubeconfig, cause=cause, remedy="Check it with kubectl.")


def _load_from_pod() -> Any:
    try:
        configuration = kubernetes.client.Configuration()
        kubernetes.config.load_incluster_config(client_configuration=configuration)
    except kubernetes.config.ConfigException as error:
        raise OpsError(
            "No kubeconfig was given, and this is no pod with a ServiceAccount",
            cause=str(error),
            remedy="Set endpoint_stats_kubeconfig to the path of a kubeconfig.",
        ) from error
    return kubernetes.client.ApiClient(configuration)
