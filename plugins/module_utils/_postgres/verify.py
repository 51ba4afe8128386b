# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A verification from the choice of the backup to the record beside it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from .._errors import OpsError
from .._progress import Progress
from . import files, on_record
from .connection import forget_environment
from .examine import examine, foresee
from .forecast import forecast
from .judgements import judgements, not_looked_at, odd
from .manifest import FILE_NAME
from .records import PROVING_LEVELS, Records
from .repository import Repository
from .verdict import FAILED, FULL, PASSED
from .verification_kept import measured, moment, recorded
from .verified import Order, Outcome, restore_seconds

NEWEST, OLDEST_UNPROVEN = "newest", "oldest_unproven"


def verify(repository: Repository, order: Order, progress: Progress, *, check: bool = False) -> Outcome:
    """Examine one backup, keep what was seen beside it, and say it; or say what is on record, where that is an answer."""
    forget_environment()
    begun = time.monotonic()
    backup = chosen(repository, order.backup)
    path, asked = repository.path(backup), replace(order.asked, selection=repository.selection)
    with repository.reading(backup):
        if known := on_record.answer(path, repository.records(), order, asked, progress):
            seen, told = known.seen, known.told
        else:
            before = files.fingerprint(path)
            seen = (foresee if check else examine)(path, asked, progress)
            unchanged = before if files.fingerprint(path) == before else ""
            restored = restore_seconds(progress) if asked.level == FULL else None
            told = {"level": asked.level, "restore_seconds": restored, "read_bytes": seen.checked["bytes"] + _size(path / FILE_NAME)}
    age, fresh = _age(repository, order)
    changed = not (check or known)
    outcome = Outcome.of(path, seen, progress, begun, age_seconds=age, fresh=fresh, changed=changed, **told)
    _forecast(repository, outcome)
    outcome.findings += [*judgements(order, outcome), *not_looked_at(order, outcome, seen), *map(odd, seen.odd)]
    if changed:
        outcome.findings += recorded(repository, order, outcome, seen, unchanged)
    if not check:
        outcome.findings += measured(repository, order, outcome)
    return _with_records(repository, outcome)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


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


def _judged_at(records: Records, backup: str) -> tuple[str, str]:
    """When its last verdict on a restore was given, and when that was tried last; empty, which comes first, where it never was."""
    tried = [entry for entry in records.verifications(backup) if entry.get("level") in PROVING_LEVELS]
    judged = [entry for entry in tried if entry.get("verdict") in (PASSED, FAILED)]
    return str(judged[-1].get("at", "")) if judged else "", str(tried[-1].get("at", "")) if tried else ""
