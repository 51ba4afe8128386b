# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Kubernetes API as plain documents: every answer is a dictionary or text, every failure an OpsError."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .._deps import declare
from .._errors import OpsError

with declare("kubernetes", minimum="24.2.0"):
    import kubernetes
    import kubernetes.client
    import kubernetes.config

with declare("urllib3"):
    import urllib3

_REQUEST_TIMEOUT_SECONDS = 10
_SHOWN_ANSWER_CHARACTERS = 500


class ApiError(OpsError):
    """The API server refused, or did not answer; `status` is 0 then."""

    def __init__(self, summary: str, *, status: int, where: str, cause: str) -> None:
        remedies = {401: "Check the credentials of the kubeconfig.", 403: "Check the rights of the kubeconfig's user."}
        super().__init__(summary, where=where, cause=cause, remedy=remedies.get(status, ""), status=status)
        self.status = status

    @property
    def lasting(self) -> bool:
        """Whether asking again would be answered the same way."""
        return self.status in (401, 403)


class Api:
    """The calls the collection makes to one API server."""

    def __init__(self, kubeconfig: str, context: str | None = None) -> None:
        self._client = _load(kubeconfig, context)
        self._client.configuration.retries = False
        self._server = self._client.configuration.host
        self._core = kubernetes.client.CoreV1Api(self._client)
        self._certificates = kubernetes.client.CertificatesV1Api(self._client)
        self._authorization = kubernetes.client.AuthorizationV1Api(self._client)

    def nodes(self) -> list[dict[str, Any]]:
        return _items(self._call("The nodes could not be listed", self._core.list_node))

    def signing_requests(self, signer: str) -> list[dict[str, Any]]:
        listing = self._certificates.list_certificate_signing_request
        selector = f"spec.signerName={signer}"
        return _items(self._call("The certificate signing requests could not be listed", listing, field_selector=selector))

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

    def _call(self, summary: str, call: Callable[..., Any], *arguments: Any, **options: Any) -> str:
        timeout = (_REQUEST_TIMEOUT_SECONDS, _REQUEST_TIMEOUT_SECONDS)
        try:
            answer = call(*arguments, **options, _preload_content=False, _request_timeout=timeout)
            return str(answer.data.decode("utf-8", errors="replace"))
        except kubernetes.client.ApiException as error:
            cause = f"HTTP status {error.status}: {_said(error.body) or error.reason}"
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


def _items(answer: str) -> list[dict[str, Any]]:
    return list(json.loads(answer).get("items") or [])


def _said(body: Any) -> str:
    """The message of a Status document, or the beginning of whatever else the server sent."""
    text = body.decode("utf-8", errors="replace") if isinstance(body, bytes) else str(body or "")
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text.strip()[:_SHOWN_ANSWER_CHARACTERS]
