# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of backups elsewhere, from the first question to the last deletion."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from .._deadline import Deadline
from .._errors import OpsError
from .._lock import held, refuse_held
from .._postgres.files import compare
from .._postgres.keep import newest_proven
from .._postgres.manifest import FILE_NAME, Manifest, ManifestError, load
from .._postgres.repository import Repository, opened
from .._postgres.retention import Standing, fates
from .._progress import Progress
from .._report.finding import Finding
from . import probe, rclone
from .judge import judge_age, judge_lost, write_gauges
from .order import Order, Outcome
from .rclone import DamagedError, UnreachableError
from .remote import Remote, Seen

LOCK = ".lock-offsite"
NEWEST, ALL = "newest", "all"
_BY_HAND = "Look at the service and its disks. The backup here is whole; the next run sends again what differs."


def copy(order: Order, progress: Progress, *, check: bool = False) -> Outcome:
    """Send what is not there yet, see that it arrived, and delete what is not needed any more."""
    begun = time.monotonic()
    repository = opened(order.directory, order.database)
    outcome = Outcome(remote=order.rclone.remote)
    lock = repository.directory / LOCK
    if check:
        refuse_held(lock, operation="backup_offsite")
        _guarded(order, repository, progress, outcome, check=True)
    else:
        with held(lock, operation="backup_offsite", wait_seconds=order.lock_wait_seconds):
            _guarded(order, repository, progress, outcome, check=False)
    progress.end()
    outcome.seconds, outcome.duration_seconds = progress.seconds, round(time.monotonic() - begun, 3)
    judge_age(order, repository, outcome)
    if not check:
        write_gauges(order, repository, outcome)
    return outcome


def _guarded(order: Order, repository: Repository, progress: Progress, outcome: Outcome, *, check: bool) -> None:
    """Nobody answering is a finding: backups are made all the same, and nothing is deleted, here or there."""
    try:
        with rclone.opened(order.rclone, Deadline(order.timeout_seconds)) as program:
            remote = Remote(program, order.database, order.owner, repository.selection)
            run = _Run(order, repository, remote, progress, outcome)
            run.foresee() if check else run.run()
    except UnreachableError as error:
        outcome.reachable, outcome.failed = False, True
        text = "the off-site could not be reached, so the copies there are not up to date"
        outcome.findings.append(
            Finding("offsite_unreachable", "warning", order.rclone.remote, text, error.cause or error.summary, error.remedy)
        )


