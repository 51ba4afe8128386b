# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup brought back from elsewhere into a directory of backups, also an empty one: the way when the claim is gone."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from .._deadline import Deadline
from .._errors import OpsError
from .._files import sync_directory, sync_tree
from .._postgres import manifest as manifests
from .._postgres.files import compare
from .._postgres.manifest import Manifest
from .._postgres.opening import opened
from .._postgres.repository import RECORDS, Repository
from .._progress import Progress
from .._temporary import private_directory
from . import rclone
from .order import Order, Outcome, moment
from .remote import Remote, Seen

_ROOM = 1.05
_FRESH_RECORDS = ".records-"


def fetch(order: Order, progress: Progress, *, check: bool = False) -> Outcome:
    """Fetch one under a name that no backup has, look at each of its bytes, and give it its own."""
    os.umask(0o077)
    begun = time.monotonic()
    with rclone.opened(order.rclone, Deadline(order.timeout_seconds)) as program:
        remote = Remote(program, order.database, "")
        progress.phase("look")
        seen = remote.look()
        outcome = Outcome(remote=order.rclone.remote, backup=_chosen(order, seen))
        manifest = remote.manifest(outcome.backup)
        _refuse_foreign(order, outcome.backup, manifest)
        repository = opened(order.directory, order.database, create=True, check=check, selection=manifest.asked)
        outcome.before, outcome.backup_path = repository.backups(), str(repository.path(outcome.backup))
        outcome.offsite_age_seconds = round(time.time() - moment(seen.published[-1]).timestamp(), 3)
        if outcome.backup in outcome.before:
            _refuse_other(repository, outcome.backup, manifest, progress)
        else:
            _refuse_little_room(repository, manifest)
            if not check:
                with repository.locked("backup_offsite", order.lock_wait_seconds):
                    # Before the backup: once that is here, an interrupted run is over.
                    outcome.records_copied = _records(repository, remote, seen)
                    outcome.transferred_bytes = _fetched(repository, remote, outcome.backup, manifest, progress)
            outcome.fetched = [outcome.backup]
            outcome.changed = True
    outcome.kept = sorted({*outcome.before, *outcome.fetched})
    progress.end()
    outcome.seconds, outcome.duration_seconds = progress.seconds, round(time.monotonic() - begun, 3)
    return outcome


def _chosen(order: Order, seen: Seen) -> str:
    there = seen.published
    if not there:
        remedy = "Look at remote: this directory holds no copy with a manifest."
        raise OpsError("There is no copy of a backup off-site", where=order.rclone.remote, remedy=remedy)
    if order.backup == "newest":
        return there[-1]
    if order.backup not in there:
        remedy = f"There are {', '.join(there)}."
        raise OpsError(f"There is no copy of a backup {order.backup!r}", where=order.rclone.remote, remedy=remedy)
    return order.backup


def _refuse_foreign(order: Order, backup: str, manifest: Manifest) -> None:
    where = f"{order.rclone.remote}/{backup}"
    if manifest.id != backup:
        raise OpsError(f"The manifest off-site is that of {manifest.id!r}", where=where, remedy="Fetch another backup.")
    if manifest.database.name != order.database:
        remedy = f"Name the database {manifest.database.name}, and a directory of its own."
        raise OpsError(f"The copy is of the database {manifest.database.name!r}", where=where, remedy=remedy)


def _fetched(repository: Repository, remote: Remote, backup: str, manifest: Manifest, progress: Progress) -> int:
    """What an interrupted run has brought is not fetched again, and looked at as everything is."""
    directory = repository.incomplete(backup)
    directory.mkdir(mode=0o700, exist_ok=True)
    progress.phase("fetch", manifest.bytes, "bytes")
    sent = remote.fetch(backup, directory, advance=progress.advance)
    progress.phase("checksum", manifest.bytes, "bytes")
    summary = "The copy off-site is damaged, so nothing was published"
    _refuse_differing(directory, manifest, progress, summary, keep=False)
    if manifests.load(directory).sha256 != manifest.sha256:
        raise OpsError(summary, where=str(directory), cause="its manifest changed meanwhile", remedy="Run it again.")
    progress.phase("publish")
    sync_tree(directory)
    repository.publish(backup)
    return sent


def _refuse_other(repository: Repository, backup: str, manifest: Manifest, progress: Progress) -> None:
    """It is here already: whole and the same one, or it is not overwritten."""
    path = repository.path(backup)
    progress.phase("checksum", manifest.bytes, "bytes")
    summary = "The backup of this name that is here is not as the copy off-site, and was left alone"
    if manifests.load(path).sha256 != manifest.sha256:
        raise OpsError(summary, where=str(path), remedy="Fetch it into another directory, and compare.")
    _refuse_differing(path, manifest, progress, summary, keep=True)


def _refuse_differing(path: Path, manifest: Manifest, progress: Progress, summary: str, *, keep: bool) -> None:
    differences = compare(path, manifest, progress.advance).differences
    if differences:
        if not keep:
            shutil.rmtree(path, ignore_errors=True)
        first = differences[0]
        cause = f"{first.line} ({len(differences)} in all)"
        raise OpsError(summary, where=str(path), cause=cause, remedy="Fetch another backup, or into another directory.")


def _records(repository: Repository, remote: Remote, seen: Seen) -> bool:
    """Verdicts come along where there are none yet; records that have begun here are another chain."""
    records = repository.directory / RECORDS
    if not seen.records or records.exists():
        return False
    with private_directory(_FRESH_RECORDS, repository.directory) as made:
        remote.fetch(RECORDS, made / RECORDS)
        sync_tree(made)
        (made / RECORDS).rename(records)
    sync_directory(repository.directory)
    return True


def _refuse_little_room(repository: Repository, manifest: Manifest) -> None:
    existing = next(path for path in (repository.directory, *repository.directory.parents) if path.exists())
    begun = repository.incomplete(manifest.id)
    there = sum(file.stat().st_size for file in begun.rglob("*") if file.is_file()) if begun.is_dir() else 0
    available, needed = shutil.disk_usage(existing).free + there, round(manifest.bytes * _ROOM)
    if available < needed:
        summary = f"There is too little room for the backup: {needed} bytes are needed, {available} are available"
        raise OpsError(summary, where=str(repository.directory), remedy="Make room, or name a directory elsewhere.")
