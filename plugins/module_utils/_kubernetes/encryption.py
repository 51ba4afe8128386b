# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads Secrets back from etcd, as stored, and tells the encrypted from the plain ones."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import asdict, dataclass
from typing import Any

from .._errors import OpsError
from .._process import run

CTR = ["/usr/local/bin/ctr", "--namespace", "k8s.io"]
PKI = "/etc/kubernetes/pki/etcd"
PREFIX = "/registry/secrets/"


@dataclass(frozen=True)
class StoredSecrets:
    """How Secrets lie in etcd; names only, never a value."""

    total: int
    encrypted: int
    plain: list[str]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def etcd_container() -> str:
    """The newest container of the etcd static pod."""
    completed = run([*CTR, "tasks", "list"], timeout_seconds=30).check(
        "The running containers could not be listed", remedy="See whether containerd runs on this machine."
    )
    running = {line.split()[0] for line in completed.stdout.splitlines()[1:] if line.split()[2:3] == ["RUNNING"]}
    named = run([*CTR, "containers", "list", "--quiet", 'labels."io.kubernetes.container.name"==etcd'], timeout_seconds=30).check(
        "The containers could not be listed"
    )
    for container in named.stdout.split():
        if container in running:
            return container
    raise OpsError("etcd does not run on this machine", remedy="Look at /var/log/pods/kube-system_etcd-*.")


def judge(answer: str) -> StoredSecrets:
    """Splits etcdctl's JSON answer by the prefix that the API server puts before what it encrypted."""
    values = json.loads(answer).get("kvs", [])
    plain = sorted(
        base64.b64decode(entry["key"]).decode().removeprefix(PREFIX)
        for entry in values
        if not base64.b64decode(entry.get("value", "")).startswith(b"k8s:enc:")
    )
    return StoredSecrets(total=len(values), encrypted=len(values) - len(plain), plain=plain)


def stored_secrets() -> StoredSecrets:
    completed = run(
        [
            *CTR, "tasks", "exec", "--exec-id", f"endpoint-stats-{os.getpid()}", etcd_container(),
            "etcdctl", "--endpoints", "https://127.0.0.1:2379", "--cacert", f"{PKI}/ca.crt",
            "--cert", f"{PKI}/healthcheck-client.crt", "--key", f"{PKI}/healthcheck-client.key",
            "get", PREFIX, "--prefix", "--write-out=json",
        ],
        timeout_seconds=60,
    )  # fmt: skip
    completed.check("etcd could not be read", remedy="Look at /var/log/pods/kube-system_etcd-*.")
    return judge(completed.stdout)
