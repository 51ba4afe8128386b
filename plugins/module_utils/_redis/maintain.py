# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance of a Redis server: keys that nobody uses go, their memory goes back, and what is left is saved."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from .._deps import declare
from .._errors import OpsError
from .._progress import Progress
from .._report.finding import Finding
from .connection import Server, connected, refusals
from .keyspace import RedisKeyspace
from .order import Outcome, Task
from .persistence import Kind, Saved, chosen, due, save
from .rules import Wish
from .sweep import Pace, Swept, sweep

with declare("redis", minimum="5.0"):
    import redis

_MINIMUM_MAJOR = 7
_FREED_WITHIN_SECONDS = 30.0
_POLL_SECONDS = 0.1
_SUBJECT = "Redis"


class _Saving:
    """The server as `save` sees it."""

    def __init__(self, client: Any, server: Server) -> None:
        self._client = client
        self.address = server.address

    def info(self) -> Mapping[str, Any]:
        return {**self._client.info("persistence"), **self._client.info("server")}

    def begin(self, kind: Kind) -> bool:
        try:
            self._client.execute_command("BGSAVE" if kind == "bgsave" else "BGREWRITEAOF")
        except redis.ResponseError as error:
            if "in progress" in str(error):
                return False
            raise
        return True


def maintain(server: Server, task: Task, progress: Progress, *, check: bool) -> Outcome:
    """Sweep, give memory back, save; nothing is touched before all of it is known to be possible."""
    begun, outcome = time.monotonic(), Outcome()
    with connected(server, decode=False) as client:
        info = client.info()
        _refuse_unfit(server, info, task.wish)
        outcome.save_kind = chosen(task.save, info, lambda: client.config_get("save")["save"])
        outcome.findings += _expectations(task, info, outcome.save_kind)
        outcome.keys_before, outcome.bytes_before = client.dbsize(), info["used_memory"]
        try:
            with refusals(server):
                _sweep(client, server, task, progress, outcome, check=check)
                _finish(client, server, task, progress, outcome, check=check)
        except OpsError as error:
            error.details.update(scanned=outcome.swept.scanned, deleted=outcome.swept.deleted)
            raise
    progress.end()
    outcome.seconds, outcome.duration_seconds = progress.seconds, round(time.monotonic() - begun, 3)
    outcome.findings += _observations(outcome.swept)
    return outcome


def _sweep(client: Any, server: Server, task: Task, progress: Progress, outcome: Outcome, *, check: bool) -> None:
    progress.phase("sweep", outcome.keys_before, "keys")
    pace = Pace(task.latency_budget_seconds)
    try:
        sweep(RedisKeyspace(client, server), task.wish, pace, outcome.swept, predict=check, told=progress.advance)
    finally:
        outcome.slept_seconds = pace.slept_seconds


def _finish(client: Any, server: Server, task: Task, progress: Progress, outcome: Outcome, *, check: bool) -> None:
    deleted = outcome.swept.deleted
    is_due = due(outcome.save_kind, client.info("persistence"), deleted)
    if check:
        outcome.saved = Saved(outcome.save_kind) if is_due else Saved()
        outcome.keys_after, outcome.bytes_after = outcome.keys_before - deleted, outcome.bytes_before
        return
    if deleted:
        progress.phase("free")
        _await_freed(client)
        if task.purge:
            client.execute_command("MEMORY PURGE")
    if is_due:
        progress.phase("save")
        outcome.saved = save(_Saving(client, server), outcome.save_kind, task.save_timeout_seconds)
    outcome.keys_after, outcome.bytes_after = client.dbsize(), client.info("memory")["used_memory"]


def _await_freed(client: Any, pause: Callable[[float], None] = time.sleep) -> None:
    """UNLINK answers before the memory is free; what takes longer than this is counted where it stands."""
    deadline = time.monotonic() + _FREED_WITHIN_SECONDS
    while client.info("memory")["lazyfree_pending_objects"] and time.monotonic() < deadline:
        pause(_POLL_SECONDS)


def _refuse_unfit(server: Server, info: Mapping[str, Any], wish: Wish) -> None:
    """A server on which the rules could not be kept."""
    version, policy = str(info["redis_version"]), str(info["maxmemory_policy"])
    if int(version.partition(".")[0]) < _MINIMUM_MAJOR:
        raise OpsError(
            f"The server is Redis {version}; needed is {_MINIMUM_MAJOR} or newer", where=server.address, remedy="Upgrade the server first."
        )
    if info.get("cluster_enabled"):
        raise OpsError("The server is part of a Redis Cluster, whose keys lie on several servers", where=server.address)
    if info["role"] != "master":
        cause = f"it replicates {info['master_host']}:{info['master_port']}"
        raise OpsError("The server is a replica", where=server.address, cause=cause, remedy="Name its primary.")
    idle = [rule.match for rule in wish.rules if rule.idle_seconds_minimum]
    if "lfu" in policy and idle:
        raise OpsError(
            "The server does not know how long a key has been idle",
            where=server.address,
            cause=f"maxmemory-policy is {policy}; rules with idle_seconds_minimum: {', '.join(idle)}",
            remedy="Use a policy with lru, or rules with idle_seconds_minimum: 0.",
        )


def _expectations(task: Task, info: Mapping[str, Any], kind: Kind) -> list[Finding]:
    found = []
    longest = max((rule.idle_seconds_minimum for rule in task.wish.rules), default=0)
    if info["uptime_in_seconds"] < longest:
        found.append(
            Finding(
                "redis_idle_times_young",
                "info",
                _SUBJECT,
                "it started more recently than a rule's idle time, so keys may look younger than they are",
                f"up for {info['uptime_in_seconds']} s, asked for are {longest} s",
                "Nothing: the next runs will find them.",
            )
        )
    if task.save == "auto" and kind == "none":
        text, remedy = "it keeps nothing on disk, so nothing was saved", "Set appendonly to yes if its data is worth keeping."
        found.append(Finding("redis_not_persistent", "info", _SUBJECT, text, "appendonly is no and save is empty", remedy))
    return found


def _observations(swept: Swept) -> list[Finding]:
    found = []
    if swept.restarts:
        remedy = "Find out why: kubectl describe pod/redis-0. Keys may look younger than they are; the next runs will find them."
        text = "it started again while its keys were looked at, and the scan began again"
        found.append(Finding("redis_restarted", "warning", _SUBJECT, text, f"{swept.restarts} times", remedy))
    if swept.limited:
        text, remedy = "maximum_keys was reached, and the rest was left", "Run it again, or raise maximum_keys."
        found.append(Finding("redis_limit_reached", "info", _SUBJECT, text, f"{swept.deleted} keys deleted", remedy))
    return found
