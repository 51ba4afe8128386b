# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several backups verified one after the other, told as one: what decides, and each of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from .._errors import OpsError
from .._progress import Progress
from .._report.finding import Finding
from .repository import Repository
from .retention import made_at
from .verdict import FAILED, PASSED, UNKNOWN
from .verification_kept import measured
from .verified import Order, Outcome
from .verify import chosen, longest_unjudged, verify

ALL, SAMPLE = "all", "sample"
# Seconds up to which a backup is of its age: a day, a week, a month, older.
_AGES = (86400.0, 604800.0, 2678400.0, float("inf"))
_WORST_FIRST = (FAILED, UNKNOWN, "", PASSED)
# These tell of the directory, and not of one backup in it.
_OF_ALL = ("backup_too_old", "records_damaged")


def wanted(repository: Repository, which: str) -> list[str]:
    """The backups that are meant, the oldest first."""
    newest = chosen(repository, which if which not in (ALL, SAMPLE) else "newest")
    if which == ALL:
        return repository.backups()
    return list(_sample(repository, newest)) if which == SAMPLE else [newest]


def verify_wanted(repository: Repository, order: Order, progress_path: str, *, check: bool) -> Outcome:
    """The outcome of one; of several that of the one that decides, with all of them."""
    begun, found = time.monotonic(), []
    for backup in wanted(repository, order.backup):
        left = max(1.0, order.asked.timeout_seconds - (time.monotonic() - begun))
        mine = replace(order, backup=backup, asked=replace(order.asked, timeout_seconds=left))
        try:
            found.append(verify(repository, mine, Progress(progress_path), check=check))
        except OpsError:
            # Retention goes on meanwhile.
            if len(found) == 0 or backup in repository.backups():
                raise
    return _told(repository, order, found, check=check)


def _told(repository: Repository, order: Order, found: Sequence[Outcome], *, check: bool) -> Outcome:
    if len(found) == 1:
        return found[0]
    decides = min(reversed(found), key=lambda outcome: _WORST_FIRST.index(outcome.verdict))
    decides.outcomes = [outcome.told() for outcome in found]
    decides.findings = list(_merged(found))
    decides.changed = any(outcome.changed for outcome in found)
    decides.duration_seconds = round(sum(outcome.duration_seconds for outcome in found), 3)
    decides.records = found[-1].records
    if not check:
        decides.findings += measured(repository, order, decides)
    return decides


def _merged(found: Sequence[Outcome]) -> Iterator[Finding]:
    """Those of each, and what tells of all of them once."""
    for outcome in found:
        yield from (finding for finding in outcome.findings if finding.id not in _OF_ALL or outcome is found[-1])


def _sample(repository: Repository, newest: str) -> Iterator[str]:
    """Of each age the one that nobody has judged for longest."""
    records, until = repository.records(), made_at(newest)
    ages: dict[float, list[str]] = {}
    for backup in repository.backups():
        age = (until - made_at(backup)).total_seconds()
        ages.setdefault(min(limit for limit in _AGES if age < limit), []).append(backup)
    for backups in ages.values():
        yield longest_unjudged(records, backups)
