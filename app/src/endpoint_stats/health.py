# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether both stores answer, within a bounded time."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from sqlalchemy import Engine

from endpoint_stats import queries
from endpoint_stats.cache import Cache
from endpoint_stats.database import reason

_LONGEST_SECONDS = 4.0


class ReadOnlyError(Exception):
    """The database answers, but takes no rows."""


class Health:
    """The checks of one worker. They have threads of their own, since looking up a name cannot be ended by a time-out."""

    def __init__(self, engine: Engine, cache: Cache) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="health")
        self._checks: dict[str, Callable[[], None]] = {"postgresql": self._postgresql, "redis": cache.ping}

    def _postgresql(self) -> None:
        if queries.read_only(self._engine):
            raise ReadOnlyError("the server is in recovery and takes no rows")

    def look(self) -> tuple[bool, dict[str, Any]]:
        """Whether all is well, and each store's answer."""
        deadline = time.monotonic() + _LONGEST_SECONDS
        asked = {name: (time.monotonic(), self._threads.submit(check)) for name, check in self._checks.items()}
        checks = {name: self._answer(begun, future, deadline) for name, (begun, future) in asked.items()}
        healthy = all(check["status"] == "ok" for check in checks.values())
        return healthy, {"status": "ok" if healthy else "failed", "checks": checks}

    @staticmethod
    def _answer(begun: float, future: Future[None], deadline: float) -> dict[str, Any]:
        cause = None
        wait([future], timeout=max(0.0, deadline - time.monotonic()))
        if not future.done():
            future.cancel()
            cause = f"no answer within {_LONGEST_SECONDS:g} s"
        elif error := future.exception():
            cause = reason(error)
        answer: dict[str, Any] = {"status": "failed" if cause else "ok", "duration_ms": round((time.monotonic() - begun) * 1000, 1)}
        return {**answer, "reason": cause} if cause else answer
