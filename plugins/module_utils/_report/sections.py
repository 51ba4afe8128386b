# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page shows of each part, besides its findings: one fact for the overview, tables and plots for those who look closer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import backups, plots, search
from .tables import facts, table
from .words import UNKNOWN, cores, moment, number, plural, seconds, share, size, text

Data = Mapping[str, Any]


def fact(name: str, data: Data) -> str:
    """The one thing to know of a part."""
    return FACTS[name](data) if name in FACTS and data else ""


def body(name: str, data: Data) -> str:
    """Tables and plots of a part; of a part nobody knows here, its plain values."""
    return BODIES.get(name, _plain)(data) if data else ""


def _pods(data: Data) -> str:
    workloads = table(
        ["Workload", "|Ready"],
        [
            [text(f"{row['kind']}/{row['name']}"), plots.filled(share(row["ready"], row["wanted"]), f"{row['ready']} of {row['wanted']}")]
            for row in data["workloads"]
        ],
    )
    pods = table(
        ["!Pod", "Phase", "#Ready", "#Restarts", "!Node", "!Started"],
        [
            [
                text(row["name"]),
                text(" ".join(filter(None, [row["phase"], row["reason"]]))),
                f"{row['ready']}/{row['containers']}",
                number(row["restarts"]),
                text(row["node"]),
                text(moment(row["started_at"])),
            ]
            for row in data["pods"]
        ],
    )
    return f"{workloads}<h3>Pods</h3>{pods}"


def _events(data: Data) -> str:
    rows = [
        [text(moment(row["time"])), text(row["type"]), text(row["reason"]), text(row["object"]), number(row["count"]), text(row["message"])]
        for row in data["events"]
    ]
    return table(["!Time", "!Type", "!Reason", "Object", "#Count", "Message"], rows)


def _usage(data: Data) -> str:
    rows = [
        [
            text(row["pod"]),
            _amount(row, "cpu", "cores", cores, data["cpu_percent"]),
            _amount(row, "memory", "bytes", size, data["memory_percent"]),
        ]
        for row in data["pods"]
    ]
    return table(["!Pod", "|CPU", "|Memory"], rows)


def _amount(row: Data, name: str, unit: str, written: Callable[[float | None], str], limits: Mapping[str, float]) -> str:
    """What is used beside the limit; where there is none beside what was requested, which may be exceeded."""
    used, limit, request = (row[f"{name}_{kind}{unit}"] for kind in ("", "limit_", "request_"))
    if limit:
        return plots.filled(used / limit, f"{written(used)} of {written(limit)}", limits=limits)
    if request:
        return plots.filled(used / request, f"{written(used)}, {written(request)} requested, no limit")
    return plots.filled(None, f"{written(used)}, no limit")


def _api(data: Data) -> str:
    if "status_code" not in data:
        return facts([("Address", data["url"])])
    head = facts(
        [
            ("Address", data["url"]),
            ("HTTP status", str(data["status_code"])),
            ("It says", data["says"]),
            ("Time of the answer", seconds(data["seconds"])),
        ]
    )
    rows = [
        [
            text(name),
            text(check["status"]),
            UNKNOWN if check["duration_ms"] is None else seconds(check["duration_ms"] / 1000),
            text(check["reason"]),
        ]
        for name, check in sorted(data["checks"].items())
    ]
    return head + table(["Store", "Status", "#Time", "Reason"], rows)


def _postgresql(data: Data) -> str:
    server, database, connections = data["server"], data["database"], data["connections"]
    ratio = database["cache_hit_ratio"]
    states: dict[str, int] = {}
    for row in data["sessions"]:
        states[row["state"]] = states.get(row["state"], 0) + row["sessions"]
    drawn = plots.stack(
        sorted(states.items()),
        connections["usable"],
        f"{connections['used']} of {connections['usable']} connections",
        limits=data["connections_percent"],
    )
    head = facts(
        [
            ("Version", server["version"]),
            ("Running for", seconds(server["uptime_seconds"])),
            ("Size of the database", size(database["size_bytes"])),
            ("Time to connect", seconds(data["connect_seconds"])),
            ("Read from cache", UNKNOWN if ratio is None else f"{100 * ratio:.1f} %"),
            ("Longest transaction", seconds(data["waiting"]["longest_transaction_seconds"])),
            ("Checksum failures", number(database["checksum_failures"])),
            ("WAL archive", data["archiver"]["mode"]),
        ]
    )
    roles = table(
        ["Role", "State", "#Sessions"], [[text(row["role"]), text(row["state"]), number(row["sessions"])] for row in data["sessions"]]
    )
    tables = table(
        ["Table", "#Size", "#Live rows", "#Dead rows"],
        [
            [text(f"{row['schema']}.{row['name']}"), size(row["size_bytes"]), number(row["live_rows"]), number(row["dead_rows"])]
            for row in data["tables"]
        ],
    )
    return f"{head}<h3>Connections</h3>{drawn}{roles}<h3>Largest tables</h3>{tables}"


