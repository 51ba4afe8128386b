# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions that read tables for what a manifest says of them, several at a time, the largest tables first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from . import silence
from .answer import Answer, ask, pin
from .content import Question
from .table_content import KnownAnswer

_POLL_SECONDS = 0.1

Opened = Callable[[], AbstractContextManager[Any]]


@contextmanager
def reading(asked: Sequence[Question], opened: Opened, jobs: int, *, snapshot: str = "") -> Iterator[Reading]:
    """The answers by the tables' names, while something else is done; whatever ends it ends the queries."""
    tables = Reading(asked, opened, jobs, snapshot)
    try:
        tables.begin()
        yield tables
    finally:
        tables.end()


def known(connection: Any, samples: Mapping[str, str]) -> tuple[KnownAnswer, ...]:
    """What this server makes of samples, in a session of its own."""
    pin(connection)
    return tuple(KnownAnswer(name, query, ask(connection, query).sums) for name, query in sorted(samples.items()))


class Reading:
    """Sessions that share the questions."""

    def __init__(self, asked: Sequence[Question], opened: Opened, jobs: int, snapshot: str) -> None:
        self.bytes = sum(question.bytes for question in asked)
        self._found: dict[str, Answer] = {}
        self._left = deque(sorted(asked, key=lambda question: question.bytes, reverse=True))
        self._opened = opened
        self._share = self.bytes / max(1, jobs)
        self._workers = jobs - 1
        shared = f"; SET TRANSACTION SNAPSHOT '{snapshot}'" if snapshot else ""
        self._begin = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY{shared}"
        self._done_bytes = 0
        self._connections: list[Any] = []
        self._jobs = min(jobs, len(asked))
        self._executor = ThreadPoolExecutor(max(1, self._jobs))
        self._futures: list[Future[None]] = []

    def begin(self) -> None:
        self._futures = [self._executor.submit(self._work) for _job in range(self._jobs)]

    def finished(self, advance: Callable[[float], None]) -> dict[str, Answer]:
        """Wait for the end; `advance` is told how many bytes of tables are read."""
        while self.is_at_work(_POLL_SECONDS):
            advance(self._done_bytes)
        return self._found

    def is_at_work(self, seconds: float = 0) -> bool:
        """Look, and wait so long for the end; what a session failed of is raised."""
        done, running = wait(self._futures, timeout=seconds, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
        return bool(running)

    def end(self) -> None:
        self._left.clear()
        for connection in list(self._connections):
            silence.cut(connection)
        self._executor.shutdown()

    def _work(self) -> None:
        with self._opened() as connection:
            pin(connection)
            self._connections.append(connection)
            try:
                while question := self._next():
                    self._found[question.identity] = self._asked(connection, question)
                    self._done_bytes += question.bytes
            finally:
                self._connections.remove(connection)

    def _next(self) -> Question | None:
        try:
            return self._left.popleft()
        except IndexError:
            return None

    def _asked(self, connection: Any, question: Question) -> Answer:
        """A transaction for each, so that no session holds locks on all tables; one that is larger than the share of a job is split."""
        workers = self._workers if question.bytes > self._share else 0
        connection.execute(f"{self._begin}; SET LOCAL max_parallel_workers_per_gather = {workers}")
        answer = question.ask(connection)
        connection.execute("COMMIT")
        return answer
