# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page shows of each part, besides its findings: one fact for the overview, tables and plots for those who look closer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from . import backups, search
from .application import show_api, show_api_log, show_certificates
from .namespace import show_claims, show_events, show_jobs, show_pods, show_usage
from .part import Data
from .stores import show_postgresql, show_redis
from .tables import facts
from .words import UNKNOWN, plural, seconds, share, size


def fact(name: str, data: Data) -> str:
    """The one thing to know of a part."""
    return FACTS[_kind(name)](data) if _kind(name) in FACTS and data else ""


def body(name: str, data: Data) -> str:
    """Tables and plots of a part; of a part nobody knows here, its plain values."""
    return BODIES.get(_kind(name), _plain)(data) if data else ""


def _kind(name: str) -> str:
    """C(backups/audit) is shown as C(backups) is."""
    return name.partition("/")[0]


def _plain(data: Data) -> str:
    return facts((name.replace("_", " "), str(value)) for name, value in sorted(data.items()))


def _worst(shares: Iterable[float | None]) -> str:
    known = [value for value in shares if value is not None]
    return f"{100 * max(known):.0f} %" if known else UNKNOWN


FACTS: Mapping[str, Callable[[Data], str]] = {
    "pods": lambda data: (
        f"{plural(len(data['pods']), 'pod')}, {sum(row['ready'] >= row['wanted'] for row in data['workloads'])} of "
        f"{plural(len(data['workloads']), 'workload')} ready"
    ),
    "events": lambda data: (
        f"{plural(sum(row['type'] == 'Warning' for row in data['events']), 'warning')} in the last {len(data['events'])}"
    ),
    "usage": lambda data: (
        f"memory at most {_worst(share(row['memory_bytes'], row['memory_limit_bytes']) for row in data['pods'])} of a limit"
    ),
    "api": lambda data: f"{data['status_code']} after {seconds(data['seconds'])}" if "status_code" in data else "no answer",
    "postgresql": lambda data: (
        f"{size(data['database']['size_bytes'])}, {data['connections']['used']} of {plural(data['connections']['usable'], 'connection')}"
    ),
    "redis": lambda data: f"{size(data['used_memory'])}, {plural(data['connected_clients'], 'client')}",
    "claims": lambda data: (
        f"{plural(len(data['claims']), 'claim')}, fullest "
        f"{_worst(share(row['used_bytes'], row['file_system_bytes']) for row in data['claims'])}"
    ),
    "api_log": lambda data: f"{plural(data['errors'], 'error')} in {plural(data['looked_at'], 'line')}",
    "jobs": lambda data: plural(len(data["schedules"]), "schedule"),
    "certificates": lambda data: f"{data['certificates'][0]['days_left']:.0f} days at least" if data["certificates"] else "",
    "backups": backups.fact,
    "search": search.fact,
}
BODIES: Mapping[str, Callable[[Data], str]] = {
    "pods": show_pods,
    "events": show_events,
    "usage": show_usage,
    "api": show_api,
    "postgresql": show_postgresql,
    "redis": show_redis,
    "claims": show_claims,
    "api_log": show_api_log,
    "jobs": show_jobs,
    "certificates": show_certificates,
    "backups": backups.body,
    "search": search.body,
}
