# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus is told. All workers write to files of one directory, so a scrape of any of them sees them all."""

from __future__ import annotations

import os
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess
from prometheus_client.metrics_core import Metric
from redis.connection import BlockingConnectionPool
from sqlalchemy import Engine, QueuePool

from endpoint_stats.settings import Settings

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# The path of a request that no route matched: its URL would make a series of its own for every scanner's guess.
UNMATCHED = "unmatched"

REQUESTS = Counter("http_requests_total", "Requests answered, by route and status.", ["path", "status"])
DURATION = Histogram(
    "http_request_duration_seconds",
    "Time from a request's arrival to its answer, by route.",
    ["path"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
CACHE = Counter("endpoint_stats_cache_lookups_total", "Statistics asked for, by tier and by what the cache had.", ["tier", "result"])
STORE_ERRORS = Counter("endpoint_stats_store_errors_total", "Questions to a store that failed.", ["store"])
POOL = Gauge(
    "endpoint_stats_pool_connections", "Connections of this pod, by store and state.", ["store", "state"], multiprocess_mode="livesum"
)
POOL_MAXIMUM = Gauge(
    "endpoint_stats_pool_connections_maximum", "Most connections this pod may hold, by store.", ["store"], multiprocess_mode="livesum"
)


def prepare(routes: dict[str, int], settings: Settings) -> None:
    """Series that exist from the start, at zero: a rate of errors is 0 and not unknown before the first error."""
    for path, success in routes.items():
        DURATION.labels(path)
        for status in (success, 500, 503):
            REQUESTS.labels(path, str(status))
    for tier in settings.ttl_seconds:
        for result in ("hit", "miss", "bypass"):
            CACHE.labels(tier, result)
    for name, store in (("postgresql", settings.database), ("redis", settings.redis)):
        STORE_ERRORS.labels(name)
        POOL_MAXIMUM.labels(name).set(store.share(settings.server.workers)[1])


def pools(engine: Engine, redis: BlockingConnectionPool) -> None:
    """Take down how many connections there are."""
    if isinstance(engine.pool, QueuePool):
        POOL.labels("postgresql", "idle").set(engine.pool.checkedin())
        POOL.labels("postgresql", "in_use").set(engine.pool.checkedout())
    # redis-py has no public count; the queue holds None for each connection that was never needed.
    opened = len(redis._connections)
    idle = sum(1 for connection in list(redis.pool.queue) if connection is not None)
    POOL.labels("redis", "idle").set(idle)
    POOL.labels("redis", "in_use").set(max(0, opened - idle))


class _Collector(multiprocess.MultiProcessCollector):
    """A worker that starts makes each file before it gives it a size, and the library fails on one without."""

    def collect(self) -> Iterable[Metric]:
        with os.scandir(self._path) as entries:
            files = [entry.path for entry in entries if entry.name.endswith(".db") and _has_size(entry)]
        merged: Iterable[Metric] = self.merge(files, accumulate=True)  # type: ignore[no-untyped-call]
        return merged


def _has_size(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.stat().st_size > 0
    except FileNotFoundError:
        # Of a worker that ended meanwhile.
        return False


def exposition() -> bytes:
    """The metrics of all workers."""
    registry = CollectorRegistry()
    _Collector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
