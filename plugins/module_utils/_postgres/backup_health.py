# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the backups of a database are, by their names, their records and the manifest of the newest; nothing is restored for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .._report.finding import Finding, Severity
from .._report.part import Part, Threshold
from .forecast import RESTORES, Forecast, forecast
from .keep import History, history
from .opening import opened
from .records import Records
from .repository import Repository
from .retention import made_at
from .selection import WHOLE

_MOST_NAMED = 5
_SHOWN_VERDICTS = 10
_VERIFY = "ansible-playbook … endpoint_stats.ops.verify_backups"
_BACKUP = "ansible-playbook … endpoint_stats.ops.backup"


@dataclass(frozen=True)
class Limits:
    """Where a measured value becomes a finding, in seconds; the C(remote) is empty where nothing is copied elsewhere."""

    age: Threshold
    proven_age: Threshold
    offsite_age: Threshold
    restore: Threshold
    remote: str = ""


@dataclass(frozen=True)
class Dated:
    """A backup and how old it is, by its name."""

    backup: str
    age_seconds: float

    @classmethod
    def of(cls, backup: str, now: datetime) -> Dated:
        return cls(backup, round((now - made_at(backup)).total_seconds(), 3))


def look(directory: str, database: str, limits: Limits, now: datetime | None = None) -> Part:
    """What of the directory deserves a word; one that is not there yet holds no backup."""
    subject = f"Backups/{database}"
    path = Path(directory)
    try:
        empty = not path.exists() or not any(path.iterdir())
    except OSError as error:
        return Part(reason=f"The directory of backups could not be read. Where: {directory}. Cause: {error.strerror}.")
    if empty:
        return Part(_nothing(directory, limits), [_none(subject, directory)])
    return _judged(opened(directory, database), subject, limits, now or datetime.now(UTC))


def _judged(repository: Repository, subject: str, limits: Limits, now: datetime) -> Part:
    records, names = repository.records(), repository.backups()
    if not names:
        found = [_none(subject, str(repository.directory)), *records.findings(repository.directory)]
        return Part(_nothing(str(repository.directory), limits), found)
    proven = [name for name in names if records.is_proven(name)]
    failed = [name for name in names if records.has_failed(name)]
    copied = records.copies(limits.remote)
    foreseen = _foreseen(records, names)
    known = history(repository)
    ages = {
        "newest": Dated.of(names[-1], now),
        "proven": Dated.of(proven[-1], now) if proven else None,
        "offsite": Dated.of(max(copied), now) if copied else None,
    }
    first = Dated.of(names[0], now)
    data = {
        "directory": str(repository.directory),
        "backups": len(names),
        "pinned": len(repository.pins()),
        "failed": failed,
        **{name: asdict(dated) if dated else None for name, dated in ages.items()},
        "offsite_remote": limits.remote,
        "usual_seconds": known.measured_seconds,
        "forecast_restore_seconds": foreseen.seconds,
        "forecast_basis": foreseen.basis,
        "records": records.to_result(),
        "verdicts": _verdicts(records, names),
        "limits": _shown(limits),
    }
    findings = [
        *_damaged(known, repository.path(names[-1])),
        *_partial(repository, subject),
        *_late(ages["newest"], first, limits.age, _AGE, subject),
        *_late(ages["proven"], first, limits.proven_age, _PROVEN, subject),
        *(_late(ages["offsite"], first, limits.offsite_age, _OFFSITE, limits.remote) if limits.remote else ()),
        *_failed(failed, proven, subject),
        *_undecided(records, names, subject),
        *_slow(foreseen, limits.restore, subject),
        *records.findings(repository.directory),
    ]
    return Part(data, findings)


@dataclass(frozen=True)
class _Lateness:
    """What is said where something is missing for too long."""

    identity: str
    what: str
    remedy: str


_AGE = _Lateness("backup_too_old", "the newest backup", f"Look why the schedule postgres-backup makes none, and run: {_BACKUP}")
_PROVEN = _Lateness(
    "backup_unproven", "the newest backup that a restore has proven", f"Look at the last report of a verification, and run: {_VERIFY}"
)
_OFFSITE = _Lateness(
    "backup_offsite_too_old",
    "the newest copy elsewhere",
    f"Until there is one, the backups here are all there is; it follows a backup: {_BACKUP}",
)


