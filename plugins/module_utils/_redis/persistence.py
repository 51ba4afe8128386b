# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Saving in the background, waited for and proven by what the server says of it afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from .._errors import OpsError

_POLL_SECONDS = 0.1

Kind = Literal["bgsave", "aof_rewrite", "none"]
Info = Mapping[str, Any]
_KINDS: dict[str, Kind] = {"bgsave": "bgsave", "aof_rewrite": "aof_rewrite", "none": "none"}
# What proves each kind: the status of the last one, and a number that only a new one raises.
_PROOF = {
    "bgsave": ("rdb_last_bgsave_status", "rdb_last_save_time"),
    "aof_rewrite": ("aof_last_bgrewrite_status", "aof_rewrites"),
}


class Persistent(Protocol):
    """What saving needs of a server; C(begin) gives false where another save came first."""

    @property
    def address(self) -> str: ...
    def info(self) -> Info: ...
    def begin(self, kind: Kind) -> bool: ...


@dataclass(frozen=True)
class Saved:
    """A save that was made and proven, or none that was due."""

    kind: Kind = "none"
    proven: bool = False
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def chosen(asked: str, info: Info, save_points: Callable[[], str]) -> Kind:
    """The kind of save that was asked for, or the one by which the server keeps its data."""
    if asked == "auto":
        return "aof_rewrite" if info["aof_enabled"] else "bgsave" if save_points() else "none"
    if asked == "aof_rewrite" and not info["aof_enabled"]:
        remedy = "Set save to bgsave, or leave the choice to auto."
        raise OpsError("The server has no append-only file to rewrite", cause="appendonly is no", remedy=remedy)
    return _KINDS[asked]


def due(kind: Kind, info: Info, deleted: int) -> bool:
    """Whether there is something to save, also from a run that was killed before it did."""
    if kind == "none":
        return False
    left = kind == "bgsave" and info["rdb_changes_since_last_save"] > 0
    return deleted > 0 or left or info[_PROOF[kind][0]] != "ok"


def save(
    server: Persistent,
    kind: Kind,
    timeout_seconds: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Saved:
    """Begin a save of our own and wait for its end; one that runs already began before the deletion and proves nothing of it."""
    begun = clock()
    watch = _Watch(server, timeout_seconds, begun + timeout_seconds, clock, pause)
    before = watch.until(_is_quiet)
    while not server.begin(kind):
        before = watch.until(_is_quiet)
    after = watch.until(_is_settled)
    if after["run_id"] != before["run_id"]:
        raise OpsError("Redis started again while it saved", where=server.address, remedy="Find out why, and run this again.")
    status, number = _PROOF[kind]
    if after[status] != "ok" or after[number] <= before[number]:
        raise OpsError(
            f"Redis could not save ({kind})",
            where=server.address,
            cause=f"{status}: {after[status]}, {number}: {before[number]} before and {after[number]} after",
            remedy="Look at its log and at the space of its claim. What was deleted is deleted in memory; run this again to have it saved.",
        )
    return Saved(kind, proven=True, seconds=round(clock() - begun, 3))


@dataclass(frozen=True)
class _Watch:
    """Looks until something is so, or the time is over."""

    server: Persistent
    timeout_seconds: float
    deadline: float
    clock: Callable[[], float]
    pause: Callable[[float], None]

    def until(self, is_so: Callable[[Info], bool]) -> Info:
        while True:
            info = self.server.info()
            if is_so(info):
                return info
            if self.clock() >= self.deadline:
                names = ("rdb_bgsave_in_progress", "aof_rewrite_in_progress", "aof_rewrite_scheduled", "rdb_last_save_time")
                raise OpsError(
                    f"Redis has not saved within {self.timeout_seconds:g} seconds",
                    where=self.server.address,
                    cause=", ".join(f"{name}: {info[name]}" for name in names),
                    remedy="It may still be at it: look at INFO persistence, and give it longer with save_timeout_seconds.",
                )
            self.pause(_POLL_SECONDS)


def _is_settled(info: Info) -> bool:
    return not (info["rdb_bgsave_in_progress"] or info["aof_rewrite_in_progress"] or info["aof_rewrite_scheduled"])


def _is_quiet(info: Info) -> bool:
    """And the last save ended in an earlier second than this one: the time of a save has no finer grain."""
    return _is_settled(info) and info["server_time_usec"] // 1_000_000 > info["rdb_last_save_time"]
