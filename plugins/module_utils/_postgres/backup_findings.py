# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the backups of a database deserves a word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from .._report.finding import Finding, Severity
from .._report.part import Threshold
from .forecast import RESTORES, Forecast
from .keep import History
from .records import Records
from .repository import Repository
from .retention import made_at
from .selection import WHOLE

_MOST_NAMED = 5
_SHOWN_VERDICTS = 10
_VERIFY = "ansible-playbook … endpoint_stats.ops.verify_backups"
_BACKUP = "ansible-playbook … endpoint_stats.ops.backup"


@dataclass(frozen=True)
class Dated:
    """A backup and how old it is, by its name."""

    backup: str
    age_seconds: float

    @classmethod
    def of(cls, backup: str, now: datetime) -> Dated:
        return cls(backup, round((now - made_at(backup)).total_seconds(), 3))


@dataclass(frozen=True)
class _Lateness:
    """What is said where something is missing for too long."""

    identity: str
    what: str
    remedy: str


AGE = _Lateness("backup_too_old", "the newest backup", f"Look why the schedule postgres-backup makes none, and run: {_BACKUP}")
PROVEN = _Lateness(
    "backup_unproven", "the newest backup that a restore has proven", f"Look at the last report of a verification, and run: {_VERIFY}"
)
OFFSITE = _Lateness(
    "backup_offsite_too_old",
    "the newest copy elsewhere",
    f"Until there is one, the backups here are all there is; it follows a backup: {_BACKUP}",
)


def judge_age(dated: Dated | None, first: Dated, limit: Threshold, lateness: _Lateness, subject: str) -> Iterator[Finding]:
    """By its age; where there is none, by how long there could have been one."""
    severity = limit.judge((dated or first).age_seconds)
    if severity:
        allowed = limit.of(severity)
        text = f"{lateness.what} is older than {allowed:g} s" if dated else f"there is none of what has to be there: {lateness.what}"
        evidence = (
            f"{dated.backup}, {dated.age_seconds:.0f} s" if dated else f"the oldest backup is {first.backup}, {first.age_seconds:.0f} s"
        )
        yield Finding(lateness.identity, severity, subject, text, evidence, lateness.remedy)


def judge_failed(failed: Sequence[str], proven: Sequence[str], subject: str) -> Iterator[Finding]:
    """Worst where nothing newer is known to be good."""
    if failed:
        severity: Severity = "warning" if proven and proven[-1] > failed[-1] else "critical"
        text = "backups have failed their verification" + ("" if severity == "warning" else ", and none after them is proven")
        shown = ", ".join(failed[-_MOST_NAMED:]) + (" …" if len(failed) > _MOST_NAMED else "")
        remedy = f"Restore none of them; the report of the verification names each difference. Then: {_BACKUP}; {_VERIFY}"
        yield Finding("backup_failed_verification", severity, subject, text, shown, remedy)


def judge_last_verdict(records: Records, names: Sequence[str], subject: str) -> Iterator[Finding]:
    """The last word on a backup there is, where it says nothing."""
    last = next(iter(reversed(last_verdicts(records, names))), None)
    if last and last["verdict"] == "could_not_verify":
        text, remedy = "the last verification could not find out whether a backup is good", f"Put right what it lacked, and run: {_VERIFY}"
        yield Finding(
            "backup_could_not_verify", "warning", subject, text, f"{last['backup']}: {last['reason'] or 'no reason is given'}", remedy
        )


def judge_restore(foreseen: Forecast, limit: Threshold, subject: str) -> Iterator[Finding]:
    severity = limit.judge(foreseen.seconds) if foreseen.seconds is not None else None
    if severity:
        how = "forecast by real restores" if foreseen.basis == RESTORES else "at least, as measured on a server that need not survive"
        text = f"a restore takes longer than {limit.of(severity):g} s"
        remedy = "Restore with more jobs or on a faster disk, or agree on another target."
        yield Finding("backup_restore_too_slow", severity, subject, text, f"{foreseen.seconds:.0f} s, {how}", remedy)


def judge_manifest(known: History, newest: Path) -> Iterator[Finding]:
    """Whether the manifest of the newest backup can be relied on; what it says of files and rows is the verification's to look at."""
    for error in known.unreadable:
        if Path(error.where).parent == newest:
            remedy, text = f"It cannot be restored. Make another: {_BACKUP}", "the manifest of the newest backup is not whole"
            yield Finding("backup_manifest_damaged", "critical", newest.name, text, str(error), remedy)


def judge_selection(repository: Repository, subject: str) -> Iterator[Finding]:
    if repository.selection != WHOLE:
        text, remedy = "these backups hold a part of the database alone", "See that all of it is backed up too, in another directory."
        yield Finding("backup_partial", "warning", subject, text, str(repository.selection), remedy)


def no_backup(subject: str, directory: str) -> Finding:
    return Finding("backup_missing", "critical", subject, "there is no backup", directory, f"Make one: {_BACKUP}")


def last_verdicts(records: Records, names: Sequence[str]) -> list[dict[str, Any]]:
    """The last ones on backups that are still there, the oldest first."""
    keys = ("backup", "at", "level", "verdict", "reason", "restore_seconds")
    there = [entry for entry in records.of("verification") if entry.get("backup") in names]
    return [{key: entry.get(key) for key in keys} for entry in there[-_SHOWN_VERDICTS:]]
