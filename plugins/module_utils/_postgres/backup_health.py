# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the backups of a database are, by their names, their records and the manifest of the newest; nothing is restored for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .._report.part import Part, Threshold
from .backup_findings import (
    AGE,
    OFFSITE,
    PROVEN,
    Dated,
    judge_age,
    judge_failed,
    judge_last_verdict,
    judge_manifest,
    judge_restore,
    judge_selection,
    last_verdicts,
    no_backup,
)
from .forecast import Forecast, forecast
from .keep import history
from .opening import opened
from .records import Records
from .repository import Repository


@dataclass(frozen=True)
class Limits:
    """Where a measured value becomes a finding, in seconds; the C(remote) is empty where nothing is copied elsewhere."""

    age: Threshold
    proven_age: Threshold
    offsite_age: Threshold
    restore: Threshold
    remote: str = ""


def look(directory: str, database: str, limits: Limits, now: datetime | None = None) -> Part:
    """What of the directory deserves a word; one that is not there yet holds no backup."""
    subject = f"Backups/{database}"
    path = Path(directory)
    try:
        empty = not path.exists() or not any(path.iterdir())
    except OSError as error:
        return Part(reason=f"The directory of backups could not be read. Where: {directory}. Cause: {error.strerror}.")
    if empty:
        return Part(_nothing(directory, limits), [no_backup(subject, directory)])
    return _judged(opened(directory, database), subject, limits, now or datetime.now(UTC))


def _judged(repository: Repository, subject: str, limits: Limits, now: datetime) -> Part:
    records, names = repository.records(), repository.backups()
    if not names:
        found = [no_backup(subject, str(repository.directory)), *records.findings(repository.directory)]
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
        "verdicts": last_verdicts(records, names),
        "limits": _shown(limits),
    }
    findings = [
        *judge_manifest(known, repository.path(names[-1])),
        *judge_selection(repository, subject),
        *judge_age(ages["newest"], first, limits.age, AGE, subject),
        *judge_age(ages["proven"], first, limits.proven_age, PROVEN, subject),
        *(judge_age(ages["offsite"], first, limits.offsite_age, OFFSITE, limits.remote) if limits.remote else ()),
        *judge_failed(failed, proven, subject),
        *judge_last_verdict(records, names, subject),
        *judge_restore(foreseen, limits.restore, subject),
        *records.findings(repository.directory),
    ]
    return Part(data, findings)


def _nothing(directory: str, limits: Limits) -> dict[str, Any]:
    return {"directory": directory, "backups": 0, "limits": _shown(limits)}


def _foreseen(records: Records, names: Sequence[str]) -> Forecast:
    """By the newest verification that restored everything."""
    for name in reversed(names):
        known = [entry.get("restore_seconds") for entry in records.verifications(name) if entry.get("level") == "full"]
        measured = [float(seconds) for seconds in known if isinstance(seconds, (int, float))]
        if measured:
            return forecast(records, measured[-1])
    return Forecast()


def _shown(limits: Limits) -> Mapping[str, Any]:
    return {name: getattr(limits, name).to_dict() for name in ("age", "proven_age", "offsite_age", "restore")}
