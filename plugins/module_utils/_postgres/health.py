# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How PostgreSQL is: what a role with pg_monitor can see, judged."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._errors import OpsError
from .._report.finding import Finding
from .._report.part import Part, Threshold
from .._tls import unresolved
from .connection import NoConnectionError, Server, connected

_WRAPAROUND_AGE = 1_500_000_000

_SERVER = """
SELECT current_setting('server_version') AS version, pg_is_in_recovery() AS in_recovery,
       extract(epoch FROM now() - pg_postmaster_start_time())::float8 AS uptime_seconds,
       current_setting('max_connections')::int AS max_connections,
       current_setting('superuser_reserved_connections')::int AS reserved_connections,
       current_setting('data_checksums') AS data_checksums,
       (SELECT max(age(datfrozenxid)) FROM pg_database)::int8 AS oldest_transaction_age
"""
_DATABASE = """
SELECT d.datname AS name, pg_database_size(d.oid)::int8 AS size_bytes, s.deadlocks, s.temp_bytes::int8 AS temp_bytes,
       coalesce(s.checksum_failures, 0) AS checksum_failures,
       CASE WHEN s.blks_hit + s.blks_read > 0 THEN s.blks_hit::float8 / (s.blks_hit + s.blks_read) END AS cache_hit_ratio
FROM pg_database d JOIN pg_stat_database s ON s.datid = d.oid WHERE d.datname = current_database()
"""
_SESSIONS = """
SELECT coalesce(usename, '') AS role, coalesce(state, 'unknown') AS state, count(*)::int AS sessions
FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY 1, 2 ORDER BY 1, 2
"""
_WAITING = """
SELECT coalesce(max(extract(epoch FROM now() - xact_start)), 0)::float8 AS longest_transaction_seconds,
       coalesce(max(extract(epoch FROM now() - state_change))
                FILTER (WHERE state LIKE 'idle in transaction%'), 0)::float8 AS longest_idle_seconds,
       count(*) FILTER (WHERE cardinality(pg_blocking_pids(pid)) > 0)::int AS blocked
FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
_TABLES = """
SELECT schemaname AS schema, relname AS name, pg_total_relation_size(relid)::int8 AS size_bytes,
       n_live_tup::int8 AS live_rows, n_dead_tup::int8 AS dead_rows
FROM pg_stat_user_tables ORDER BY 3 DESC, 1, 2 LIMIT 10
"""
_ARCHIVER = """
SELECT current_setting('archive_mode') AS mode, failed_count::int8 AS failed,
       coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) AS failing FROM pg_stat_archiver
"""


@dataclass(frozen=True)
class Limits:
    """Where a measured value becomes a finding."""

    connections: Threshold
    transaction_seconds: Threshold


def look(server: Server, limits: Limits) -> Part:
    """One session, six short queries."""
    subject = f"PostgreSQL/{server.database}"
    nameless = unresolved(server.host)
    if nameless:
        return Part(reason=nameless)
    begun = time.monotonic()
    try:
        with connected(server) as connection:
            connect_seconds = round(time.monotonic() - begun, 3)
            queries = {"server": _SERVER, "database": _DATABASE, "sessions": _SESSIONS, "waiting": _WAITING, "tables": _TABLES}
            rows = {name: connection.execute(text).fetchall() for name, text in {**queries, "archiver": _ARCHIVER}.items()}
    except NoConnectionError as error:
        return Part(findings=[_down(subject, error)] if error.down else [], reason=str(error))
    data = summarised(rows)
    shown = {"connect_seconds": connect_seconds, "connections_percent": limits.connections.to_dict()}
    return Part({**data, **shown}, judge(subject, data, limits))


def summarised(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """The answers as one document."""
    single = {name: dict(rows[name][0]) for name in ("server", "database", "waiting", "archiver")}
    sessions = [dict(row) for row in rows["sessions"]]
    usable = single["server"]["max_connections"] - single["server"]["reserved_connections"]
    return {
        **single,
        "sessions": sessions,
        "connections": {"used": sum(row["sessions"] for row in sessions), "usable": usable},
        "tables": [dict(row) for row in rows["tables"]],
    }


def judge(subject: str, data: Mapping[str, Any], limits: Limits) -> list[Finding]:
    """What of it deserves a word."""
    connections, waiting = data["connections"], data["waiting"]
    found = []
    percent = 100 * connections["used"] / connections["usable"]
    severity = limits.connections.judge(percent)
    if severity:
        text = f"more than {limits.connections.of(severity):g} % of the connections are taken"
        evidence = f"{connections['used']} of {connections['usable']}"
        remedy = "Look who holds them (sessions in this report); lower the pools or raise max_connections."
        found.append(Finding("postgresql_connections_high", severity, subject, text, evidence, remedy))
    severity = limits.transaction_seconds.judge(waiting["longest_transaction_seconds"])
    if severity:
        text = f"a transaction has been open for more than {limits.transaction_seconds.of(severity):g} s"
        evidence = f"{waiting['longest_transaction_seconds']:.0f} s"
        remedy = "Find it in pg_stat_activity by xact_start; it keeps vacuum from cleaning up."
        found.append(Finding("postgresql_transaction_long", severity, subject, text, evidence, remedy))
    if waiting["blocked"]:
        remedy = "See pg_blocking_pids(pid) in pg_stat_activity."
        found.append(Finding("postgresql_blocked", "info", subject, "sessions wait for a lock", f"{waiting['blocked']} sessions", remedy))
    return [*found, *_damage(subject, data)]


def _damage(subject: str, data: Mapping[str, Any]) -> list[Finding]:
    """What threatens the data itself."""
    found = []
    failures, age, archiver = data["database"]["checksum_failures"], data["server"]["oldest_transaction_age"], data["archiver"]
    if failures:
        remedy = "Do not restart it: take a backup of what is readable and restore the last verified one beside it."
        text = "pages on disk do not match their checksums"
        found.append(Finding("postgresql_checksum_failures", "critical", subject, text, f"{failures} failures", remedy))
    if data["server"]["data_checksums"] != "on":
        remedy = "Stop it and run pg_checksums --enable, or load its data into a new cluster."
        text = "damaged pages would not be noticed"
        found.append(Finding("postgresql_checksums_off", "warning", subject, text, "data_checksums is off", remedy))
    if age > _WRAPAROUND_AGE:
        text, remedy = "transaction numbers run out", "VACUUM FREEZE the oldest tables, and end what holds the xmin horizon."
        found.append(Finding("postgresql_wraparound", "critical", subject, text, f"age {age} of 2000000000", remedy))
    if archiver["mode"] != "off" and archiver["failing"]:
        text, remedy = "the WAL is not archived", "Read the server's log for what archive_command says."
        found.append(Finding("postgresql_archive_failing", "critical", subject, text, "the last attempt failed", remedy))
    return found


def _down(subject: str, error: OpsError) -> Finding:
    remedy = "Look at its pod: kubectl describe pod/postgres-0; kubectl logs pod/postgres-0"
    return Finding("postgresql_does_not_answer", "critical", subject, "no connection to the database", error.cause, remedy)
