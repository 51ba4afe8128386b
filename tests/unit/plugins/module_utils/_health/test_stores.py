# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.health import summarised as summarised_postgresql
from ansible_collections.endpoint_stats.ops.plugins.module_utils._redis.health import summarised as summarised_redis
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.part import Part, Threshold
from ansible_collections.endpoint_stats.ops.plugins.module_utils._tls import Credentials, expiry_findings

from tests.unit.plugins.module_utils._health import samples
from tests.unit.plugins.module_utils._health.reports import api, postgresql, redis_part


def found(part: Part) -> list[tuple[str, str]]:
    return [(finding.id, finding.severity) for finding in part.findings]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"connections": {"used": 77, "usable": 97}}, []),
        ({"connections": {"used": 78, "usable": 97}}, [("postgresql_connections_high", "warning")]),
        ({"connections": {"used": 93, "usable": 97}}, [("postgresql_connections_high", "critical")]),
        (
            {"waiting": {"longest_transaction_seconds": 301.0, "blocked": 2}},
            [("postgresql_transaction_long", "warning"), ("postgresql_blocked", "info")],
        ),
        ({"database": {"checksum_failures": 1}}, [("postgresql_checksum_failures", "critical")]),
        ({"server": {"data_checksums": "off", "oldest_transaction_age": 1}}, [("postgresql_checksums_off", "warning")]),
        ({"server": {"data_checksums": "on", "oldest_transaction_age": 1_600_000_000}}, [("postgresql_wraparound", "critical")]),
        ({"archiver": {"mode": "on", "failed": 3, "failing": True}}, [("postgresql_archive_failing", "critical")]),
        ({"archiver": {"mode": "on", "failed": 3, "failing": False}}, []),
    ],
)
def test_postgresql_is_judged(changes: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert found(postgresql(**changes)) == expected


def test_what_postgresql_says_becomes_one_document() -> None:
    given = samples.POSTGRESQL
    single = {name: [given[name]] for name in ("server", "database", "waiting", "archiver")}
    made = summarised_postgresql({**single, "sessions": given["sessions"], "tables": given["tables"]})
    assert made == given


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"maxmemory": 0}, [("redis_memory_unlimited", "warning")]),
        ({"used_memory": 95, "maxmemory": 100}, [("redis_memory_full", "info")]),
        ({"used_memory": 74, "maxmemory": 100, "maxmemory_policy": "noeviction"}, []),
        ({"used_memory": 75, "maxmemory": 100, "maxmemory_policy": "noeviction"}, [("redis_memory_high", "warning")]),
        ({"used_memory": 90, "maxmemory": 100, "maxmemory_policy": "noeviction"}, [("redis_memory_high", "critical")]),
        ({"connected_clients": 95, "maxclients": 100}, [("redis_clients_high", "critical")]),
        ({"aof_last_write_status": "err"}, [("redis_aof_write_failed", "critical")]),
        ({"rdb_last_bgsave_status": "err"}, [("redis_save_failed", "warning")]),
    ],
)
def test_redis_is_judged(changes: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert found(redis_part(**changes)) == expected


def test_of_info_only_known_fields_are_kept() -> None:
    info = {"redis_version": "7.0.15", "config_file": "/etc/secret.conf", "db0": {"keys": 3}, "db1": {"keys": 4}}
    assert summarised_redis(info) == {"redis_version": "7.0.15", "keys": 7}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"seconds": 0.5}, [("api_slow", "warning")]),
        ({"seconds": 1.0}, [("api_slow", "critical")]),
        ({"status_code": 503, "checks": {}}, [("api_unhealthy", "critical")]),
        (
            {
                "status_code": 503,
                "checks": {"redis": {"status": "failed", "reason": "timed out"}, "postgresql": {"status": "ok", "reason": ""}},
            },
            [("api_redis_failed", "critical")],
        ),
    ],
)
def test_the_api_is_judged(changes: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert found(api(**changes)) == expected


@pytest.mark.parametrize(("days", "severity"), [(30.1, None), (30, "warning"), (7, "critical"), (-1, "critical")])
def test_a_certificate_that_ends_soon_is_a_finding(days: float, severity: str | None) -> None:
    made = expiry_findings([{"where": "redis:6379", "days_left": days}], 30, 7)
    assert [finding.severity for finding in made] == ([severity] if severity else [])


def test_limits_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(OpsError, match="A warning at 90 comes after the critical value 80"):
        Threshold.of_option({"warning": 90, "critical": 80})


def test_credentials_do_not_show_themselves() -> None:
    assert samples.PLANTED not in repr(Credentials("monitoring", samples.PLANTED))
