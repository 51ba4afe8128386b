# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backup is to be restored, and on what conditions."""

from __future__ import annotations

from dataclasses import dataclass

from .._errors import OpsError
from .keep import newest_proven
from .manifest import Manifest
from .repository import Repository

NEWEST_PROVEN = "newest_proven"
_SHOWN = 5


@dataclass(frozen=True)
class Order:
    """What is wanted; C(server_free_bytes) is 0 where nobody knows, as no client can see it."""

    backup: str
    require_proven: bool
    jobs: int
    timeout_seconds: float
    server_free_bytes: int
    manifest_key_file: str = ""
    accept_unsigned: bool = False
    accept_other_server: bool = False


def chosen(order: Order, repository: Repository) -> str:
    """The name of the backup that is meant."""
    backup = order.backup
    if backup == NEWEST_PROVEN:
        backup = newest_proven(repository) or ""
    where = str(repository.directory)
    if not backup:
        remedy = "Run the playbook endpoint_stats.ops.verify_backups; it restores them on a server of its own and says which are good."
        raise OpsError("No backup is proven by a restore", where=where, cause=f"there are {_names(repository)}", remedy=remedy)
    if backup not in repository.backups():
        raise OpsError(f"There is no backup {backup!r}", where=where, remedy=f"There are {_names(repository)}.")
    return backup


def refuse_unproven(order: Order, repository: Repository, manifest: Manifest) -> None:
    if not order.require_proven or repository.is_proven(manifest.id, manifest.sha256):
        return
    raise OpsError(
        f"The backup {manifest.id} is not proven by a restore",
        where=str(repository.path(manifest.id)),
        cause="no verification that restored it has passed, or a later one failed, or its manifest was changed since",
        remedy="Run the playbook endpoint_stats.ops.verify_backups; require_proven=false restores what nobody has restored before.",
    )


def _names(repository: Repository) -> str:
    return ", ".join(repository.backups()[-_SHOWN:]) or "none"
