# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows from compressed files into tables: decompressed, hashed and sent at the same time, and nowhere on a disk in between.

A table that is kept is loaded by one statement. On a server that is thrown away, several load the parts of a big file.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from .._deadline import Deadline
from .._deps import declare
from .._errors import OpsError
from . import silence
from .archive import Archive, Copy
from .compressed import rows, small_rows
from .connection import LONGEST_TIMEOUT_SECONDS
from .feed import Block, Feed, StoppedError
from .load_error import LoadError

with declare("psycopg", minimum="3.1"):
    import psycopg
    import psycopg.sql

_SPLIT_BYTES = 16 << 20
# Files that are read together, which share a zstd.
_SMALL_BYTES = 1 << 20
_SMALL_AT_ONCE = 100
_WATCH_SECONDS = 0.5
_LINE = re.compile(r"^COPY .*?, line (\d+)", re.S)
_STATEMENT_TIMEOUT = "SELECT pg_catalog.set_config('statement_timeout', %s, false)"
# The server was told to end a statement or a session, which says nothing of the rows.
_ENDED = "57"


@dataclass
class Streams:
    """So many sessions (C(jobs)) that C(connect) opens; C(split) lets several load one table."""

    archive: Archive
    connect: Callable[[], AbstractContextManager[Any]]
    role: str
    jobs: int
    split: bool
    deadline: Deadline
    _free: queue.SimpleQueue[Any] = field(default_factory=queue.SimpleQueue)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _errors: list[BaseException] = field(default_factory=list)

    def load(self, while_running: Callable[[], None]) -> None:
        """All rows; the first error ends it."""
        copies = sorted(self.archive.copies, key=lambda copy: -copy.file.plain_bytes)
        big = [copy for copy in copies if self.split and self.jobs > 1 and copy.file.plain_bytes >= _SPLIT_BYTES]
        with ExitStack() as sessions, ThreadPoolExecutor(self.jobs + 1) as pool:
            for _job in range(self.jobs):
                self._free.put(sessions.enter_context(self._session()))
            try:
                for copy in big:
                    feed = Feed(self.jobs, self._stopped, queue.Queue(self.jobs + 1))
                    senders = [pool.submit(self._guarded, self._send, copy, feed) for _job in range(self.jobs)]
                    self._await([pool.submit(self._guarded, feed.fill, self._blocks(copy)), *senders], while_running)
                self._await([pool.submit(self._guarded, *work) for work in self._whole(copies[len(big) :])], while_running)
            except BaseException:
                self._stopped.set()
                pool.shutdown(cancel_futures=True)
                raise

    @contextmanager
    def _session(self) -> Iterator[Any]:
        """It says what pg_restore says before it loads rows, but for how long that may take."""
        with self.connect() as connection:
            connection.execute(self.archive.preamble)
            if self.role:
                connection.execute(psycopg.sql.SQL("SET ROLE {}").format(psycopg.sql.Identifier(self.role)))
            seconds = min(self.deadline.left(), LONGEST_TIMEOUT_SECONDS)
            connection.execute(_STATEMENT_TIMEOUT, (str(int(seconds * 1000)),))
            silence.allow(connection, seconds)
            yield connection

    def _whole(self, copies: Sequence[Copy]) -> Iterator[tuple[Any, ...]]:
        """What one session does at a time, for files that come in the order of their sizes."""
        small = [copy for copy in copies if copy.file.plain_bytes <= _SMALL_BYTES]
        for copy in copies[: len(copies) - len(small)]:
            yield self._send, copy, self._blocks(copy)
        # All sessions have some of them.
        step = max(1, min(_SMALL_AT_ONCE, len(small) // self.jobs))
        for first in range(0, len(small), step):
            yield self._send_small, small[first : first + step]

    def _blocks(self, copy: Copy) -> Iterator[Block]:
        return enumerate(rows(self.archive.backup, copy.file))

    def _send_small(self, copies: Sequence[Copy]) -> None:
        of_file = {copy.file: copy for copy in copies}
        for file, data in small_rows(self.archive.backup, list(of_file)):
            self._send(of_file[file], [(0, data)] if data else [])

    def _await(self, works: Sequence[Future[None]], while_running: Callable[[], None]) -> None:
        pending = set(works)
        while pending:
            _done, pending = wait(pending, timeout=_WATCH_SECONDS, return_when=FIRST_EXCEPTION)
            if self._errors:
                raise self._errors[0]
            self.deadline.left()
            while_running()

    def _guarded(self, work: Callable[..., None], *arguments: Any) -> None:
        """The first error is the one that counts; what others run into afterwards follows from it."""
        try:
            if not self._stopped.is_set():
                work(*arguments)
        except BaseException as error:
            self._errors.append(error)
            self._stopped.set()
            raise

    def _send(self, copy: Copy, blocks: Iterable[Block]) -> None:
        connection = self._free.get()
        sent: list[int] = []
        try:
            with connection.cursor() as cursor, cursor.copy(copy.statement) as stream:
                for number, data in blocks:
                    if self._stopped.is_set():
                        raise StoppedError
                    sent.append(number)
                    stream.write(data)
        except psycopg.Error as error:
            raise self._refused(copy, error, sent, lost=connection.broken) from error
        finally:
            self._free.put(connection)

    def _refused(self, copy: Copy, error: psycopg.Error, sent: Sequence[int], *, lost: bool) -> OpsError:
        """What PostgreSQL says of a row, with its line in the file."""
        said = " ".join(f"{error.diag.message_primary or error} {error.diag.message_detail or ''}".split())
        if lost or not error.sqlstate or error.sqlstate.startswith(_ENDED):
            return OpsError("The server ended a session that loaded rows", where=copy.file.path, cause=said, sqlstate=error.sqlstate or "")
        # Rows that PostgreSQL does not take are often those of a file that turns out to be damaged further on.
        lines = self._lines(copy)
        match = _LINE.match(error.diag.context or "")
        where = f"line {_in_file(int(match[1]), sent, lines)}: " if match else ""
        return LoadError("restore", copy.file.path, OpsError("Rows could not be loaded", where=copy.file.path, cause=f"{where}{said}"))

    def _lines(self, copy: Copy) -> list[int]:
        """How many lines each part of a file has, which is read to its end."""
        found = []
        for _number, data in self._blocks(copy):
            self.deadline.left()
            found.append(data.count(b"\n"))
        return found


def _in_file(line: int, sent: Sequence[int], lines: Sequence[int]) -> int:
    """The line of the file that is this one of a stream, which was sent these parts; their lines are those of all parts of the file."""
    for number in sent:
        if line <= lines[number]:
            return sum(lines[:number]) + line
        line -= lines[number]
    return line
