# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._redis.connection import NoConnectionError, Server
from ansible_collections.endpoint_stats.ops.plugins.module_utils._redis.keyspace import Page
from ansible_collections.endpoint_stats.ops.plugins.module_utils._redis.rules import Rule, Wish, compiled
from ansible_collections.endpoint_stats.ops.plugins.module_utils._redis.sweep import Pace, Swept, sweep

SERVER = Server("redis", 6379, "/nowhere", "", 5)


def rule(match: str, idle: int = 0, ttl: str = "any") -> Rule:
    return Rule.of_option({"match": match, "idle_seconds_minimum": idle, "ttl": ttl})


def lost(*, down: bool = True) -> NoConnectionError:
    return NoConnectionError(SERVER, "gone", down=down)


@dataclass
class Keys:
    """A server in memory; `events` happen instead of the page of that number: another start, or an error."""

    keys: list[bytes]
    idle: dict[bytes, int] = field(default_factory=dict)
    events: dict[int, Any] = field(default_factory=dict)
    start: int = 1
    asked: int = 0
    away: int = 0
    gone: list[bytes] = field(default_factory=list)

    def run_id(self) -> str:
        if self.away:
            self.away -= 1
            raise lost()
        return str(self.start)

    def page(self, cursor: int, count: int) -> Page:
        self.asked += 1
        event = self.events.get(self.asked)
        if isinstance(event, Exception):
            raise event
        if event == "restart":
            self.start += 1
        keys = self.keys[cursor : cursor + count]
        following = cursor + count if cursor + count < len(self.keys) else 0
        return Page(str(self.start), following, [key for key in keys if key not in self.gone])

    def delete(self, keys: Sequence[bytes], rule: Rule, room: int, *, predict: bool) -> list[int]:
        chosen = [place for place, key in enumerate(keys, 1) if self.idle.get(key, 0) >= rule.idle_seconds_minimum]
        chosen = chosen[:room] if room >= 0 else chosen
        self.gone += [] if predict else [keys[place - 1] for place in chosen]
        return chosen


def swept(keys: Keys, rules: list[Rule], *, predict: bool = False, protect: Sequence[str] = (), **options: Any) -> Swept:
    wish = Wish(rules, [compiled(glob) for glob in protect], **{"page_size": 2, "maximum_keys": 0, "restart_wait_seconds": 10, **options})
    made, now = Swept(), [0.0]
    told: list[int] = []

    def pause(seconds: float) -> None:
        now[0] += seconds

    sweep(keys, wish, Pace(1, pause), made, predict=predict, told=told.append, clock=lambda: now[0], pause=pause)
    assert told == sorted(told) or made.restarts
    return made


def names(count: int) -> list[bytes]:
    return [b"cache:%d" % number for number in range(count)]


def test_each_key_is_judged_by_the_first_rule_that_holds() -> None:
    keys = Keys([b"a:1", b"a:2", b"b:1", b"c:1", b"a:keep"], idle={b"a:1": 50, b"b:1": 5})
    made = swept(keys, [rule("a:*", 40), rule("[ab]:*", 1)], protect=["*:keep"])
    assert (made.scanned, made.matched, made.protected, made.deleted, made.pages) == (5, 3, 1, 2, 3)
    assert keys.gone == [b"a:1", b"b:1"]


def test_a_prediction_counts_the_same_and_deletes_nothing() -> None:
    keys = Keys(names(5))
    assert swept(keys, [rule("cache:*"), rule("*che:*")], predict=True).deleted == 5
    assert keys.gone == []


def test_a_key_that_a_page_holds_twice_is_counted_once() -> None:
    keys = Keys([b"a", b"a"])
    made = swept(keys, [rule("a")], predict=True)
    assert (made.scanned, made.deleted) == (1, 1)


@pytest.mark.parametrize(("maximum", "deleted", "limited"), [(0, 9, False), (3, 3, True), (4, 4, True), (9, 9, True), (10, 9, False)])
def test_no_more_keys_than_allowed(maximum: int, deleted: int, limited: bool) -> None:
    made = swept(Keys(names(9)), [rule("*:*")], maximum_keys=maximum)
    assert (made.deleted, made.limited) == (deleted, limited)


def test_another_start_begins_the_scan_again() -> None:
    keys = Keys(names(10), events={3: "restart"})
    made = swept(keys, [rule("cache:*")])
    assert (made.restarts, made.deleted, keys.gone) == (1, 10, names(10))
    # Two pages before it, the one that told of it, and all five of the scan that began again.
    assert keys.asked == 2 + 1 + 5


def test_a_prediction_forgets_what_it_counted_before_another_start() -> None:
    made = swept(Keys(names(10), events={3: "restart"}), [rule("cache:*")], predict=True)
    assert (made.scanned, made.deleted) == (10, 10)


def test_a_lost_connection_to_the_same_start_goes_on_where_it_was() -> None:
    keys = Keys(names(10), events={3: lost()}, away=0)
    made = swept(keys, [rule("cache:*")])
    assert (made.restarts, made.scanned, made.deleted, keys.asked) == (0, 10, 10, 6)


@dataclass
class Leaving(Keys):
    """It does not answer for a while once the connection was lost."""

    for_polls: int = 0

    def page(self, cursor: int, count: int) -> Page:
        try:
            return super().page(cursor, count)
        except NoConnectionError:
            self.away = self.for_polls
            raise


@pytest.mark.parametrize(("polls", "returns"), [(20, True), (80, False)])
def test_a_server_that_goes_away_is_waited_for_within_bounds(polls: int, returns: bool) -> None:
    keys = Leaving(names(10), events={3: lost()}, for_polls=polls)
    if returns:
        assert swept(keys, [rule("cache:*")]).deleted == 10
    else:
        with pytest.raises(NoConnectionError):
            swept(keys, [rule("cache:*")])
        assert len(keys.gone) == 4


def test_who_is_no_longer_let_in_does_not_wait() -> None:
    with pytest.raises(NoConnectionError):
        swept(Keys(names(10), events={3: lost(down=False)}), [rule("cache:*")])


def test_a_server_that_cannot_stay_is_given_up() -> None:
    with pytest.raises(OpsError, match="started again 4 times"):
        swept(Keys(names(10), events=dict.fromkeys(range(2, 20), "restart")), [rule("cache:*")])
    with pytest.raises(NoConnectionError):
        swept(Keys(names(10), events=dict.fromkeys(range(2, 20), lost())), [rule("cache:*")])


def rests(budget: float, round_trips: Sequence[float]) -> list[float]:
    paused: list[float] = []
    pace = Pace(budget, paused.append)
    counts = []
    for round_trip in round_trips:
        pace.after(round_trip)
        counts.append(paused.pop() if paused else 0.0)
    assert pace.slept_seconds == pytest.approx(sum(counts))
    return counts


@pytest.mark.parametrize(
    ("round_trips", "expected"),
    [
        ([0.005, 0.01], [0, 0]),
        ([0.02, 0.02, 0.02], [0.02, 0.04, 0.08]),
        ([0.02, 0.005, 0.005, 0.005], [0.02, 0.01, 0.005, 0.0025]),
        ([0.02, 0.5, 0.005], [0.02, 0.5, 0.25]),
        ([3.0, 3.0], [1.0, 1.0]),
    ],
)
def test_rest_follows_what_the_server_takes(round_trips: list[float], expected: list[float]) -> None:
    assert rests(0.01, round_trips) == pytest.approx(expected)


def test_rest_ends_when_the_server_is_well_again() -> None:
    assert rests(0.01, [0.02, *[0.001] * 10])[-1] == 0
