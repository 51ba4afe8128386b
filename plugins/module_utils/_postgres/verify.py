# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A verification from the choice of the backup to the record beside it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from .._errors import OpsError
from .._metrics import Gauge, write_metrics
from .._progress import Progress
from .._report.finding import Finding
from .._version import VERSION
from . import files, signing
from .connection import forget_environment
from .contents import EntryDifference
from .examine import COUNTED, FAILED, FULL, PASSED, UNKNOWN, VERDICTS, Asked, Seen, examine, foresee
from .forecast import RESTORES, forecast
from .manifest import ManifestError, load
from .records import PROVING_LEVELS, Records, now
from .repository import Repository
from .retention import made_at

NEWEST, OLDEST_UNPROVEN = "newest", "oldest_unproven"
_TOLD = ("backup", "level", "verdict", "reason", "differences", "duration_seconds", "restore_seconds", "cached", "recorded_at")
_KEPT_DIFFERENCES = 20
_KEPT_CHARACTERS = 300
_KEPT_RANGES = 10
_KEPT = ("kind", "subject", "expected", "found")
_RESTORING = ("roles", "restore")
# A dump that others have made is restored in one go.
_FINISHING = "indexes"
# What speaks against the database that was backed up.
_ODD = {
    "sequence_behind": (
        "sequence_behind_column",
        "will give numbers that its column has passed already; the backup has it as the database had it",
        "Where the application relies on it, set it on the live database with setval().",
    ),
    "sequence_back": (
        "sequence_set_back",
        "was set back between the snapshot and the moment at which the dump read it",
        "Find out who sets sequences back; make a new backup.",
    ),
    "generated": (
        "generated_columns_differ",
        "its generated columns have other values after a restore, which computes them anew",
        "Look whether their functions were changed since the rows were written, and write the rows of the live database anew.",
    ),
}


@dataclass(frozen=True)
class Rows:
    """Rows of a table that nothing says the number of; the database is empty where the dump names none."""

    database: str
    table: str
    rows: int


@dataclass(frozen=True)
class Order:
    """What is wanted; the names are those of the module's options."""

    backup: str
    max_age_seconds: float
    rto_target_seconds: float
    metrics_path: str
    accept_recorded: bool
    asked: Asked


@dataclass
class Outcome:
    """What came of it; every field is a key of the module's result."""

    changed: bool
    backup: str
    backup_path: str
    level: str
    verdict: str
    reason: str
    differences: list[EntryDifference]
    checked: dict[str, int]
    seconds: dict[str, float]
    duration_seconds: float
    restore_seconds: float | None
    age_seconds: float
    fresh: bool
    findings: list[Finding] = field(default_factory=list)
    age_from: str = "manifest"
    tables: list[Rows] = field(default_factory=list)
    cached: bool = False
    recorded_at: str = ""
    forecast_restore_seconds: float | None = None
    forecast_basis: str = ""
    records: dict[str, Any] = field(default_factory=dict)
    outcomes: list[dict[str, Any]] = field(default_factory=list)

    def to_result(self) -> dict[str, Any]:
        return {**asdict(self), "outcomes": self.outcomes or [self.told()]}

    def told(self) -> dict[str, Any]:
        """What tells it from those of other backups."""
        return {name: value for name, value in asdict(self).items() if name in _TOLD}


