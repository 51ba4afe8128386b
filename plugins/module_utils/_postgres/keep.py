# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What earlier backups tell a new one: what to expect, what is odd, and which of them may go."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from .._report.finding import Finding
from .manifest import Manifest, ManifestError, load
from .records import Records
from .repository import Repository
from .retention import Standing

_LOOKED_AT = 5
_SHRUNK = 0.5
_SHRANK = "backup_shrank"
_HELD = "held by pg_backup: the one made after it holds less than half"


@dataclass(frozen=True)
class History:
    """Manifests of the newest backups, the newest first, and the reasons why some could not be read."""

    manifests: tuple[Manifest, ...]
    unreadable: tuple[ManifestError, ...]

    @property
    def previous(self) -> Manifest | None:
        return self.manifests[0] if self.manifests else None

    @property
    def expected_seconds(self) -> dict[str, float]:
        """The median of each phase that the newest backup had."""
        phases = self.previous.seconds if self.previous else {}
        return {phase: round(statistics.median(made.seconds.get(phase, 0.0) for made in self.manifests), 3) for phase in phases}

    @property
    def measured_seconds(self) -> float | None:
        """The median of the newest backups, none where there is none."""
        taken = [sum(made.seconds.values()) for made in self.manifests]
        return round(statistics.median(taken), 3) if taken else None

    def usual_seconds(self, seconds: float) -> float:
        """The median of the newest backups and of one more."""
        return statistics.median([seconds, *(sum(made.seconds.values()) for made in self.manifests)])


def history(repository: Repository) -> History:
    manifests, unreadable = [], []
    for backup in reversed(repository.backups()[-_LOOKED_AT:]):
        try:
            manifests.append(load(repository.path(backup)))
        except ManifestError as error:
            unreadable.append(error)
    return History(tuple(manifests), tuple(unreadable))


def standing(repository: Repository) -> Standing:
    """What is known of the backups there are."""
    backups, records = repository.backups(), repository.records()
    proven = frozenset(filter(records.is_proven, backups))
    return Standing(
        proven=proven,
        failed=frozenset(filter(records.has_failed, backups)),
        pinned=repository.pins(),
        newest_proven=next((backup for backup in sorted(proven, reverse=True) if _is_as_proven(repository, records, backup)), None),
        distrust="" if records.reliable else "the records are damaged, and none was proven since",
    )


def newest_proven(repository: Repository) -> str | None:
    records = repository.records()
    return next((backup for backup in reversed(repository.backups()) if records.is_proven(backup)), None)


def hold(repository: Repository, previous: Manifest, found: Sequence[Finding]) -> None:
    """Pin what was there before most of it was gone, so that backups of what is left do not take its place."""
    shrunk = [finding for finding in found if finding.id == _SHRANK]
    if shrunk and not any(reason.startswith(_HELD) for reason in repository.pins().values()):
        repository.pin(previous.id, f"{_HELD} ({shrunk[0].evidence})")


def _is_as_proven(repository: Repository, records: Records, backup: str) -> bool:
    """Whether it still has the manifest that was proven."""
    with suppress(ManifestError):
        return records.is_proven(backup, load(repository.path(backup)).sha256)
    return False


def judge(made: Manifest, before: History) -> Iterator[Finding]:
    """What is odd about a backup, seen by itself and beside the one before."""
    subject = f"backup/{made.id}"
    for warning in made.warnings:
        remedy = "Give the role backup what it lacks, or know that this part is not in the backup."
        yield Finding("backup_incomplete", "warning", subject, "pg_dump left something out or doubted it", warning, remedy)
    for what in made.not_dumped:
        remedy = "Keep it elsewhere, or back up as a superuser."
        yield Finding("backup_incomplete", "warning", subject, "a role that is no superuser cannot dump a part", what, remedy)
    for error in before.unreadable:
        remedy = "Verify the backups, and look what happened to the disk."
        yield Finding("backup_unreadable", "warning", error.where, "the manifest of an earlier backup cannot be read", error.cause, remedy)
    if before.previous:
        yield from _compared(subject, made, before.previous)


def judge_schedule(
    backup: str, interval_seconds: float, usual_seconds: float, worst_loss_seconds: float, target_seconds: float
) -> Iterator[Finding]:
    """Whether the schedule can be kept, and keeps what was promised."""
    if usual_seconds > interval_seconds:
        text = "a backup takes longer than the time until the next one is due, so the schedule cannot be kept"
        evidence = f"{usual_seconds:.0f} s, as the newest backups measured it; due every {interval_seconds:g} s"
        remedy = "Make it less often, or faster (jobs, a faster disk). The backups that are made are good."
        yield Finding("backup_schedule_too_short", "critical", f"backup/{backup}", text, evidence, remedy)
    if worst_loss_seconds > target_seconds:
        text = f"up to {worst_loss_seconds:.0f} s of work can be lost, more than the target of {target_seconds:g} s"
        evidence, remedy = f"interval and duration together are {worst_loss_seconds:.0f} s", "Run it more often, or make it faster (jobs)."
        yield Finding("backup_rpo_missed", "warning", f"backup/{backup}", text, evidence, remedy)


def _compared(subject: str, made: Manifest, previous: Manifest) -> Iterator[Finding]:
    if made.server.system_identifier != previous.server.system_identifier:
        evidence = f"system identifier {made.server.system_identifier}, that of {previous.id} was {previous.server.system_identifier}"
        remedy = "Expected after a rebuild; otherwise find out which server answers under this name."
        yield Finding("backup_other_server", "warning", subject, "it was made from another server than the one before", evidence, remedy)
    if made.asked != previous.asked:
        # Other parts of the database tell nothing of each other's rows.
        return
    for what, now, then in (("rows", made.rows, previous.rows), ("bytes", made.bytes, previous.bytes)):
        if now < then * _SHRUNK:
            text = f"it holds less than half of the {what} of the one before"
            remedy = f"Find out whether the data was deleted on purpose. {previous.id} is pinned meanwhile; unpin it with pg_backup_pin."
            yield Finding(_SHRANK, "warning", subject, text, f"{now} {what}, {then} in {previous.id}", remedy)
    then_rows = {table.identity: table.rows for table in previous.tables}
    for table in made.tables:
        if not table.rows and then_rows.get(table.identity):
            text, remedy = "a table has no row any more", "Find out whether it was emptied on purpose."
            evidence = f"{table.identity}; it had {then_rows[table.identity]} rows in {previous.id}"
            yield Finding("backup_table_emptied", "warning", subject, text, evidence, remedy)
