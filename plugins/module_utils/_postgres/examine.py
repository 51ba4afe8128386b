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
from . import load, restored
from .examination import Examination
from .sealing import Keys
from .verdict import CHECKSUM, Asked, Seen, judged


def examine(path: Path, asked: Asked, progress: Progress, then: Callable[[load.Loader], None] | None = None) -> Seen:
    """Look at a backup and judge it; C(then) gets the server while it is there, once everything in it was found to be as it was."""
    return _judged(path, asked, progress, lambda examination: _look(replace(examination, then=then)))


def foresee(path: Path, asked: Asked, progress: Progress) -> Seen:
    """What can be said of a backup, and of the chance to examine it, without reading or starting much: no verdict where all is well."""
    return _judged(path, asked, progress, _glance)


def identify(path: Path, asked: Asked, progress: Progress) -> Seen:
    """What its manifest says, against what is asked of it; and whether the key opens its roles, where one was given."""
    return _judged(path, asked, progress, _identify)


def _judged(path: Path, asked: Asked, progress: Progress, look: Callable[[Examination], None]) -> Seen:
    return judged(progress, lambda seen: look(Examination(path, asked, progress, Deadline(asked.timeout_seconds), seen)))


def _look(examination: Examination) -> None:
    examination.identity()
    if examination.asked.level == CHECKSUM or examination.seen.differences:
        _read(examination)
    else:
        # It takes a processor that reading files leaves over.
        with restored.begun(examination) as begun:
            statements = _read(examination)
            if not examination.seen.differences:
                restored.restored(examination, statements, begun.making)
    examination.complete()


def _read(examination: Examination) -> str:
    """Every byte that is there; gives the statements of the dump where the files are whole."""
    examination.files(read=True)
    return "" if examination.seen.differences else examination.statements(examination.clients())


def _identify(examination: Examination) -> None:
    examination.identity()
    if examination.asked.level != CHECKSUM and examination.asked.keys != Keys():
        examination.roles()


def _glance(examination: Examination) -> None:
    examination.identity()
    examination.files(read=False)
    if examination.seen.differences:
        return
    examination.clients()
    if examination.asked.level != CHECKSUM:
        examination.server_programs()
        examination.refuse()