def _late(dated: Dated | None, first: Dated, limit: Threshold, lateness: _Lateness, subject: str) -> Iterator[Finding]:
    """By its age; where there is none, by how long there could have been one."""
    severity = limit.judge((dated or first).age_seconds)
    if severity:
        allowed = limit.of(severity)
        text = f"{lateness.what} is older than {allowed:g} s" if dated else f"there is none of what has to be there: {lateness.what}"
        evidence = (
            f"{dated.backup}, {dated.age_seconds:.0f} s" if dated else f"the oldest backup is {first.backup}, {first.age_seconds:.0f} s"
        )
        yield Finding(lateness.identity, severity, subject, text, evidence, lateness.remedy)


def _failed(failed: Sequence[str], proven: Sequence[str], subject: str) -> Iterator[Finding]:
    """Worst where nothing newer is known to be good."""
    if failed:
        severity: Severity = "warning" if proven and proven[-1] > failed[-1] else "critical"
        text = "backups have failed their verification" + ("" if severity == "warning" else ", and none after them is proven")
        shown = ", ".join(failed[-_MOST_NAMED:]) + (" …" if len(failed) > _MOST_NAMED else "")
        remedy = f"Restore none of them; the report of the verification names each difference. Then: {_BACKUP}; {_VERIFY}"
        yield Finding("backup_failed_verification", severity, subject, text, shown, remedy)


def _undecided(records: Records, names: Sequence[str], subject: str) -> Iterator[Finding]:
    """The last word on a backup there is, where it says nothing."""
    last = next(iter(reversed(_verdicts(records, names))), None)
    if last and last["verdict"] == "could_not_verify":
        text, remedy = "the last verification could not find out whether a backup is good", f"Put right what it lacked, and run: {_VERIFY}"
        yield Finding(
            "backup_could_not_verify", "warning", subject, text, f"{last['backup']}: {last['reason'] or 'no reason is given'}", remedy
        )


def _slow(foreseen: Forecast, limit: Threshold, subject: str) -> Iterator[Finding]:
    severity = limit.judge(foreseen.seconds) if foreseen.seconds is not None else None
    if severity:
        how = "forecast by real restores" if foreseen.basis == RESTORES else "at least, as measured on a server that need not survive"
        text = f"a restore takes longer than {limit.of(severity):g} s"
        remedy = "Restore with more jobs or on a faster disk, or agree on another target."
        yield Finding("backup_restore_too_slow", severity, subject, text, f"{foreseen.seconds:.0f} s, {how}", remedy)


def _damaged(known: History, newest: Path) -> Iterator[Finding]:
    """Whether the manifest of the newest backup can be relied on; what it says of files and rows is the verification's to look at."""
    for error in known.unreadable:
        if Path(error.where).parent == newest:
            remedy, text = f"It cannot be restored. Make another: {_BACKUP}", "the manifest of the newest backup is not whole"
            yield Finding("backup_manifest_damaged", "critical", newest.name, text, str(error), remedy)


def _partial(repository: Repository, subject: str) -> Iterator[Finding]:
    if repository.selection != WHOLE:
        text, remedy = "these backups hold a part of the database alone", "See that all of it is backed up too, in another directory."
        yield Finding("backup_partial", "warning", subject, text, str(repository.selection), remedy)


def _nothing(directory: str, limits: Limits) -> dict[str, Any]:
    return {"directory": directory, "backups": 0, "limits": _shown(limits)}


def _none(subject: str, directory: str) -> Finding:
    return Finding("backup_missing", "critical", subject, "there is no backup", directory, f"Make one: {_BACKUP}")


def _foreseen(records: Records, names: Sequence[str]) -> Forecast:
    """By the newest verification that restored everything."""
    for name in reversed(names):
        known = [entry.get("restore_seconds") for entry in records.verifications(name) if entry.get("level") == "full"]
        measured = [float(seconds) for seconds in known if isinstance(seconds, (int, float))]
        if measured:
            return forecast(records, measured[-1])
    return Forecast()


def _verdicts(records: Records, names: Sequence[str]) -> list[dict[str, Any]]:
    """The last ones on backups that are still there, the oldest first."""
    keys = ("backup", "at", "level", "verdict", "reason", "restore_seconds")
    there = [entry for entry in records.of("verification") if entry.get("backup") in names]
    return [{key: entry.get(key) for key in keys} for entry in there[-_SHOWN_VERDICTS:]]


def _shown(limits: Limits) -> Mapping[str, Any]:
    return {name: getattr(limits, name).to_dict() for name in ("age", "proven_age", "offsite_age", "restore")}
