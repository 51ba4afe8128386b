# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One backup from the first question to the last deletion."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from .._errors import OpsError
from .._metrics import Gauge, write_metrics
from .._progress import Progress
from .._report.finding import Finding
from . import signing
from .keep import History, history, hold, judge, judge_schedule, standing
from .make import Maker
from .manifest import Manifest
from .opening import opened
from .order import Order, Outcome
from .ready import Ready, look
from .repository import Repository
from .retention import Policy, fates


def predict(order: Order, progress: Progress) -> Outcome:
    """What a backup would do, from the same questions and its own history; nothing is written."""
    progress.phase("preflight")
    _key(order)
    ready = _ready(order)
    repository = ready.repository
    repository.refuse_locked("pg_backup")
    before, name = repository.backups(), datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    progress.end()
    outcome = Outcome(backup=name, backup_path=str(repository.path(name)), rows=ready.rows, tables=ready.tables, before=before)
    outcome.bytes, outcome.leftovers_removed = ready.estimated_bytes, [path.name for path in repository.leftovers()]
    outcome.left_out = ready.left_out
    _foresee_retention(repository, order.retention, outcome, [*before, name])
    _look_at_records(repository, outcome)
    outcome.seconds = ready.history.expected_seconds
    if outcome.seconds:
        outcome.duration_seconds = round(sum(outcome.seconds.values()), 3)
        _judge_schedule(order, outcome, outcome.duration_seconds)
    return outcome


def back_up(order: Order, progress: Progress) -> Outcome:
    """Make a backup, publish it, and delete those that are not needed any more."""
    os.umask(0o077)
    progress.phase("preflight")
    key, ready = _key(order), _ready(order)
    repository = opened(order.directory, order.server.database, create=True, selection=order.selection)
    progress.phase("lock")
    with repository.locked("pg_backup", order.lock_wait_seconds):
        begun = time.monotonic()
        # Whoever was waited for may have made one.
        maker = Maker(order, replace(ready, history=history(repository)), progress, key)
        outcome = Outcome(before=repository.backups())
        _clean(repository, outcome)
        made = maker.make(repository.new_name())
        outcome.duration_seconds = round(time.monotonic() - begun, 3)
        progress.phase("retention")
        outcome.findings += judge(made, maker.ready.history)
        _hold(repository, maker.ready.history, outcome)
        _retain(repository, order.retention, outcome)
        progress.end()
    outcome.backup, outcome.backup_path, outcome.manifest_sha256 = made.id, str(repository.path(made.id)), made.sha256
    outcome.bytes, outcome.rows, outcome.tables = made.bytes, made.rows, len(made.tables)
    outcome.seconds, outcome.dump_warnings, outcome.left_out = progress.seconds, list(made.warnings), made.left_out
    _look_at_records(repository, outcome)
    _judge_schedule(order, outcome, maker.ready.history.usual_seconds(outcome.duration_seconds))
    _write_metrics(order, repository, made, outcome)
    return outcome


def _look_at_records(repository: Repository, outcome: Outcome) -> None:
    records = repository.records()
    outcome.findings += records.findings(repository.directory)
    outcome.records = records.to_result()


def _key(order: Order) -> signing.Key | None:
    """The key for the manifest; what would keep the roles from being encrypted is refused as well."""
    order.sealing.refuse()
    return signing.key(order.manifest_key_file)


def _ready(order: Order) -> Ready:
    wanted: dict[str, Any] = {"passwords": order.include_role_passwords, "selection": order.selection}
    return look(order.server, order.directory, jobs=order.jobs, metrics_path=order.metrics_path, **wanted)


def _clean(repository: Repository, outcome: Outcome) -> None:
    """Remove what killed runs have left; what resists costs room and no backup."""
    for path in repository.leftovers():
        try:
            shutil.rmtree(path)
            outcome.leftovers_removed.append(path.name)
        except OSError as error:
            text, remedy = "what a killed run left could not be removed", "Remove it, and look who else writes there."
            outcome.findings.append(Finding("backup_leftover_stays", "warning", str(path), text, str(error), remedy))


def _foresee_retention(repository: Repository, policy: Policy, outcome: Outcome, backups: Sequence[str]) -> None:
    known = standing(repository)
    outcome.retention = fates(backups, policy, known)
    outcome.deleted = [fate.backup for fate in outcome.retention if not fate.kept]
    outcome.kept = [fate.backup for fate in outcome.retention if fate.kept]
    outcome.pinned = _pinned(known.pinned, backups)


def _retain(repository: Repository, policy: Policy, outcome: Outcome) -> None:
    """Only after a backup was published; one that somebody reads, or that resists, stays until the next run."""
    _foresee_retention(repository, policy, outcome, repository.backups())
    outcome.deleted = []
    for fate in outcome.retention:
        if fate.kept:
            continue
        try:
            stays = repository.delete(fate.backup, fate.why, retention=asdict(policy))
        except (OSError, OpsError) as error:
            stays = f"it could not be deleted: {error}"
        if stays:
            outcome.not_deleted.append({"backup": fate.backup, "why": stays})
        else:
            outcome.deleted.append(fate.backup)
    outcome.kept = repository.backups()


def _pinned(pins: Mapping[str, str], backups: Sequence[str]) -> list[dict[str, str]]:
    return [{"backup": backup, "reason": reason} for backup, reason in pins.items() if backup in backups]


def _hold(repository: Repository, before: History, outcome: Outcome) -> None:
    if before.previous:
        # Where no pin can be written, no deletion can be recorded, and none is made.
        with suppress(OSError, OpsError):
            hold(repository, before.previous, outcome.findings)


def _judge_schedule(order: Order, outcome: Outcome, usual_seconds: float) -> None:
    if order.interval_seconds and outcome.duration_seconds is not None:
        outcome.worst_loss_seconds = round(order.interval_seconds + outcome.duration_seconds, 3)
        outcome.findings += judge_schedule(
            outcome.backup, order.interval_seconds, usual_seconds, outcome.worst_loss_seconds, order.rpo_target_seconds
        )


def _write_metrics(order: Order, repository: Repository, made: Manifest, outcome: Outcome) -> None:
    """The backup is good whatever becomes of them."""
    try:
        write_metrics(order.metrics_path, list(_gauges(made, outcome)), repository.labels)
    except OpsError as error:
        remedy = "The backup itself is good. Make the file writable, or alerts will say that there is no backup."
        text = "the metrics could not be written"
        outcome.findings.append(Finding("backup_metrics_not_written", "warning", order.metrics_path, text, error.cause, remedy))


def _gauges(made: Manifest, outcome: Outcome) -> Sequence[Gauge]:
    at = datetime.fromisoformat(made.snapshot_at).timestamp()
    text = "How long each phase of the newest backup took."
    return [
        Gauge("backup_timestamp_seconds", "The moment that the newest backup shows.", at),
        Gauge("backup_size_bytes", "Size of the newest backup.", made.bytes),
        Gauge("backup_rows", "Rows in the newest backup.", made.rows),
        Gauge("backup_kept", "Backups there are.", len(outcome.kept)),
        *(Gauge("backup_duration_seconds", text, seconds, {"phase": phase}) for phase, seconds in outcome.seconds.items()),
    ]
