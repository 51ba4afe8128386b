# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deletion by rule, page by page: nothing stops the server for longer than a page, and a page that took long is followed by rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from .._errors import OpsError
from .connection import NoConnectionError, Server, refusals
from .glob import matcher

_LONGEST_REST_SECONDS = 1.0
_SHORTEST_REST_SECONDS = 0.001
_POLL_SECONDS = 0.2
_MAXIMUM_RESTARTS = 3
_MAXIMUM_LOSSES = 5

# What the rule says is asked again at the moment of deletion, so that a key which is read in between stays.
_DELETE = """
local idle, ttl, room, predict = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1'
local chosen = {}
for position, key in ipairs(KEYS) do
  if #chosen == room then break end
  local left = redis.call('PTTL', key)
  if left ~= -2 and (ttl == 'any' or (ttl == 'set') == (left ~= -1))
      and (idle == 0 or redis.call('OBJECT', 'IDLETIME', key) >= idle)
      and (predict or redis.call('UNLINK', key) == 1) then
    chosen[#chosen + 1] = position
  end
end
return chosen
"""


@dataclass(frozen=True)
class Rule:
    """Keys of a name that may go once nobody has read or written them for a time."""

    match: str
    idle_seconds_minimum: int
    ttl: str
    names: Callable[[bytes], bool] = field(compare=False, repr=False)

    @classmethod
    def of_option(cls, option: dict[str, Any]) -> Rule:
        return cls(option["match"], option["idle_seconds_minimum"], option["ttl"], compiled(option["match"]))


@dataclass(frozen=True)
class Wish:
    """What may go, and how gently; a maximum of 0 keys is none."""

    rules: Sequence[Rule]
    protect: Sequence[Callable[[bytes], bool]]
    page_size: int
    maximum_keys: int
    restart_wait_seconds: float


@dataclass(frozen=True)
class Page:
    """Some keys, the place to go on at, and which start of the server that place is of."""

    run_id: str
    cursor: int
    keys: Sequence[bytes]


class Keyspace(Protocol):
    """What sweeping needs of a server; a connection that is lost is a NoConnectionError."""

    def run_id(self) -> str: ...
    def page(self, cursor: int, count: int) -> Page: ...
    def delete(self, keys: Sequence[bytes], rule: Rule, room: int, *, predict: bool) -> list[int]: ...


@dataclass
class Swept:
    """What was done so far. Keys are counted as often as the server gives them, which is once where nobody writes."""

    scanned: int = 0
    matched: int = 0
    protected: int = 0
    deleted: int = 0
    pages: int = 0
    restarts: int = 0
    limited: bool = False

    def begin_again(self, *, predict: bool) -> None:
        """The server forgot the place in the scan, so what was seen will be seen again."""
        self.restarts += 1
        self.scanned = self.matched = self.protected = 0
        if predict:
            self.deleted = 0


class Pace:
    """Rests after a page that took longer than the budget, twice as long when the next one does too, half as long when it does not."""

    def __init__(self, budget_seconds: float, pause: Callable[[float], None] = time.sleep) -> None:
        self._budget = budget_seconds
        self._pause = pause
        self._rest = 0.0
        self.slept_seconds = 0.0

    def after(self, round_trip_seconds: float) -> None:
        if round_trip_seconds > self._budget:
            self._rest = min(max(round_trip_seconds, 2 * self._rest), _LONGEST_REST_SECONDS)
        else:
            self._rest = self._rest / 2 if self._rest / 2 >= _SHORTEST_REST_SECONDS else 0.0
        if self._rest:
            self._pause(self._rest)
            self.slept_seconds += self._rest