def verify(repository: Repository, order: Order, progress: Progress, *, check: bool = False) -> Outcome:
    """Examine one backup, keep what was seen beside it, and say it."""
    forget_environment()
    begun = time.monotonic()
    backup = chosen(repository, order.backup)
    path = repository.path(backup)
    if order.accept_recorded and (passed := _recorded_pass(repository, order, backup)):
        return _with_records(repository, passed)
    with repository.reading(backup):
        before = files.fingerprint(path)
        asked = replace(order.asked, selection=repository.selection)
        seen = (foresee if check else examine)(path, asked, progress)
        unchanged = before if files.fingerprint(path) == before else ""
    age, fresh = _age(repository, order)
    outcome = Outcome(
        changed=not check,
        backup=backup,
        backup_path=str(path),
        level=order.asked.level,
        verdict=seen.verdict,
        reason=seen.reason,
        differences=seen.differences,
        checked=seen.checked,
        seconds=progress.seconds,
        duration_seconds=round(time.monotonic() - begun, 3),
        restore_seconds=restore_seconds(progress) if order.asked.level == FULL else None,
        age_seconds=age,
        fresh=fresh,
    )
    _forecast(repository, outcome)
    outcome.findings += [*judgements(order, outcome), *_not_looked_at(order, outcome, seen), *map(odd, seen.odd)]
    if not check:
        outcome.findings += _recorded(repository, outcome, seen, unchanged)
        outcome.findings += measured(repository, order, outcome)
    return _with_records(repository, outcome)


def _forecast(repository: Repository, outcome: Outcome) -> None:
    told = forecast(repository.records(), outcome.restore_seconds)
    outcome.forecast_restore_seconds, outcome.forecast_basis = told.seconds, told.basis


def restore_seconds(progress: Progress) -> float | None:
    """How long roles and databases took; none where they were not restored."""
    seconds = progress.seconds
    return round(sum(seconds.get(phase, 0.0) for phase in (*_RESTORING, _FINISHING)), 3) if set(_RESTORING) <= set(seconds) else None


def _with_records(repository: Repository, outcome: Outcome) -> Outcome:
    """How the records stand when all is written."""
    records = repository.records()
    outcome.findings += records.findings(repository.directory)
    outcome.records = records.to_result()
    return outcome


def chosen(repository: Repository, which: str) -> str:
    """The backup that is meant."""
    backups = repository.backups()
    if not backups:
        raise OpsError("There is no backup", where=str(repository.directory), remedy="Run the playbook endpoint_stats.ops.backup.")
    if which == NEWEST:
        return backups[-1]
    if which == OLDEST_UNPROVEN:
        records = repository.records()
        return longest_unjudged(records, backups)
    if which not in backups:
        raise OpsError(f"There is no backup {which!r}", where=str(repository.directory), remedy=f"There are {', '.join(backups)}.")
    return which


def longest_unjudged(records: Records, backups: Sequence[str]) -> str:
    """The oldest of those that no restore has judged, or the one whose verdict is the oldest."""
    return min(backups, key=lambda backup: (*_judged_at(records, backup), backup))


def moment(repository: Repository, backup: str) -> float:
    """When the database was as the backup shows it; its name tells it nearly where the manifest cannot."""
    try:
        return datetime.fromisoformat(load(repository.path(backup)).snapshot_at).timestamp()
    except (ManifestError, ValueError):
        return made_at(backup).timestamp()


def _age(repository: Repository, order: Order) -> tuple[float, bool]:
    """Of the newest backup, and whether that is young enough."""
    age = round(time.time() - moment(repository, repository.backups()[-1]), 3)
    return age, not order.max_age_seconds or age <= order.max_age_seconds


def _recorded_pass(repository: Repository, order: Order, backup: str) -> Outcome | None:
    """A verdict on exactly this manifest and these files, which nobody has touched since; of the backup only the manifest is read."""
    path = repository.path(backup)
    try:
        manifest = load(path)
        trusted = signing.key(order.asked.manifest_key_file)
        if any(signing.differences(manifest, trusted, accept_unsigned=order.asked.accept_unsigned)):
            return None
    except OpsError:
        return None
    wanted = order.asked.expected_system_identifier
    records = repository.records()
    if not records.is_proven(backup, manifest.sha256) or wanted not in ("", manifest.server.system_identifier):
        return None
    passed = [
        entry for entry in records.verifications(backup) if (entry.get("verdict"), entry.get("level") in PROVING_LEVELS) == (PASSED, True)
    ]
    entry = passed[-1]
    if entry.get("fingerprint") != files.fingerprint(path):
        return None
    age, fresh = _age(repository, order)
    outcome = Outcome(
        changed=False,
        backup=backup,
        backup_path=str(path),
        level=str(entry.get("level")),
        verdict=PASSED,
        reason="",
        differences=[],
        checked=dict.fromkeys(COUNTED, 0),
        seconds={},
        duration_seconds=0.0,
        restore_seconds=entry.get("restore_seconds"),
        age_seconds=age,
        fresh=fresh,
        cached=True,
        recorded_at=str(entry.get("at")),
    )
    _forecast(repository, outcome)
    text, evidence = "its verdict is a cached one, as nobody has touched its files since", f"bytes read at {outcome.recorded_at}"
    cached = Finding("verification_cached", "info", backup, text, evidence, "Nothing has to be done.")
    outcome.findings += [*judgements(order, outcome), cached]
    return outcome


