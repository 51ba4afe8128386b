# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of a namespace as an API server lists them, and answers of stores; small, and as odd as real ones."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
PLANTED = "Hw7kQ2mZx9LpT4vB8nRs"


def pod(name: str, owner: tuple[str, str] | None, **changes: Any) -> dict[str, Any]:
    """A running pod with one ready container."""
    container = {
        "name": "main",
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "500m", "memory": "256Mi"}},
        "env": [{"name": "DATABASE_PASSWORD", "value": PLANTED}],
    }
    metadata: dict[str, Any] = {"name": name, "labels": {"app": name.partition("-")[0]}}
    if owner:
        metadata["ownerReferences"] = [{"kind": owner[0], "name": owner[1]}]
    status = {
        "phase": "Running",
        "hostIP": "10.0.0.2",
        "startTime": "2026-11-23T06:00:00Z",
        "containerStatuses": [{"name": "main", "ready": True, "restartCount": 0, "state": {"running": {}}}],
        **changes,
    }
    return {"metadata": metadata, "spec": {"nodeName": "worker-1", "containers": [container]}, "status": status}


def api_pod(suffix: str, **changes: Any) -> dict[str, Any]:
    found = pod(f"flask-api-7d9c5b7f8d-{suffix}", ("ReplicaSet", "flask-api-7d9c5b7f8d"), **changes)
    return {**found, "metadata": {**found["metadata"], "labels": {"app": "flask-api"}}}


def store_pod(name: str, claim: str) -> dict[str, Any]:
    found = pod(f"{name}-0", ("StatefulSet", name))
    found["spec"]["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]
    return found


def pods() -> list[dict[str, Any]]:
    return [
        *(api_pod(suffix) for suffix in ("aaaaa", "bbbbb", "ccccc")),
        store_pod("postgres", "postgres-data"),
        store_pod("redis", "redis-data"),
    ]


def workload(kind: str, name: str, wanted: int, ready: int) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name}, "spec": {"replicas": wanted}, "status": {"readyReplicas": ready}}


def workloads() -> list[dict[str, Any]]:
    return [workload("Deployment", "flask-api", 3, 3), workload("StatefulSet", "postgres", 1, 1), workload("StatefulSet", "redis", 1, 1)]


def usage(name: str, cpu: str, memory: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "containers": [{"name": "main", "usage": {"cpu": cpu, "memory": memory}}]}


def usages() -> list[dict[str, Any]]:
    return [usage(item["metadata"]["name"], "37234567n", "98304Ki") for item in pods()]


def event(reason: str, kind: str, name: str, *, at: str = "2026-11-24T05:55:00Z", severity: str = "Warning") -> dict[str, Any]:
    about = {"kind": kind, "name": name}
    metadata = {"name": f"{name}.{reason}"}
    return {
        "metadata": metadata,
        "type": severity,
        "reason": reason,
        "lastTimestamp": at,
        "message": f"{reason} of {name}",
        "involvedObject": about,
    }


def claim(name: str, phase: str = "Bound", size: str = "10Gi") -> dict[str, Any]:
    spec = {"storageClassName": "local-path", "resources": {"requests": {"storage": size}}}
    return {"metadata": {"name": name}, "spec": spec, "status": {"phase": phase, "capacity": {"storage": size}}}


def volume(name: str, used: int, size: int, namespace: str = "endpoint-stats") -> dict[str, Any]:
    return {"pvcRef": {"name": name, "namespace": namespace}, "usedBytes": used, "capacityBytes": size, "inodesUsed": 10, "inodes": 1000}


def cron_job(name: str, **changes: Any) -> dict[str, Any]:
    status = {"lastScheduleTime": "2026-11-24T06:00:00Z", "lastSuccessfulTime": "2026-11-23T06:00:10Z"}
    return {"metadata": {"name": name}, "spec": {"schedule": "0 6 * * *", "timeZone": "Etc/UTC", **changes}, "status": status}


def job(name: str, owner: str, result: str, started: str = "2026-11-24T06:00:00Z") -> dict[str, Any]:
    owners = [{"kind": "CronJob", "name": owner}] if owner else []
    conditions = [{"type": result, "status": "True"}] if result else []
    return {"metadata": {"name": name, "ownerReferences": owners}, "status": {"startTime": started, "conditions": conditions}}


def log_line(second: int, level: str = "INFO", message: str = "request served", **context: Any) -> str:
    entry = {
        "timestamp": f"2026-11-24T05:59:{second:02d}Z",
        "level": level,
        "category": "performance",
        "service": "endpoint-stats-api",
        "message": message,
        "context": {"request_id": "5f0c7f1e-52f4-4f0e-9d0e-0c8a1b2c3d4e", "user_id": None, "endpoint": "/api/stats", **context},
        "metrics": {"duration_ms": 12.5, "status_code": 200},
    }
    return f"2026-11-24T05:59:{second:02d}.123456789Z {json.dumps(entry)}"


POSTGRESQL: dict[str, Any] = {
    "server": {
        "version": "15.18 (Debian 15.18-0+deb12u1)",
        "in_recovery": False,
        "uptime_seconds": 86400.0,
        "max_connections": 100,
        "reserved_connections": 3,
        "data_checksums": "on",
        "oldest_transaction_age": 1234,
    },
    "database": {
        "name": "endpoint_stats",
        "size_bytes": 52_428_800,
        "deadlocks": 0,
        "temp_bytes": 0,
        "checksum_failures": 0,
        "cache_hit_ratio": 0.998,
    },
    "waiting": {"longest_transaction_seconds": 0.2, "longest_idle_seconds": 0.0, "blocked": 0},
    "archiver": {"mode": "off", "failed": 0, "failing": False},
    "sessions": [
        {"role": "api", "state": "idle", "sessions": 15},
        {"role": "api", "state": "active", "sessions": 2},
        {"role": "monitoring", "state": "active", "sessions": 1},
    ],
    "connections": {"used": 18, "usable": 97},
    "tables": [{"schema": "public", "name": "requests_2026_11", "size_bytes": 41_943_040, "live_rows": 250_000, "dead_rows": 12}],
}
REDIS: dict[str, Any] = {
    "redis_version": "7.0.15",
    "uptime_in_seconds": 86400,
    "connected_clients": 7,
    "maxclients": 10000,
    "used_memory": 2_097_152,
    "maxmemory": 201_326_592,
    "maxmemory_policy": "allkeys-lru",
    "aof_enabled": 1,
    "aof_last_write_status": "ok",
    "aof_last_bgrewrite_status": "ok",
    "rdb_last_bgsave_status": "ok",
    "evicted_keys": 0,
    "keyspace_hits": 950,
    "keyspace_misses": 50,
    "keys": 42,
}
API: dict[str, Any] = {
    "url": "http://flask-api.endpoint-stats.svc:5000/health",
    "status_code": 200,
    "seconds": 0.018,
    "says": "ok",
    "checks": {
        "postgresql": {"status": "ok", "duration_ms": 3.1, "reason": ""},
        "redis": {"status": "ok", "duration_ms": 0.9, "reason": ""},
    },
}
CERTIFICATES: dict[str, Any] = {
    "certificates": [
        {"where": "postgres.endpoint-stats.svc:5432", "subject": "postgres", "not_after": "2027-02-20T10:00:00Z", "days_left": 88.2},
        {
            "where": "/run/secrets/endpoint-stats/ca/ca.crt",
            "subject": "endpoint-stats",
            "not_after": "2036-11-21T10:00:00Z",
            "days_left": 3649.0,
        },
    ]
}
