# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of a verification: a record beside the backup, and numbers for alerts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

from .._clock import now
from .._errors import OpsError
from .._metrics import Gauge, write_metrics
from .._report.finding import Finding
from .._version import VERSION
from .forecast import RESTORES
from .manifest import ManifestError, load
from .repository import Repository
from .retention import made_at
from .verdict import CHECKSUM, VERDICTS, Seen
from .verified import Order, Outcome

_KEPT_DIFFERENCES = 20
_KEPT_CHARACTERS = 300
_KEPT_RANGES = 10
_KEPT = ("kind", "subject", "expected", "found")


def moment(repository: Repository, backup: str) -> float:
    """When the database was as the backup shows it; its name tells it nearly where the manifest cannot."""
    try:
        return datetime.fromisoformat(load(repository.path(backup)).snapshot_at).timestamp()
    except (ManifestError, ValueError):
        return made_at(backup).timestamp()


def recorded(repository: Repository, order: Order, outcome: Outcome, seen: Seen, fingerprint: str) -> Iterator[Finding]:
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
        "scratch_version": outcome.scratch_version,
        "structure": outcome.structure,
        "amcheck": order.asked.amcheck,
        "roles_seen": not seen.roles_unseen,
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
    now_seconds = round(time.time(), 3)
    yield Gauge("backup_verification_timestamp_seconds", "When a verification came to its verdict last.", now_seconds)
    read = datetime.fromisoformat(outcome.recorded_at).timestamp() if outcome.cached else now_seconds
    yield Gauge("backup_verification_read_timestamp_seconds", "When the files were read that this verdict rests on.", read)
    for verdict in VERDICTS:
        text = "1 for the verdict of the last verification."
        yield Gauge("backup_verification_verdict", text, int(outcome.verdict == verdict), {"level": outcome.level, "verdict": verdict})
    newest = round(time.time() - outcome.age_seconds, 3)
    yield Gauge("backup_verification_newest_timestamp_seconds", "The moment that the newest backup shows, whichever was verified.", newest)
    if outcome.level != CHECKSUM and not outcome.cached:
        yield Gauge("backup_verification_rows", "Rows that were restored and compared.", outcome.checked["rows"])
    for phase, seconds in outcome.seconds.items():
        yield Gauge("backup_verification_duration_seconds", "How long each phase of it took.", seconds, {"phase": phase})
    if outcome.restore_seconds is not None:
        yield Gauge("backup_restore_seconds", "How long restoring took on the scratch server.", outcome.restore_seconds)
    if outcome.forecast_basis == RESTORES and outcome.forecast_restore_seconds is not None:
        text = "How long a real restore will take, by those there were."
        yield Gauge("backup_restore_forecast_seconds", text, outcome.forecast_restore_seconds)
    proven = list(filter(repository.records().is_proven, repository.backups()))
    yield Gauge("backup_proven", "Backups that a restore has proven.", len(proven))
    if proven:
        text = "The moment that the newest proven backup shows."
        yield Gauge("backup_proven_timestamp_seconds", text, moment(repository, proven[-1]))
