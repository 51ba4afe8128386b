# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What whoever runs the stack brings along for its backups: keys, and an S3 service outside of the cluster, in the network of the lab.

And a small database of his own beside the stack's.
"""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.support import STACK, Lab, wait_until
from tests.integration.app import servers
from tests.integration.offsite.s3 import S3, SECRET

BUCKET = "backups"
COPIES = "test"
FURTHER = "audit"
MOUNTED = "/run/secrets/endpoint-stats"
_MOUNT_SECONDS = 180
# Three directories with five files.
_LISTED = 8


@dataclass(frozen=True)
class Elsewhere:
    """The service with its bucket, and the files that the Secrets are made of."""

    service: S3
    identity: str
    key: str

    @classmethod
    def made(cls, directory: Path, address: str) -> Elsewhere:
        """Not started yet."""
        servers.install(("age",))
        identity = subprocess.run(["age-keygen"], check=True, capture_output=True, text=True).stdout
        return cls(S3(directory, address), identity, secrets.token_hex(32))

    @property
    def copies(self) -> Path:
        """What the service has stored of the stack."""
        return self.service.buckets / BUCKET / COPIES

    @property
    def endpoint(self) -> dict[str, Any]:
        return {"cidr": f"{self.service.host}/32", "port": self.service.port}

    @property
    def needles(self) -> list[str]:
        """What may be shown nowhere."""
        return [SECRET, self.key, self.identity.split()[-1]]

    def variables(self) -> dict[str, Any]:
        """The inventory as docs/backups.md and docs/offsite.md have it."""
        keys, identity = {"backup-keys": "backup-keys"}, {"backup-identity": "backup-identity"}
        return {
            "endpoint_stats_offsite": {"remote": f"archive:{BUCKET}/{COPIES}", "secret": "offsite", "endpoints": [self.endpoint]},
            "endpoint_stats_backup_databases": [{"database": FURTHER}],
            "backups_offsite_ca_file": f"{MOUNTED}/offsite/ca.crt",
            "endpoint_stats_backup_secrets": keys,
            "endpoint_stats_backup_manifest_key_file": f"{MOUNTED}/backup-keys/manifest.key",
            "endpoint_stats_backup_globals_identity_file": f"{MOUNTED}/backup-identity/identity.txt",
            "app_stack_ops_runner_secrets": {**keys, **identity},
            "backups_globals_recipients_file": f"{MOUNTED}/backup-keys/recipients.txt",
            "backups_include_role_passwords": True,
            "backups_verify_schedule_level": "constraints",
            # A Job shall restore it, whoever has done so before.
            "backups_verify_recorded_max_age_seconds": 0,
        }

    def bring(self, lab: Lab) -> None:
        """Make the database and the Secrets. The pod of operations runs already, and gets them as they come."""
        lab.sql(f"CREATE DATABASE {FURTHER} OWNER owner", "postgres")
        lab.sql("SET ROLE owner; CREATE TABLE events AS SELECT generate_series(1, 9) AS number", FURTHER)
        recipients = subprocess.run(["age-keygen", "-y"], input=self.identity, check=True, capture_output=True, text=True).stdout
        files = {
            "offsite": {"rclone.conf": self.service.configuration(), "ca.crt": self.service.authority.read_text()},
            "backup-keys": {"manifest.key": f"{self.key}\n", "recipients.txt": recipients},
            "backup-identity": {"identity.txt": self.identity},
        }
        lab.apply(*(_secret(name, content) for name, content in files.items()))

    def await_arrival(self, lab: Lab) -> None:
        """Until the pod of operations has them: kubelet looks for what was missing once a minute."""
        listing = f"ls {MOUNTED}/offsite {MOUNTED}/backup-keys {MOUNTED}/backup-identity"
        wait_until(
            lambda: len(lab.stack("exec", "ops-runner-0", "--", "sh", "-c", listing).split()) == _LISTED,
            seconds=_MOUNT_SECONDS,
            what="Secrets in ops-runner-0",
        )


def _secret(name: str, content: Mapping[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": STACK}, "stringData": dict(content)}