def _judged_at(records: Records, backup: str) -> tuple[str, str]:
    """When its last verdict on a restore was given, and when that was tried last; empty, which comes first, where it never was."""
    tried = [entry for entry in records.verifications(backup) if entry.get("level") in PROVING_LEVELS]
    judged = [entry for entry in tried if entry.get("verdict") in (PASSED, FAILED)]
    return str(judged[-1].get("at", "")) if judged else "", str(tried[-1].get("at", "")) if tried else ""


def judgements(order: Order, outcome: Outcome) -> Iterator[Finding]:
    """What its verdict, its age and its restore deserve."""
    if outcome.verdict == FAILED:
        yield Finding(
            "backup_failed_verification",
            "critical",
            outcome.backup,
            "cannot be relied on",
            outcome.reason,
            "Make a new backup and verify it; keep this one only where nothing better is left.",
        )
    if outcome.verdict == UNKNOWN:
        yield Finding(
            "backup_not_verified",
            "warning",
            outcome.backup,
            "could not be verified, which says nothing of it",
            outcome.reason,
            "Put right what the evidence names, and verify it again.",
        )
    if not outcome.fresh:
        yield Finding(
            "backup_too_old",
            "critical",
            outcome.backup,
            "the newest backup is too old",
            f"{outcome.age_seconds:.0f} seconds; {order.max_age_seconds:g} are allowed",
            "Look why the schedule of backups makes none, and run the playbook endpoint_stats.ops.backup.",
        )
    yield from _slow(order, outcome)


def _slow(order: Order, outcome: Outcome) -> Iterator[Finding]:
    """A restore that will take longer than it may, as far as that is known."""
    known = outcome.forecast_restore_seconds if outcome.forecast_restore_seconds is not None else outcome.restore_seconds
    if known is not None and known > order.rto_target_seconds:
        calibrated = outcome.forecast_basis == RESTORES
        how = "forecast by real restores" if calibrated else "at least, as measured on a server that need not survive"
        yield Finding(
            "restore_too_slow",
            "warning",
            outcome.backup,
            "restoring it takes longer than the target",
            f"{known:.0f} seconds, {how}; the target is {order.rto_target_seconds:g}",
            "Restore with more jobs or on a faster disk, or agree on another target.",
        )


def _not_looked_at(order: Order, outcome: Outcome, seen: Seen) -> Iterator[Finding]:
    """What is not known of the backup, where nobody minds."""
    if seen.roles_unseen and outcome.verdict == PASSED:
        text, evidence = "its roles were not looked at, as they are encrypted; roles of the same names stood in", f"level {outcome.level}"
        yield Finding("roles_not_verified", "info", outcome.backup, text, evidence, "Name the identity with globals_identity_file.")
    if seen.manifest and seen.manifest.selection and seen.manifest.left_out:
        text, evidence = "it holds a part of the database, and the verdict is on that", f"it lacks {seen.manifest.selection.few}"
        yield Finding("backup_partial", "info", outcome.backup, text, evidence, "Back up the rest too, where it is needed.")
    given = bool(order.asked.manifest_key_file)
    if seen.manifest and seen.manifest.signature and not given:
        evidence, remedy = f"key {seen.manifest.signature.key_id}", "Name the key with manifest_key_file."
        text = "its manifest is signed, and nobody looked whether the signature is right, as no key was given"
        yield Finding("signature_not_checked", "info", outcome.backup, text, evidence, remedy)
    if seen.manifest and not seen.manifest.signature and given and order.asked.accept_unsigned:
        remedy = "Leave accept_unsigned away when the backups from before the key are gone."
        yield Finding("manifest_unsigned", "warning", outcome.backup, "its manifest is not signed", "accept_unsigned allows it", remedy)


