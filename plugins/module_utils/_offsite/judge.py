# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the age of the copies means, and the numbers for alerts."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from .._errors import OpsError
from .._metrics import Gauge, write_metrics
from .._postgres.repository import Repository
from .._report.finding import Finding
from .order import Order, Outcome, moment


def judge_age(order: Order, repository: Repository, outcome: Outcome) -> None:
    """Of the newest copy; where nobody answered, of the newest that was copied by what the records say."""
    newest = outcome.kept[-1] if outcome.kept else max(repository.records().copies(order.rclone.remote), default="")
    if newest:
        outcome.offsite_age_seconds = round((datetime.now(UTC) - moment(newest)).total_seconds(), 3)
    allowed = order.max_age_seconds
    if allowed and (outcome.offsite_age_seconds is None or outcome.offsite_age_seconds > allowed):
        evidence = f"{newest}, {outcome.offsite_age_seconds:.0f} seconds old" if outcome.offsite_age_seconds else "there is none"
        remedy = "See the other findings for what is in the way. Until then the backups here are all there is."
        text = f"the newest copy off-site is too old; {allowed:g} seconds are allowed"
        outcome.findings.append(Finding("offsite_too_old", "critical", order.rclone.remote, text, evidence, remedy))


def judge_lost(order: Order, outcome: Outcome, lost: Iterable[str]) -> list[str]:
    """Of copies that are gone; those that were not sent again, as they are gone here as well. They are told once."""
    gone = sorted({*lost} - {*outcome.copied})
    for backup in sorted(lost):
        again = "it is not here any more either" if backup in gone else "it is sent again"
        text = f"its copy off-site is gone, and nothing here has deleted it; {again}"
        evidence = f"the records tell that it was copied to {order.rclone.remote}"
        remedy = "Find out who deletes there, and lock the objects (backups_offsite_expect_immutable tries whether they are)."
        outcome.findings.append(Finding("offsite_copy_missing", "critical", backup, text, evidence, remedy))
    outcome.failed = outcome.failed or bool(gone)
    return gone


def write_gauges(order: Order, repository: Repository, outcome: Outcome) -> None:
    """The copies are good whatever becomes of them."""
    try:
        write_metrics(order.metrics_path, list(_gauges(outcome)), repository.labels)
    except OpsError as error:
        text, remedy = "the metrics could not be written", "Make the file writable, or alerts will say that nothing is copied."
        outcome.findings.append(Finding("offsite_metrics_not_written", "warning", order.metrics_path, text, error.cause, remedy))


def _gauges(outcome: Outcome) -> Iterator[Gauge]:
    yield Gauge("backup_offsite_run_timestamp_seconds", "When backups were last to be copied off-site.", round(time.time(), 3))
    yield Gauge("backup_offsite_reachable", "1 if the off-site answered.", int(outcome.reachable))
    yield Gauge("backup_offsite_succeeded", "1 if everything that had to be there is.", int(not outcome.failed))
    if outcome.offsite_age_seconds is not None:
        at = round(time.time() - outcome.offsite_age_seconds, 3)
        yield Gauge("backup_offsite_timestamp_seconds", "The time of the newest backup that has a copy off-site.", at)
    if outcome.reachable:
        yield Gauge("backup_offsite_copies", "Copies there are off-site.", len(outcome.kept))
    yield Gauge("backup_offsite_transferred_bytes", "Bytes that the last run sent.", outcome.transferred_bytes)
    for phase, seconds in outcome.seconds.items():
        yield Gauge("backup_offsite_duration_seconds", "How long each phase of the last run took.", seconds, {"phase": phase})
    if outcome.immutable is not None:
        yield Gauge("backup_offsite_immutable", "1 if what lies there cannot be deleted.", int(outcome.immutable))
