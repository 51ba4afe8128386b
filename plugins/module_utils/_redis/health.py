# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Redis is: PING and INFO, judged."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import OpsError
from .._report.finding import Finding
from .._report.part import Part, Threshold
from .._tls import unresolved
from .connection import NoConnectionError, Server, connected

_KEPT = (
    *("redis_version", "uptime_in_seconds", "role", "loading", "connected_clients", "blocked_clients", "maxclients"),
    *("used_memory", "used_memory_rss", "used_memory_peak", "maxmemory", "maxmemory_policy", "mem_fragmentation_ratio"),
    *("aof_enabled", "aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status", "rdb_changes_since_last_save"),
    *("evicted_keys", "expired_keys", "keyspace_hits", "keyspace_misses", "rejected_connections", "instantaneous_ops_per_sec"),
)
_SUBJECT = "Redis"


@dataclass(frozen=True)
class Limits:
    """Where a measured value becomes a finding."""

    memory: Threshold
    clients: Threshold


def look(server: Server, limits: Limits) -> Part:
    """One PING, one INFO."""
    nameless = unresolved(server.host)
    if nameless:
        return Part(reason=nameless)
    try:
        with connected(server) as client:
            client.ping()
            begun = time.monotonic()
            client.ping()
            ping_seconds = round(time.monotonic() - begun, 6)
            info = client.info()
    except NoConnectionError as error:
        return Part(findings=[_down(error)] if error.down else [], reason=str(error))
    data = summarised(info)
    shown = {"memory_percent": limits.memory.to_dict(), "clients_percent": limits.clients.to_dict()}
    return Part({**data, "ping_seconds": ping_seconds, **shown}, judge(data, limits))


def summarised(info: Mapping[str, Any]) -> dict[str, Any]:
    """What of INFO is kept; the database's keys as one number."""
    keys = sum(entry.get("keys", 0) for name, entry in info.items() if name.startswith("db") and isinstance(entry, Mapping))
    return {**{name: info[name] for name in _KEPT if name in info}, "keys": keys}


def judge(data: Mapping[str, Any], limits: Limits) -> list[Finding]:
    """What of it deserves a word."""
    found = []
    maximum, policy = data.get("maxmemory", 0), str(data.get("maxmemory_policy", ""))
    percent = 100 * data["used_memory"] / maximum if maximum else 0
    severity = limits.memory.judge(percent)
    if not maximum:
        remedy = "Set maxmemory below the memory limit of its container."
        found.append(Finding("redis_memory_unlimited", "warning", _SUBJECT, "its memory is not limited", "maxmemory is 0", remedy))
    elif severity and policy == "noeviction":
        remedy = "Raise maxmemory and the container's limit, or let keys expire: at 100 % writes are refused."
        text = f"more than {limits.memory.of(severity):g} % of maxmemory is used and nothing is evicted"
        found.append(Finding("redis_memory_high", severity, _SUBJECT, text, f"{percent:.0f} %", remedy))
    elif severity:
        remedy = "Nothing, as a cache may be full; give it more memory where the hit ratio falls."
        found.append(
            Finding("redis_memory_full", "info", _SUBJECT, f"the cache is full and evicts by {policy}", f"{percent:.0f} %", remedy)
        )
    clients = 100 * data["connected_clients"] / data["maxclients"] if data.get("maxclients") else 0
    severity = limits.clients.judge(clients)
    if severity:
        remedy = "Look who holds them (CLIENT LIST); lower the pools or raise maxclients."
        text = f"more than {limits.clients.of(severity):g} % of the clients it allows are connected"
        found.append(
            Finding("redis_clients_high", severity, _SUBJECT, text, f"{data['connected_clients']} of {data['maxclients']}", remedy)
        )
    return [*found, *_persistence(data)]


def _persistence(data: Mapping[str, Any]) -> list[Finding]:
    asked = {
        "redis_aof_write_failed": ("aof_last_write_status", "critical", "what is written is not kept"),
        "redis_aof_rewrite_failed": ("aof_last_bgrewrite_status", "warning", "the append-only file cannot be rewritten"),
        "redis_save_failed": ("rdb_last_bgsave_status", "warning", "the last save failed"),
    }
    found = []
    for identity, (field, severity, text) in asked.items():
        if data.get(field, "ok") != "ok":
            remedy = "Look at its log and at the space of its claim: kubectl logs pod/redis-0"
            found.append(
                Finding(identity, "critical" if severity == "critical" else "warning", _SUBJECT, text, f"{field}: {data[field]}", remedy)
            )
    return found


def _down(error: OpsError) -> Finding:
    remedy = "Look at its pod: kubectl describe pod/redis-0; kubectl logs pod/redis-0"
    return Finding("redis_does_not_answer", "critical", _SUBJECT, "it does not answer PING", error.cause, remedy)