def odd(difference: EntryDifference) -> Finding:
    """What differs and speaks against the database."""
    identity, summary, remedy = _ODD[difference.kind]
    evidence = f"{difference.found}, expected {difference.expected}"
    return Finding(identity, "warning", difference.subject, summary, evidence, remedy)


def _recorded(repository: Repository, outcome: Outcome, seen: Seen, fingerprint: str) -> Iterator[Finding]:
    """The verdict holds also where it could not be kept, but retention does not know it then."""
    shown = [
        {**{key: getattr(one, key)[:_KEPT_CHARACTERS] for key in _KEPT}, "ranges": [part.rows for part in one.ranges[:_KEPT_RANGES]]}
        for one in outcome.differences[:_KEPT_DIFFERENCES]
    ]
    entry = {
        "at": now(),
        "level": outcome.level,
        "verdict": outcome.verdict,
        "reason": outcome.reason[:_KEPT_CHARACTERS],
        "manifest_sha256": seen.manifest.sha256 if seen.manifest else "",
        "fingerprint": fingerprint,
        "differences": shown,
        "differences_total": len(outcome.differences),
        "checked": outcome.checked,
        "seconds": outcome.seconds,
        "restore_seconds": outcome.restore_seconds,
        "collection_version": VERSION,
    }
    try:
        repository.record(outcome.backup, entry)
    except (OSError, OpsError) as error:
        outcome.changed = False
        remedy = "Let the user that verifies write there; until then no verification keeps a backup from being deleted."
        yield Finding("verification_not_recorded", "warning", outcome.backup, "its verification could not be kept", str(error), remedy)


def measured(repository: Repository, order: Order, outcome: Outcome) -> Iterator[Finding]:
    if not order.metrics_path:
        return
    try:
        write_metrics(order.metrics_path, list(_gauges(repository, outcome)), repository.labels)
    except OpsError as error:
        remedy = "The verdict holds. Make the file writable, or alerts will say that nothing was verified."
        yield Finding(
            "verification_metrics_not_written", "warning", order.metrics_path, "the metrics were not written", error.cause, remedy
        )


def _gauges(repository: Repository, outcome: Outcome) -> Iterator[Gauge]:
    yield Gauge("backup_verification_timestamp_seconds", "When a backup was verified last.", round(time.time(), 3))
    for verdict in VERDICTS:
        text = "1 for the verdict of the last verification."
        yield Gauge("backup_verification_verdict", text, int(outcome.verdict == verdict), {"level": outcome.level, "verdict": verdict})
    for phase, seconds in outcome.seconds.items():
        yield Gauge("backup_verification_duration_seconds", "How long each phase of it took.", seconds, {"phase": phase})
    if outcome.restore_seconds is not None:
        yield Gauge("backup_restore_seconds", "How long restoring took on the scratch server.", outcome.restore_seconds)
    if outcome.forecast_basis == RESTORES and outcome.forecast_restore_seconds is not None:
        text = "How long a real restore will take, by those there were."
        yield Gauge("backup_restore_forecast_seconds", text, outcome.forecast_restore_seconds)
    if proven := list(filter(repository.records().is_proven, repository.backups())):
        text = "The moment that the newest proven backup shows."
        yield Gauge("backup_proven_timestamp_seconds", text, moment(repository, proven[-1]))
