# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers kept in Redis. A cache that is down costs time, never an answer."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import BlockingConnectionPool, Connection, SSLConnection
from redis.credentials import CredentialProvider
from redis.exceptions import RedisError
from redis.retry import Retry

from endpoint_stats import metrics
from endpoint_stats.database import reason
from endpoint_stats.periods import Tier
from endpoint_stats.settings import Credentials, Settings

UNAVAILABLE = (RedisError, OSError)

_CONNECT_SECONDS = 0.5
_ANSWER_SECONDS = 0.5
_POOL_WAIT_SECONDS = 0.2
# After a failure nobody asks for this long: each request would pay the time-out again.
_REST_SECONDS = 3.0
_log = logging.getLogger(__name__)

Document = dict[str, Any]
Result = Literal["hit", "miss", "bypass"]


class _Files(CredentialProvider):
    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def get_credentials(self) -> tuple[str, str]:
        return self._credentials.read()


@dataclass(frozen=True)
class Answer:
    """A document, where it came from and how long it stays good."""

    document: Document
    result: Result
    seconds_left: int


class Cache:
    """The cache of one worker."""

    def __init__(self, settings: Settings) -> None:
        redis = settings.redis
        self._ttl = settings.ttl_seconds
        self._minimum, maximum = redis.share(settings.server.workers)
        security: dict[str, Any] = {"connection_class": Connection}
        if redis.ca_file:
            security = {"connection_class": SSLConnection, "ssl_ca_certs": redis.ca_file, "ssl_check_hostname": True}
        self.pool = BlockingConnectionPool(  # type: ignore[no-untyped-call]
            max_connections=maximum,
            timeout=_POOL_WAIT_SECONDS,
            host=redis.host,
            port=redis.port,
            credential_provider=_Files(redis.credentials),
            socket_connect_timeout=_CONNECT_SECONDS,
            socket_timeout=_ANSWER_SECONDS,
            socket_keepalive=True,
            # A connection that a restart has ended is replaced at once.
            retry=Retry(NoBackoff(), 1),
            # CLIENT SETINFO is one more right that the ACL would have to grant.
            lib_name=None,
            lib_version=None,
            **security,
        )
        self._redis: Redis = Redis(connection_pool=self.pool)
        self._resting_until = 0.0

    def warm(self) -> None:
        """Open the smallest number of connections that the pool keeps."""
        held = []
        try:
            for _ in range(self._minimum):
                # Not a comprehension: those before a failure have to be given back.
                connection = self.pool.get_connection()  # type: ignore[no-untyped-call]
                held.append(connection)
        finally:
            for connection in held:
                self.pool.release(connection)  # type: ignore[no-untyped-call]

    def ping(self) -> None:
        """Ask the server, whatever happened before."""
        self._redis.ping()

    def fetch(self, key: str, tier: Tier, compute: Callable[[], Document]) -> Answer:
        """What is kept under the key; else what `compute` says, kept for as long as the tier allows."""
        ttl = self._ttl[tier]
        kept, reachable = self._read(key)
        if kept is not None:
            left = max(0, int(kept["expires"] - time.time()))
            answer = Answer(kept["document"], "hit", min(left, ttl))
        else:
            document = compute()
            result: Result = "bypass"
            if reachable and self._write(key, ttl, {"document": document, "expires": time.time() + ttl}):
                result = "miss"
            answer = Answer(document, result, ttl)
        metrics.CACHE.labels(tier, answer.result).inc()
        return answer

    def _read(self, key: str) -> tuple[Document | None, bool]:
        if time.monotonic() < self._resting_until:
            return None, False
        try:
            raw = self._redis.get(key)
            return self._document(raw), True
        except UNAVAILABLE as error:
            self._rest(error)
            return None, False

    @staticmethod
    def _document(raw: Any) -> Document | None:
        """What another version may have left there is no answer."""
        try:
            kept = json.loads(raw) if raw else None
        except ValueError:
            return None
        sound = isinstance(kept, dict) and isinstance(kept.get("document"), dict) and isinstance(kept.get("expires"), float)
        return kept if sound else None

    def _write(self, key: str, ttl: int, value: Document) -> bool:
        try:
            self._redis.set(key, json.dumps(value), ex=ttl)
        except UNAVAILABLE as error:
            self._rest(error)
            return False
        return True

    def _rest(self, error: BaseException) -> None:
        self._resting_until = time.monotonic() + _REST_SECONDS
        metrics.STORE_ERRORS.labels("redis").inc()
        _log.warning("redis does not answer, statistics are computed: %s", reason(error), extra={"category": "application"})
