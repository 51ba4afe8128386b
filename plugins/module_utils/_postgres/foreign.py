# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dump that no manifest speaks for: whole as far as can be told, and restored on a server that is thrown away. Never a proof."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .._completed import KilledError
from .._deadline import Deadline
from .._errors import OpsError
from .._process import run
from .._progress import Progress
from . import load, scratch, scratch_place
from .foreign_restore import Looked, Restoring, archived
from .foreign_script import Survey
from .foreign_source import DIRECTORY, PLAIN, TAR, DumpError, Source, identified
from .load_error import LoadError
from .programs import NEWEST_KNOWN, Programs, nearest
from .programs import found as programs_of
from .verdict import PASSED, Asked, Seen, judged

LEVEL = "unattested"
# What a database with its indexes takes, of statements and of an archive that is compressed.
_GROWTH, _COMPRESSED_GROWTH = 2, 12
_NEWER_ARCHIVE = "unsupported version ("
_LACKING = re.compile(
    r'role ".*" does not exist|tablespace ".*" does not exist|could not (?:open extension control|access) file|is not available'
)


def verify(path: Path, asked: Asked, progress: Progress, *, check: bool) -> tuple[Seen, Looked]:
    """Look at it and judge it; a check reads no more than it must to tell what is in the way."""
    looked, deadline = Looked(), Deadline(asked.timeout_seconds)
    return judged(progress, lambda seen: _Verification(path, asked, progress, deadline, seen, looked).run(check=check)), looked


@dataclass(frozen=True)
class _Verification:
    path: Path
    asked: Asked
    progress: Progress
    deadline: Deadline
    seen: Seen
    looked: Looked

    def run(self, *, check: bool) -> None:
        try:
            source = identified(self.path)
            clients = programs_of(load.PROGRAMS, source.reader)
            self.progress.phase("files", source.size, "bytes")
            survey = self._read(source, clients, check=check)
            self.seen.checked.update(files=len(source.files), bytes=source.size, entries=survey.entries)
            directory = self._place(source, survey)
            if not check:
                self._restored(source, survey, clients, directory)
                self.seen.verdict = PASSED
        except DumpError as error:
            self.seen.differ(error.kind, error.part, error.expected, error.found)

    def _read(self, source: Source, clients: Programs, *, check: bool) -> Survey:
        """All bytes, and the statements: of an archive as pg_restore writes them."""
        if source.form == PLAIN and check:
            survey = Survey().read([source.head])
            _refuse_partial(source, survey)
            return survey
        if source.form == PLAIN:
            with source.chunks(self._advance) as chunks:
                survey = Survey().read(chunks)
            _refuse_partial(source, survey)
            _refuse_cut(source, survey)
            return survey
        if source.form == DIRECTORY and not check:
            source.check_files(self._advance)
        self.progress.phase("contents")
        argv = [clients["pg_restore"], "--create", "--schema-only", "--file=-"]
        done = archived(source, argv, lambda argv, **how: run(argv, timeout_seconds=self.deadline.left(), **how))
        if _NEWER_ARCHIVE in done.stderr:
            raise scratch_place.NoScratchError("The dump was made by a newer pg_dump than the ones here", cause=done.stderr.strip())
        try:
            survey = Survey().read([done.check("The dump cannot be read").stdout.encode()])
        except KilledError:
            raise
        except OpsError as error:
            raise LoadError("dump_unreadable", self.path.name, error) from error
        if not survey.major:
            # pg_restore takes a damaged head for an archive of nothing.
            raise DumpError("dump_unreadable", self.path.name, "an archive that tells the version of its server", "one that does not")
        return survey

    def _place(self, source: Source, survey: Survey) -> Path:
        """Where the server will be; refused where it cannot."""
        directory = scratch_place.place(self.asked.scratch_dir, self._needs(source, survey))
        if survey.major:
            self._server_programs(survey)
        if refused := scratch_place.refusal(directory, self._needs(source, survey)):
            raise refused
        return directory

    def _server_programs(self, survey: Survey) -> Programs:
        newest = NEWEST_KNOWN if self.asked.accept_newer_server else survey.major
        return nearest(scratch.PROGRAMS, survey.major, newest=newest)

    def _needs(self, source: Source, survey: Survey) -> scratch_place.Needs:
        """Known of statements that were read to their end, guessed of everything else."""
        size, growth = source.size, _COMPRESSED_GROWTH if source.compression or source.form not in (PLAIN, TAR) else _GROWTH
        if source.form == PLAIN and survey.complete:
            size, growth = survey.read_bytes, _GROWTH
        asked = self.asked
        return scratch_place.Needs(size * growth, survey.entries, asked.jobs, asked.scratch_max_bytes, asked.scratch_niceness)

    def _restored(self, source: Source, survey: Survey, clients: Programs, directory: Path) -> None:
        if not survey.major:
            raise scratch_place.NoScratchError(
                "The dump does not tell the version of its server", where=str(self.path), remedy="Restore it by hand."
            )
        programs = self._server_programs(survey)
        self.seen.scratch_version = programs.version
        self.progress.phase("server")
        with (
            scratch.making(directory, programs, self._needs(source, survey), self.deadline) as making,
            scratch.running(making) as server,
            _blamed(server),
        ):
            loader = load.Loader(clients, server.server, server.who, self.deadline)
            restoring = Restoring(loader, source, survey, self.looked, self._advance)
            self.progress.phase("roles")
            restoring.prepare()
            self.progress.phase("restore", source.size if source.form == PLAIN else 0, "bytes")
            restoring.load(self.asked.jobs)
            self.progress.phase("rows")
            self.seen.odd += restoring.count()
        tables = self.looked.tables
        self.seen.checked.update(tables=len(tables), rows=sum(table.rows for table in tables))

    def _advance(self, done: float) -> None:
        self.deadline.left()
        self.progress.advance(done)


def _refuse_partial(source: Source, survey: Survey) -> None:
    """What is no plain statements of pg_dump, or of no use by itself."""
    if source.head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DumpError("dump_unreadable", source.path.name, "text as pg_dump writes it", "text in UTF-16, as shells of Windows write it")
    if b"\0" in source.head:
        raise DumpError("dump_unreadable", source.path.name, "a dump of PostgreSQL", "bytes of no known form")
    if not survey.begun:
        raise DumpError("dump_unreadable", source.path.name, "text that begins as pg_dump begins it", "other text")
    if survey.drops_first:
        cause = "it begins by dropping what an empty server does not have"
        remedy = "Make dumps with --if-exists where they are made with --clean; this one restores over a database that is there."
        raise scratch_place.NoScratchError("The dump needs a database to restore over", where=str(source.path), cause=cause, remedy=remedy)


def _refuse_cut(source: Source, survey: Survey) -> None:
    """psql would take the half of it without an error."""
    if not survey.complete:
        within = f", within the rows of {survey.within}" if survey.within else ""
        raise DumpError("dump_cut", source.path.name, "the line that pg_dump ends with", f"an end after {survey.read_bytes} bytes{within}")


@contextmanager
def _blamed(server: scratch.Scratch) -> Iterator[None]:
    """What the server lacks or suffers from is no fault of the dump."""
    try:
        yield
    except OpsError as error:
        lacking = server.trouble()
        if isinstance(error, LoadError) and (error.here or _LACKING.search(error.cause)):
            lacking = lacking or error.cause
        if not lacking:
            raise
        raise scratch_place.NoScratchError("The scratch server cannot hold this dump", cause=lacking) from error