class RedisKeyspace:
    """Database 0 of a server."""

    def __init__(self, client: Any, server: Server) -> None:
        self._client = client
        self._server = server

    def run_id(self) -> str:
        with refusals(self._server):
            return str(self._client.info("server")["run_id"])

    def page(self, cursor: int, count: int) -> Page:
        """Asked in one go on one connection: the answer is of the server that says its run_id, whoever reconnects on the way."""
        with refusals(self._server):
            asked = self._client.pipeline(transaction=False).info("server").scan(cursor, count=count)
            info, (following, keys) = asked.execute()
        return Page(str(info["run_id"]), following, keys)

    def delete(self, keys: Sequence[bytes], rule: Rule, room: int, *, predict: bool) -> list[int]:
        """Places in `keys` of those that went, or would, counted from 1."""
        with refusals(self._server):
            arguments = (rule.idle_seconds_minimum, rule.ttl, room, int(predict))
            return list(self._client.eval(_DELETE, len(keys), *keys, *arguments))


def compiled(glob: str) -> Callable[[bytes], bool]:
    """A glob of an option, whose text may hold bytes that are no UTF-8."""
    return matcher(glob.encode("utf-8", errors="surrogateescape"))


def sweep(
    keyspace: Keyspace,
    wish: Wish,
    pace: Pace,
    swept: Swept,
    *,
    predict: bool,
    told: Callable[[int], None],
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Go once through all keys; `swept` says how far it came, also where an error ends it."""
    cursor, run_id, losses = 0, keyspace.run_id(), 0
    while True:
        try:
            begun = clock()
            page = keyspace.page(cursor, wish.page_size)
            if page.run_id == run_id:
                round_trip = max(clock() - begun, _delete(keyspace, wish, page, swept, predict=predict, clock=clock))
        except NoConnectionError as error:
            losses += 1
            if not error.down or losses > _MAXIMUM_LOSSES:
                raise
            _await(keyspace, clock() + wish.restart_wait_seconds, clock, pause)
            continue
        if page.run_id != run_id:
            _refuse_restless(swept)
            swept.begin_again(predict=predict)
            cursor, run_id = 0, page.run_id
            continue
        cursor, losses = page.cursor, 0
        swept.pages += 1
        told(swept.scanned)
        if cursor == 0 or swept.limited:
            return
        pace.after(round_trip)


def _delete(keyspace: Keyspace, wish: Wish, page: Page, swept: Swept, *, predict: bool, clock: Callable[[], float]) -> float:
    """Delete what of a page may go; the longest time that the server was asked for."""
    longest = 0.0
    keys = dict.fromkeys(page.keys)
    named = [key for key in keys if any(rule.names(key) for rule in wish.rules)]
    left = [key for key in named if not any(protects(key) for protects in wish.protect)]
    matched = len(left)
    for rule in wish.rules:
        room = wish.maximum_keys - swept.deleted if wish.maximum_keys else -1
        asked = [key for key in left if rule.names(key)]
        if not asked or not room:
            continue
        begun = clock()
        gone = {asked[position - 1] for position in keyspace.delete(asked, rule, room, predict=predict)}
        longest = max(longest, clock() - begun)
        swept.deleted += len(gone)
        left = [key for key in left if key not in gone]
    # Last, as a page whose connection is lost is asked for again.
    swept.scanned += len(keys)
    swept.protected += len(named) - matched
    swept.matched += matched
    swept.limited = bool(wish.maximum_keys) and swept.deleted >= wish.maximum_keys
    return longest


def _await(keyspace: Keyspace, deadline: float, clock: Callable[[], float], pause: Callable[[float], None]) -> None:
    """Wait until the server serves again."""
    while True:
        try:
            keyspace.run_id()
        except NoConnectionError as error:
            if not error.down or clock() >= deadline:
                raise
            pause(_POLL_SECONDS)
        else:
            return


def _refuse_restless(swept: Swept) -> None:
    if swept.restarts == _MAXIMUM_RESTARTS:
        raise OpsError(
            f"Redis started again {_MAXIMUM_RESTARTS + 1} times while its keys were looked at",
            remedy="Find out why (kubectl describe pod/redis-0) before you run this again.",
        )