def _redis(data: Data) -> str:
    hits, misses = data.get("keyspace_hits", 0), data.get("keyspace_misses", 0)
    ratio = share(hits, hits + misses)
    memory = share(data["used_memory"], data.get("maxmemory"))
    clients = share(data["connected_clients"], data.get("maxclients"))
    label = (
        f"{size(data['used_memory'])} of {size(data.get('maxmemory'))}" if memory is not None else f"{size(data['used_memory'])}, no limit"
    )
    bars = table(
        ["", "|Used"],
        [
            ["Memory", plots.filled(memory, label, limits=data["memory_percent"])],
            [
                "Clients",
                plots.filled(clients, f"{data['connected_clients']} of {data.get('maxclients', UNKNOWN)}", limits=data["clients_percent"]),
            ],
        ],
    )
    return bars + facts(
        [
            ("Version", str(data.get("redis_version", ""))),
            ("Running for", seconds(data.get("uptime_in_seconds"))),
            ("PING", seconds(data["ping_seconds"])),
            ("Keys", number(data["keys"])),
            ("Found in cache", UNKNOWN if ratio is None else f"{100 * ratio:.1f} %"),
            ("Evicted keys", number(data.get("evicted_keys"))),
            ("When full", str(data.get("maxmemory_policy", ""))),
            ("Append-only file", str(data.get("aof_last_write_status", "")) if data.get("aof_enabled") else "off"),
        ]
    )


def _claims(data: Data) -> str:
    rows = []
    for row in data["claims"]:
        used = share(row["used_bytes"], row["file_system_bytes"])
        label = f"{size(row['used_bytes'])} of {size(row['file_system_bytes'])}" if used is not None else "not known"
        shared = row["file_system_bytes"] and row["size_bytes"] and row["file_system_bytes"] > 1.2 * row["size_bytes"]
        note = "<small>its file system is larger than the claim and shared</small>" if shared else ""
        cells = [text(row["name"]), text(row["phase"]), size(row["size_bytes"] or row["requested_bytes"])]
        rows.append([*cells, plots.filled(used, label, limits=data["claim_percent"]) + note, text(row["storage_class"])])
    return table(["Claim", "Phase", "#Size", "|File system", "Class"], rows)


def _api_log(data: Data) -> str:
    rows = []
    for row in data["lines"]:
        context = " ".join(str(row[key]) for key in ("endpoint", "status_code", "request_id") if row.get(key) is not None)
        note = f"<small>{text(context)}</small>" if context else ""
        took = seconds(row["duration_ms"] / 1000) if row.get("duration_ms") is not None else ""
        rows.append([text(row["time"][:19].replace("T", " ")), text(row["level"]), text(row["message"]) + note, took, text(row["pod"])])
    return table(["!Time", "Level", "Message", "#Took", "!Pod"], rows, kind="log")


def _jobs(data: Data) -> str:
    schedules = table(
        ["Schedule", "When", "Last run", "Result", "Last success"],
        [
            [
                text(row["name"]),
                text(f"{row['schedule']} {row['time_zone']}"),
                text(moment(row["last_scheduled_at"])),
                text(row["last_result"] or ("suspended" if row["suspended"] else "has not run yet")),
                text(moment(row["last_successful_at"])),
            ]
            for row in data["schedules"]
        ],
    )
    jobs = table(["Job", "Result"], [[text(row["name"]), text(row["result"])] for row in data["jobs"]]) if data["jobs"] else ""
    return schedules + (f"<h3>Jobs without a schedule</h3>{jobs}" if jobs else "")


def _certificates(data: Data) -> str:
    rows = [
        [text(row["where"]), text(row["subject"]), text(moment(row["not_after"])), f"{row['days_left']:.0f}"]
        for row in data["certificates"]
    ]
    return table(["Presented by", "Name", "!Ends", "#Days left"], rows)


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
    "pods": _pods,
    "events": _events,
    "usage": _usage,
    "api": _api,
    "postgresql": _postgresql,
    "redis": _redis,
    "claims": _claims,
    "api_log": _api_log,
    "jobs": _jobs,
    "certificates": _certificates,
    "backups": backups.body,
    "search": search.body,
}
