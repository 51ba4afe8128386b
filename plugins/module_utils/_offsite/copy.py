# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of backups elsewhere, from the first question to the last deletion."""

from __future__ import annotations

import time
from dataclasses import dataclass

from .._deadline import Deadline
from .._lock import held, refuse_held
from .._postgres.opening import opened
from .._postgres.repository import Repository
from .._progress import Progress
from .._report.finding import Finding
from . import probe, rclone
from .choice import Choice
from .failure import UnreachableError
from .judge import judge_age, judge_lost, write_gauges
from .order import Order, Outcome
from .remote import Remote, Seen
from .sending import Sending

LOCK = ".lock-offsite"


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
            sending = Sending(order, repository, remote, progress, outcome)
            run = _Run(order, repository, remote, progress, outcome, Choice(order, repository), sending)
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
    choice: Choice
    sending: Sending

    def foresee(self) -> None:
        """What would be sent and deleted."""
        self.progress.phase("look")
        seen, outcome = self.remote.look(), self.outcome
        outcome.before = seen.published
        missing = self.sending.missing(self.choice.due(seen), seen)
        outcome.copied = [backup for backup, _manifest in missing]
        judge_lost(self.order, outcome, self.choice.lost(seen))
        outcome.transferred_bytes = sum(manifest.bytes for _backup, manifest in missing)
        outcome.deleted = list(self.choice.dispensable({*seen.published, *outcome.copied}))
        outcome.kept = sorted({*seen.published, *outcome.copied} - {*outcome.deleted})
        outcome.backup = outcome.kept[-1] if outcome.kept else ""
        outcome.changed = bool(outcome.copied or outcome.deleted)

    def run(self) -> None:
        self.progress.phase("look")
        seen, outcome = self.remote.look(), self.outcome
        outcome.before = outcome.kept = seen.published
        self.remote.claim(seen)
        lost = self.choice.lost(seen)
        for backup, manifest in self.sending.missing(self.choice.due(seen), seen):
            self.sending.copy(backup, manifest)
        for backup in judge_lost(self.order, outcome, lost):
            self.repository.record_offsite(backup, {"did": "missed", "remote": self.order.rclone.remote})
        outcome.kept = sorted({*seen.published, *outcome.copied})
        if self.order.recheck:
            self.sending.recheck(seen)
        if not outcome.failed:
            self._retain(seen)
        self._send_records(seen)
        if self.order.expect_immutable:
            self._probe()
        outcome.backup = outcome.kept[-1] if outcome.kept else ""
        outcome.changed = bool(outcome.copied or outcome.deleted or outcome.records_copied or not seen.has_marker)

    def _retain(self, seen: Seen) -> None:
        """Only when everything that had to be sent is there. Halves whose backup is gone here cannot be completed."""
        self.progress.phase("retention")
        gone = [name for name in seen.copies if name not in self.outcome.kept and name not in self.repository.backups()]
        for backup, why in [*self.choice.dispensable(self.outcome.kept).items(), *((name, "half a copy") for name in gone)]:
            self.repository.record_offsite(backup, {"did": "deleted", "remote": self.order.rclone.remote, "why": why})
            self.remote.delete(backup)
            self.outcome.deleted.append(backup)
        self.outcome.kept = [name for name in self.outcome.kept if name not in self.outcome.deleted]

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
