# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a backup good? Looked at byte by byte, restored on a server that is thrown away, compared, judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from .._deadline import Deadline
from .._progress import Progress
from . import load, trial
from .examination import Examination
from .verdict import CHECKSUM, Asked, Seen, judged


def examine(path: Path, asked: Asked, progress: Progress, then: Callable[[load.Loader], None] | None = None) -> Seen:
    """Look at a backup and judge it; C(then) gets the server while it is there, once everything in it was found to be as it was."""
    return _judged(path, asked, progress, lambda examination: _look(replace(examination, then=then)))


def foresee(path: Path, asked: Asked, progress: Progress) -> Seen:
    """What can be said of a backup, and of the chance to examine it, without reading or starting much: no verdict where all is well."""
    return _judged(path, asked, progress, _glance)


def _judged(path: Path, asked: Asked, progress: Progress, look: Callable[[Examination], None]) -> Seen:
    return judged(progress, lambda seen: look(Examination(path, asked, progress, Deadline(asked.timeout_seconds), seen)))


def _look(examination: Examination) -> None:
    examination.identity()
    examination.files(read=True)
    if examination.seen.differences:
        return
    statements = examination.statements(examination.clients())
    if examination.asked.level != CHECKSUM and not examination.seen.differences:
        trial.restored(examination, statements)
    examination.complete()


def _glance(examination: Examination) -> None:
    examination.identity()
    examination.files(read=False)
    if examination.seen.differences:
        return
    examination.clients()
    if examination.asked.level != CHECKSUM:
        examination.server_programs()
        examination.refuse()