@dataclass(frozen=True)
class _Run:
    """One run."""

    order: Order
    repository: Repository
    remote: Remote
    progress: Progress
    outcome: Outcome

    def foresee(self) -> None:
        """What would be sent and deleted."""
        self.progress.phase("look")
        seen, outcome = self.remote.look(), self.outcome
        outcome.before = seen.published
        outcome.copied = [backup for backup, _manifest in self._missing(seen)]
        judge_lost(self.order, outcome, self._lost(seen))
        outcome.transferred_bytes = sum(manifest.bytes for _backup, manifest in self._missing(seen))
        outcome.deleted = list(self._dispensable({*seen.published, *outcome.copied}))
        outcome.kept = sorted({*seen.published, *outcome.copied} - {*outcome.deleted})
        outcome.backup = outcome.kept[-1] if outcome.kept else ""
        outcome.changed = bool(outcome.copied or outcome.deleted)

    def run(self) -> None:
        self.progress.phase("look")
        seen, outcome = self.remote.look(), self.outcome
        outcome.before = outcome.kept = seen.published
        self.remote.claim(seen)
        lost = self._lost(seen)
        for backup, manifest in self._missing(seen):
            self._copy(backup, manifest)
        for backup in judge_lost(self.order, outcome, lost):
            self.repository.record_offsite(backup, {"did": "missed", "remote": self.order.rclone.remote})
        outcome.kept = sorted({*seen.published, *outcome.copied})
        if self.order.recheck:
            self._recheck(seen)
        if not outcome.failed:
            self._retain(seen)
        self._send_records(seen)
        if self.order.expect_immutable:
            self._probe()
        outcome.backup = outcome.kept[-1] if outcome.kept else ""
        outcome.changed = bool(outcome.copied or outcome.deleted or outcome.records_copied or not seen.has_marker)

    def _missing(self, seen: Seen) -> list[tuple[str, Manifest]]:
        """Backups that have to be there and are not, or not whole, the newest first; what somebody deletes meanwhile is none."""
        wanted = self._wanted()
        begun = {name for name in seen.copies if name not in seen.published}
        lost = self._lost(seen)
        again = lost - {*self._dispensable({*seen.published, *lost})}
        found = []
        for backup in sorted({*wanted, *begun, *again} & {*self.repository.backups()}, reverse=True):
            try:
                manifest = load(self.repository.path(backup))
            except ManifestError as error:
                self._damaged(backup, str(error))
                continue
            if not seen.is_whole(backup, manifest):
                found.append((backup, manifest))
        return found

    def _lost(self, seen: Seen) -> set[str]:
        """Copies that the records tell of and that nobody here has deleted; none where the records may lack what was deleted."""
        records = self.repository.records()
        return records.copies(self.order.rclone.remote) - {*seen.published} if records.reliable else set()

    def _wanted(self) -> set[str]:
        backups, chosen = self.repository.backups(), self.order.backup
        if chosen not in (NEWEST, ALL):
            if chosen not in backups:
                remedy = f"There are {', '.join(backups) or 'none'}."
                raise OpsError(f"There is no backup {chosen!r}", where=self.order.directory, remedy=remedy)
            return {chosen}
        proven = newest_proven(self.repository)
        if chosen == ALL:
            return {*backups} - {*self._dispensable(backups)}
        return {*backups[-1:], *([proven] if proven else [])}

    def _copy(self, backup: str, manifest: Manifest) -> None:
        """Only what is as its manifest says leaves; the manifest follows when the other side has been looked at."""
        progress, remote = self.progress, self.remote
        with self.repository.reading(backup) as path:
            progress.phase("checksum", manifest.bytes, "bytes")
            differences = compare(path, manifest, progress.advance).differences
            if differences or manifest.id != backup or manifest.database.name != self.order.database:
                first = differences[0] if differences else None
                self._damaged(backup, f"{first.kind} {first.subject}: {first.found}" if first else "its manifest is of another one")
                return
            progress.phase("copy", manifest.bytes, "bytes")
            self.outcome.transferred_bytes += remote.upload(path, backup, advance=progress.advance)
            progress.phase("check")
            differing = remote.differing(path, backup, manifest, self.order.check)
            if differing:
                # What an interrupted run has left, or somebody has changed since, under the size and time it had.
                self.outcome.transferred_bytes += remote.upload(path, backup, again=True)
                differing = remote.differing(path, backup, manifest, self.order.check)
            if differing:
                self._copy_damaged(backup, differing)
                return
            remote.publish(path, backup)
        self.repository.record_offsite(backup, {"did": "copied", "remote": self.order.rclone.remote, "manifest_sha256": manifest.sha256})
        self.outcome.copied.append(backup)
        self.outcome.checked.append(backup)

    def _recheck(self, seen: Seen) -> None:
        """Look at the copies of earlier runs; one that differs and is whole here is sent again."""
        for backup in [name for name in seen.published if name not in self.outcome.copied]:
            self.progress.phase("recheck")
            manifest = self._manifest_there(backup)
            differing = [FILE_NAME] if manifest is None else self._sizes(seen, backup, manifest)
            path = self.repository.path(backup)
            if manifest and not differing and self.order.check == "download":
                differing = self.remote.misread(backup, manifest)
            elif manifest and not differing and path.is_dir():
                with self.repository.reading(backup):
                    differing = self.remote.differing(path, backup, manifest, "server")
            self.outcome.checked.append(backup)
            if differing:
                self._copy_damaged(backup, differing)
                if path.is_dir():
                    self._copy(backup, load(path))

    def _sizes(self, seen: Seen, backup: str, manifest: Manifest) -> list[str]:
        files = seen.copies[backup]
        return [file.path for file in manifest.files if files.get(file.path) != file.bytes]

    def _manifest_there(self, backup: str) -> Manifest | None:
        try:
            return self.remote.manifest(backup)
        except (ManifestError, DamagedError):
            return None

    def _retain(self, seen: Seen) -> None:
        """Only when everything that had to be sent is there. Halves whose backup is gone here cannot be completed."""
        self.progress.phase("retention")
        gone = [name for name in seen.copies if name not in self.outcome.kept and name not in self.repository.backups()]
        for backup, why in [*self._dispensable(self.outcome.kept).items(), *((name, "half a copy") for name in gone)]:
            self.repository.record_offsite(backup, {"did": "deleted", "remote": self.order.rclone.remote, "why": why})
            self.remote.delete(backup)
            self.outcome.deleted.append(backup)
        self.outcome.kept = [name for name in self.outcome.kept if name not in self.outcome.deleted]

    def _dispensable(self, copies: Iterable[str]) -> dict[str, str]:
        """Copies that may go, with the reason; none where the records of what was proven cannot be relied on."""
        names, records = sorted(copies), self.repository.records()
        proven = frozenset(filter(records.is_proven, names))
        known = Standing(
            proven=proven,
            failed=frozenset(filter(records.has_failed, names)),
            pinned=self.repository.pins(),
            newest_proven=max(proven, default=None),
            distrust="" if records.reliable else "the records are damaged, and none was proven since",
        )
        return {fate.backup: fate.why for fate in fates(names, self.order.retention, known) if not fate.kept}

    def _send_records(self, seen: Seen) -> None:
        """Verdicts follow. What is there is the anchor: records here that do not continue it were changed, and do not take its place."""
        self.progress.phase("records")
        records, anchor = self.repository.records(), self.remote.head(seen)
        if anchor and (contradiction := records.contradiction(anchor)):
            text = "the records here are not those that were copied off-site, which stay as they are"
            remedy = "Find out who writes here. What was is in records/ off-site; move that away when you have taken what you need."
            self.outcome.findings.append(
                Finding("offsite_records_contradict", "critical", self.order.directory, text, contradiction, remedy)
            )
        elif records.head.length and anchor != records.head:
            self.remote.send_records(self.repository)
            self.outcome.records_copied = True

    def _probe(self) -> None:
        self.progress.phase("probe")
        self.outcome.immutable = probe.is_immutable(self.remote.rclone)
        if not self.outcome.immutable:
            text = "what lies off-site can be deleted or overwritten with the keys that are here"
            remedy = "Lock the objects of the bucket for a time (default retention, compliance mode), or take the right to delete away."
            evidence = "a file that was written as a probe was gone after it was deleted"
            self.outcome.findings.append(Finding("offsite_mutable", "critical", self.order.rclone.remote, text, evidence, remedy))

    def _damaged(self, backup: str, evidence: str) -> None:
        self.outcome.failed = True
        remedy = "Make a new backup, and verify this one; the copies there stay as they are."
        text = "the backup here is not as its manifest says, so it was not copied"
        self.outcome.findings.append(Finding("offsite_source_damaged", "critical", backup, text, evidence, remedy))

    def _copy_damaged(self, backup: str, differing: list[str]) -> None:
        self.outcome.failed = True
        shown = ", ".join(differing[:5]) + (" …" if len(differing) > 5 else "")
        self.outcome.findings.append(
            Finding("offsite_copy_damaged", "critical", backup, "the copy off-site is not as the backup's manifest says", shown, _BY_HAND)
        )
