# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A verification from the choice of the backup to the record beside it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from .._errors import OpsError
from .._progress import Progress
from .._report.finding import Finding
from . import files, signing
from .connection import forget_environment
from .examine import examine, foresee
from .forecast import forecast
from .judgements import judgements, not_looked_at, odd
from .manifest import load
from .records import PROVING_LEVELS, Records
from .repository import Repository
from .verdict import FAILED, FULL, PASSED, Seen
from .verification_kept import measured, moment, recorded
from .verified import Order, Outcome, restore_seconds

NEWEST, OLDEST_UNPROVEN = "newest", "oldest_unproven"


def verify(repository: Repository, order: Order, progress: Progress, *, check: bool = False) -> Outcome:
    """Examine one backup, keep what was seen beside it, and say it."""
    forget_environment()
    begun = time.monotonic()
    backup = chosen(repository, order.backup)
    path = repository.path(backup)
    if order.accept_recorded and (passed := _recorded_pass(repository, order, backup, progress)):
        return _with_records(repository, passed)
    with repository.reading(backup):
        before = files.fingerprint(path)
        asked = replace(order.asked, selection=repository.selection)
        seen = (foresee if check else examine)(path, asked, progress)
        unchanged = before if files.fingerprint(path) == before else ""
    age, fresh = _age(repository, order)
    level = order.asked.level
    restored = restore_seconds(progress) if level == FULL else None
    outcome = Outcome.of(path, level, seen, progress, begun, changed=not check, restore_seconds=restored, age_seconds=age, fresh=fresh)
    _forecast(repository, outcome)
    outcome.findings += [*judgements(order, outcome), *not_looked_at(order, outcome, seen), *map(odd, seen.odd)]
    if not check:
        outcome.findings += recorded(repository, outcome, seen, unchanged)
        outcome.findings += measured(repository, order, outcome)
    return _with_records(repository, outcome)


def _forecast(repository: Repository, outcome: Outcome) -> None:
    told = forecast(repository.records(), outcome.restore_seconds)
    outcome.forecast_restore_seconds, outcome.forecast_basis = told.seconds, told.basis


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


def _age(repository: Repository, order: Order) -> tuple[float, bool]:
    """Of the newest backup, and whether that is young enough."""
    age = round(time.time() - moment(repository, repository.backups()[-1]), 3)
    return age, not order.max_age_seconds or age <= order.max_age_seconds


def _recorded_pass(repository: Repository, order: Order, backup: str, progress: Progress) -> Outcome | None:
    """A verdict on exactly this manifest and these files, which nobody has touched since; of the backup only the manifest is read."""
    begun, path = time.monotonic(), repository.path(backup)
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
    told = {"restore_seconds": entry.get("restore_seconds"), "age_seconds": age, "fresh": fresh, "recorded_at": str(entry.get("at"))}
    where = {name: str(entry.get(name, "")) for name in ("scratch_version", "structure")}
    outcome = Outcome.of(path, str(entry.get("level")), Seen(PASSED), progress, begun, **told, **where, cached=True)
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
