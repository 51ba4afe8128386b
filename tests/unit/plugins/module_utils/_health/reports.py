# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole reports made of the samples."""

from __future__ import annotations

from typing import Any

from ansible_collections.endpoint_stats.ops.plugins.module_utils._api.health import judge as judge_api
from ansible_collections.endpoint_stats.ops.plugins.module_utils._kubernetes import (
    claim_health,
    event_health,
    job_health,
    log_health,
    usage_health,
    workload_health,
)
from ansible_collections.endpoint_stats.ops.plugins.module_utils._kubernetes.limits import Limits
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import health as postgres
from ansible_collections.endpoint_stats.ops.plugins.module_utils._redis import health as redis
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.merge import merge
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.part import Part, Threshold

from tests.unit.plugins.module_utils._health import samples

LIMITS = Limits(Threshold(70, 85), Threshold(75, 90), Threshold(70, 85), restart_window_hours=24, event_window_minutes=60)
POSTGRES_LIMITS = postgres.Limits(Threshold(80, 95), Threshold(300, 3600))
REDIS_LIMITS = redis.Limits(Threshold(75, 90), Threshold(80, 95))
EXPECTED = ("Deployment/flask-api", "StatefulSet/postgres", "StatefulSet/redis")


def postgresql(**changes: Any) -> Part:
    data = {**samples.POSTGRESQL, **changes}
    shown = {"connect_seconds": 0.012, "connections_percent": POSTGRES_LIMITS.connections.to_dict()}
    return Part({**data, **shown}, postgres.judge("PostgreSQL/endpoint_stats", data, POSTGRES_LIMITS), seconds=0.08)


def redis_part(**changes: Any) -> Part:
    data = {**samples.REDIS, **changes}
    shown = {"ping_seconds": 0.0004, "memory_percent": REDIS_LIMITS.memory.to_dict(), "clients_percent": REDIS_LIMITS.clients.to_dict()}
    return Part({**data, **shown}, redis.judge(data, REDIS_LIMITS), seconds=0.01)


def api(**changes: Any) -> Part:
    data = {**samples.API, **changes}
    return Part(data, judge_api(data, Threshold(0.5, 1)), seconds=0.02)


def healthy() -> dict[str, Part]:
    """Every part as it is on a good day."""
    now = samples.NOW
    volumes = {name: samples.volume(name, 40 * 2**30, 100 * 2**30) for name in ("postgres-data", "redis-data")}
    claims = [samples.claim("postgres-data"), samples.claim("redis-data", size="5Gi")]
    normal = samples.event("Scheduled", "Pod", "flask-api-7d9c5b7f8d-aaaaa", severity="Normal")
    log = "\n".join(samples.log_line(second) for second in range(30))
    return {
        "pods": workload_health.pods(samples.pods(), samples.workloads(), EXPECTED, now, LIMITS),
        "events": event_health.events([normal], 10, now, LIMITS),
        "usage": usage_health.usage(samples.pods(), samples.usages(), now, LIMITS),
        "claims": claim_health.claims(claims, volumes, True, LIMITS),
        "api_log": log_health.api_log({"flask-api-7d9c5b7f8d-aaaaa": log}),
        "jobs": job_health.jobs([samples.cron_job("health-report")], [samples.job("health-report-29391000", "health-report", "Complete")]),
        "api": api(),
        "postgresql": postgresql(),
        "redis": redis_part(),
        "certificates": Part(samples.CERTIFICATES, seconds=0.03),
    }


def report(parts: dict[str, Part] | None = None, previous: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    given = {name: part.to_dict() for name, part in (healthy() if parts is None else parts).items()}
    chosen = {"taken_at": "2026-11-24T06:00:00Z", "cluster": "lab", "namespace": "endpoint-stats", **options}
    return merge(given, previous=previous, **chosen)
