# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an operation runs where it means to: the inventory, the limit, the kubeconfig, the cluster and the pod beside the data."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from .._clock import written
from .._deps import declare
from .._errors import OpsError

with declare("yaml", distribution="PyYAML"):
    import yaml

with declare("cryptography"):
    from cryptography import x509

IDENTITY_NAMESPACE, IDENTITY_NAME = "kube-system", "endpoint-stats-cluster"
OPS_GROUP = "ops"
_NO_GROUPS = {"all", "ungrouped"}


class Cluster(Protocol):
    """What is asked of the Kubernetes API."""

    def config_map(self, namespace: str, name: str) -> dict[str, Any] | None: ...
    def pod(self, namespace: str, name: str) -> dict[str, Any] | None: ...


@dataclass(frozen=True)
class Place:
    """Where the tasks of the group ops run."""

    place: str
    ops: str
    pod: str = ""
    node: str = ""
    cluster: str = ""
    credential_ends_at: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def ops_host(groups: Mapping[str, Sequence[str]], hosts: Sequence[str]) -> str:
    """The one host of the group ops, when this run has it and localhost."""
    found = list(groups.get(OPS_GROUP) or [])
    if not found:
        others = ", ".join(sorted(name for name in groups if groups[name] and name not in _NO_GROUPS)) or "none"
        remedy = "Name the inventory of this cluster with -i; inventories/example shows the group."
        raise OpsError("The inventory has no host in the group ops", cause=f"its groups are: {others}", remedy=remedy)
    if len(found) > 1:
        remedy = "Leave one host in the group, the one beside the data."
        raise OpsError(f"The group ops has {len(found)} hosts, an operation needs exactly one", cause=", ".join(found), remedy=remedy)
    missing = [host for host in dict.fromkeys(["localhost", found[0]]) if host not in hosts]
    if missing:
        remedy = "Run it again without --limit: an operation needs localhost and the host of the group ops."
        kept = ", ".join(hosts) or "nobody"
        raise OpsError(f"This run leaves out {' and '.join(missing)}", cause=f"--limit keeps {kept}", remedy=remedy)
    return found[0]


def credential_end(kubeconfig: str, context: str | None) -> datetime | None:
    """When the kubeconfig's own certificate or token ends; none where it does not say, or is no file to be read."""
    try:
        document = yaml.safe_load(Path(kubeconfig).read_text())
        user = _user(document, context or document["current-context"])
        return _certificate_end(user, Path(kubeconfig).parent) or _token_end(str(user.get("token") or ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration, yaml.YAMLError):
        return None  # the client will say what is wrong with the file


def _user(document: Mapping[str, Any], context: str) -> Mapping[str, Any]:
    name = next(entry["context"]["user"] for entry in document["contexts"] if entry["name"] == context)
    user: Mapping[str, Any] = next(entry["user"] for entry in document["users"] if entry["name"] == name)
    return user


def _certificate_end(user: Mapping[str, Any], directory: Path) -> datetime | None:
    if user.get("client-certificate-data"):
        content = base64.b64decode(user["client-certificate-data"])
    elif user.get("client-certificate"):
        content = (directory / user["client-certificate"]).read_bytes()
    else:
        return None
    ends: datetime = x509.load_pem_x509_certificate(content).not_valid_after_utc
    return ends


def _token_end(token: str) -> datetime | None:
    if token.count(".") != 2:
        return None
    body = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return datetime.fromtimestamp(int(claims["exp"]), UTC) if "exp" in claims else None


def refuse_ended(ends: datetime | None, kubeconfig: str, now: datetime) -> None:
    if ends and ends <= now:
        raise OpsError(
            "The credential of the kubeconfig has ended",
            where=kubeconfig,
            cause=f"it was valid until {written(ends)}, now it is {written(now)}",
            remedy="Fetch a new one: the playbook endpoint_stats.ops.kubernetes_cluster writes it, or ask whoever runs the cluster.",
        )


def refuse_another_cluster(cluster: Cluster, wanted: str, kubeconfig: str) -> str:
    """The name the living cluster gives itself."""
    found = cluster.config_map(IDENTITY_NAMESPACE, IDENTITY_NAME) or {}
    living = str((found.get("data") or {}).get("name", ""))
    if wanted and living and living != wanted:
        remedy = "Use the inventory and the kubeconfig of the same cluster."
        raise OpsError(f"This is the cluster {living}, the inventory means {wanted}", where=kubeconfig, remedy=remedy)
    return living


def refuse_without_kubectl(found: str | None) -> None:
    """The connection plugin of the pod runs this program on localhost."""
    if not found:
        remedy = "Put the kubectl of the cluster's version into a directory of PATH."
        raise OpsError("There is no program kubectl on localhost, by which the pod is reached", remedy=remedy)


def node_of_pod(cluster: Cluster, namespace: str, name: str) -> str:
    """Where the pod runs, when it is ready for work."""
    where = f"{namespace}/{name}"
    remedy = f"Run the playbook endpoint_stats.ops.app_stack, which makes it; then kubectl --namespace {namespace} describe pod {name}."
    if not name:
        raise OpsError("The host of the group ops names no pod", remedy="Set ansible_kubectl_pod: ops-runner-0 in the inventory.")
    pod = cluster.pod(namespace, name)
    if pod is None:
        raise OpsError("The pod of the group ops is not there", where=where, remedy=remedy)
    status = pod.get("status") or {}
    conditions = {condition["type"]: condition for condition in status.get("conditions") or []}
    if conditions.get("Ready", {}).get("status") != "True" or pod["metadata"].get("deletionTimestamp"):
        raise OpsError("The pod of the group ops is not ready", where=where, cause=_why_not_ready(pod, conditions), remedy=remedy)
    return str(pod["spec"].get("nodeName", ""))


def _why_not_ready(pod: Mapping[str, Any], conditions: Mapping[str, Mapping[str, Any]]) -> str:
    if pod["metadata"].get("deletionTimestamp"):
        return "it is being deleted"
    states = [entry.get("state") or {} for entry in pod["status"].get("containerStatuses") or []]
    reasons = [f"{name}: {state[name].get('reason', '')}" for state in states for name in ("waiting", "terminated") if name in state]
    unmet = [
        f"{condition.get('reason', '')} {condition.get('message', '')}".strip()
        for condition in conditions.values()
        if condition["status"] != "True"
    ]
    return "; ".join(part for part in [f"phase {pod['status'].get('phase', 'unknown')}", *reasons, *unmet] if part)
