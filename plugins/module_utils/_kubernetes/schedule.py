# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An operation on a schedule, as objects of Kubernetes: its account, its settings and its CronJob, beside ops-runner."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._errors import OpsError
from .cron import intervals

SECRETS = "/run/secrets/endpoint-stats"
DATA = "/var/lib/endpoint-stats"
_SETTINGS = "/etc/endpoint-stats/settings"
_INVENTORY = "/etc/endpoint-stats/inventory"
_UID = 10004
_KEPT_SECONDS = 7 * 86400
_OWNER_AND_GROUP_READ = 0o440


@dataclass(frozen=True)
class Schedule:
    """C(credentials) are directories below that of the secrets, with the Secret of each; C(clients) the servers its pod may reach.

    A pod begins without the Secrets of C(optional_credentials) where there are none.
    """

    name: str
    namespace: str
    playbook: str
    image: str
    schedule: str
    time_zone: str
    suspended: bool
    deadline_seconds: int
    cpu: str
    memory: str
    settings: Mapping[str, Any]
    clients: Sequence[str] = ()
    credentials: Mapping[str, str] = field(default_factory=dict)
    optional_credentials: Mapping[str, str] = field(default_factory=dict)
    token: bool = False
    starting_deadline_seconds: int = 3600

    @property
    def labels(self) -> dict[str, str]:
        return {
            "app": self.name,
            "app.kubernetes.io/name": self.name,
            "app.kubernetes.io/part-of": "endpoint-stats",
            "app.kubernetes.io/managed-by": "endpoint-stats-ops",
        }

    def objects(self) -> list[dict[str, Any]]:
        """What is applied; the rights of the account are the role's own business."""
        if "@sha256:" not in self.image:
            raise OpsError(
                f"{self.name} has no image by digest",
                cause=self.image or "it is empty",
                remedy="Name the image of ops-runner as `make images` prints it.",
            )
        intervals(self.schedule, self.time_zone)
        return [self._account(), self._settings(), self._cron_job()]

    def _head(self, api_version: str, kind: str, name: str) -> dict[str, Any]:
        return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": self.namespace, "labels": self.labels}}

    def _account(self) -> dict[str, Any]:
        return {**self._head("v1", "ServiceAccount", self.name), "automountServiceAccountToken": False}

    def _settings(self) -> dict[str, Any]:
        return {
            **self._head("v1", "ConfigMap", f"{self.name}-settings"),
            "data": {"settings.json": json.dumps(self.settings, sort_keys=True)},
        }

    def _cron_job(self) -> dict[str, Any]:
        clients = {f"endpoint-stats/{client}-client": "true" for client in self.clients}
        job = {
            "backoffLimit": 0,
            "activeDeadlineSeconds": int(self.deadline_seconds),
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
            "template": {"metadata": {"labels": {**self.labels, **clients}}, "spec": self._pod()},
        }
        return {
            **self._head("batch/v1", "CronJob", self.name),
            "spec": {
                "schedule": self.schedule,
                "timeZone": self.time_zone,
                "suspend": bool(self.suspended),
                "concurrencyPolicy": "Forbid",
                "startingDeadlineSeconds": int(self.starting_deadline_seconds),
                "successfulJobsHistoryLimit": 3,
                "failedJobsHistoryLimit": 3,
                "jobTemplate": {"metadata": {"labels": self.labels}, "spec": job},
            },
        }

    def _pod(self) -> dict[str, Any]:
        beside = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "ops-runner"}}}
        return {
            "serviceAccountName": self.name,
            "automountServiceAccountToken": self.token,
            "enableServiceLinks": False,
            "restartPolicy": "Never",
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": _UID,
                "runAsGroup": _UID,
                "fsGroup": _UID,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            # The claim is on one node.
            "affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [beside]}},
            "containers": [self._container()],
            "volumes": [source for source, _mount in self._volumes()],
        }

    def _container(self) -> dict[str, Any]:
        arguments = ["ansible-playbook", f"--inventory={_INVENTORY}", f"--extra-vars=@{_SETTINGS}/settings.json"]
        environment = {
            "ANSIBLE_CALLBACKS_ENABLED": "endpoint_stats.ops.result_line",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_HOME": "/tmp/ansible",  # noqa: S108 - a volume of the pod alone
        }
        return {
            "name": self.name,
            "image": self.image,
            "args": [*arguments, f"endpoint_stats.ops.{self.playbook}"],
            "env": [{"name": name, "value": value} for name, value in environment.items()],
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
            "resources": {"requests": {"cpu": self.cpu, "memory": "128Mi"}, "limits": {"memory": self.memory}},
            "volumeMounts": [mount for _source, mount in self._volumes()],
        }

    def _volumes(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Each volume and where it is mounted."""
        config_maps = {
            "inventory": ("ops-inventory", _INVENTORY),
            "settings": (f"{self.name}-settings", _SETTINGS),
            "ca": ("endpoint-stats-ca", f"{SECRETS}/ca"),
        }
        read: list[tuple[str, dict[str, Any], str]] = [
            (name, {"configMap": {"name": source}}, path) for name, (source, path) in config_maps.items()
        ]
        read += [
            (secret, {"secret": {"secretName": secret, "defaultMode": _OWNER_AND_GROUP_READ}}, f"{SECRETS}/{directory}")
            for directory, secret in self.credentials.items()
        ]
        read += [
            (secret, {"secret": {"secretName": secret, "defaultMode": _OWNER_AND_GROUP_READ, "optional": True}}, f"{SECRETS}/{directory}")
            for directory, secret in self.optional_credentials.items()
        ]
        written: list[tuple[str, dict[str, Any], str]] = [
            ("data", {"persistentVolumeClaim": {"claimName": "ops-data"}}, DATA),
            ("home", {"emptyDir": {}}, "/home/ops"),
            ("tmp", {"emptyDir": {}}, "/tmp"),  # noqa: S108 - a volume of the pod alone
        ]
        return [
            *(({"name": name, **source}, {"name": name, "mountPath": path, "readOnly": True}) for name, source, path in read),
            *(({"name": name, **source}, {"name": name, "mountPath": path}) for name, source, path in written),
        ]
