# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page shows of PostgreSQL and Redis."""

from __future__ import annotations

from . import plots
from .part import Data
from .tables import facts, table
from .words import UNKNOWN, number, seconds, share, size, text


def show_postgresql(data: Data) -> str:
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


def show_redis(data: Data) -> str:
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
