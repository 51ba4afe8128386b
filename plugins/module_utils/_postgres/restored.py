# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup, restored on a server that is thrown away, and compared with what its manifest says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from .._errors import OpsError
from . import archive, load, scratch, trial_compare, trial_load
from .dump import DUMP, GLOBALS
from .examination import Examination
from .load_error import LoadError
from .programs import Programs
from .scratch_place import NoScratchError
from .trial import Trial

# What pg_restore is told where indexes and constraints meet the rows.
_OF_ROWS = re.compile(r" violates |could not create unique index|conflicting key value|is violated by some row|contains null values")


@dataclass(frozen=True)
class Begun:
    """The server that a backup will be restored on, or what keeps from having one."""

    server: scratch.Making | None
    error: OpsError | None = None

    @property
    def making(self) -> scratch.Making:
        if self.server is None:
            raise self.error or NoScratchError("No scratch server was begun")
        return self.server


@contextmanager
def begun(examination: Examination) -> Iterator[Begun]:
    """Begin to make a server; what keeps from it is raised when the server is asked for: of a damaged backup nobody does."""
    with ExitStack() as stack:
        try:
            programs = examination.server_programs()
            examination.refuse()
            started = scratch.making(examination.scratch_directory, programs, examination.needs, examination.deadline)
            found = Begun(stack.enter_context(started))
        except OpsError as error:
            found = Begun(None, error)
        yield found


def restored(examination: Examination, statements: str, making: scratch.Making) -> None:
    """The backup restores on a server of its own, and what is there then is what was there."""
    programs = making.programs
    clients = examination.clients(programs.major)
    examination.seen.scratch_version = programs.version
    examination.seen.across = (programs.major, clients.major) != (examination.manifest.server.major, examination.manifest.dumped_by)
    examination.progress.phase("server")
    with ExitStack() as layout:
        laid_out = archive.opened(examination.path, examination.manifest.files, clients, examination.deadline, making.directory)
        opened = layout.enter_context(laid_out)
        with scratch.running(making) as server:
            trial = Trial(examination, load.Loader(clients, server.server, server.who, examination.deadline), statements)
            try:
                _tried(trial, opened)
                # What was decompressed leaves its room to what follows.
                layout.close()
                if examination.then and not examination.seen.differences:
                    examination.complete()
                    examination.then(trial.loader)
            except OpsError as error:
                lacking = server.trouble() or _lacking(trial, error, programs)
                if not lacking:
                    raise
                raise NoScratchError("The scratch server cannot hold this backup", cause=lacking) from error


def _tried(trial: Trial, opened: archive.Archive) -> None:
    if trial_load.prepared(trial):
        trial_compare.compared(trial, trial_load.loaded(trial, opened))
        trial_compare.located(trial)


def _lacking(trial: Trial, error: OpsError, programs: Programs) -> str:
    """What the server lacks that the backup needs; empty where the backup is to blame."""
    here = error.cause if isinstance(error, LoadError) and error.here else ""
    return _lost_with_the_roles(trial, error) or _lost_with_the_release(trial, error, programs) or here


def _lost_with_the_roles(trial: Trial, error: OpsError) -> str:
    """Tablespaces are made together with the roles: without those, a restore into one fails and says nothing."""
    return error.cause if trial.seen.roles_unseen and "tablespace" in error.cause else ""


def _lost_with_the_release(trial: Trial, error: OpsError, programs: Programs) -> str:
    """Statements that a newer release no longer takes, its own may; rows that contradict each other do so on any."""
    is_newer = programs.major > trial.manifest.server.major
    told = is_newer and isinstance(error, LoadError) and error.part in (DUMP, GLOBALS) and not _OF_ROWS.search(error.cause)
    return error.cause if told else ""
