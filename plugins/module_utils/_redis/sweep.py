# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deletion by rule, page by page: nothing stops the server for longer than a page, and a page that took long is followed by rest."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from .._errors import OpsError
from .connection import NoConnectionError
from .keyspace import Keyspace, Page
from .rules import Wish

_LONGEST_REST_SECONDS = 1.0
_SHORTEST_REST_SECONDS = 0.001
_POLL_SECONDS = 0.2
_MAXIMUM_RESTARTS = 3
_MAXIMUM_LOSSES = 5


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
