# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rules of retention leave, run after run over long histories, compared with what was promised."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.retention import PRESET, Fate, Policy, Standing, fates

BEGIN = datetime(2026, 11, 25, 0, 17, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)


def name(at: datetime) -> str:
    return at.strftime("%Y%m%dT%H%M%SZ")


def day(backup: str) -> str:
    return backup[:8]


@functools.cache
def week(backup: str) -> tuple[int, int]:
    return datetime.strptime(backup, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).isocalendar()[:2]


def month(backup: str) -> str:
    return backup[:6]


def kept(backups: list[str], policy: Policy, **known: Any) -> list[str]:
    return [fate.backup for fate in fates(backups, policy, Standing(**known)) if fate.kept]


def why(backups: list[str], policy: Policy, **known: Any) -> dict[str, str]:
    return {fate.backup: fate.why for fate in fates(backups, policy, Standing(**known))}


@dataclass
class History:
    """A directory over the years: one backup after another, and what the rules leave of them."""

    policy: Policy
    there: list[str] = field(default_factory=list)
    proven: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    pinned: dict[str, str] = field(default_factory=dict)

    def run(self, at: datetime) -> list[Fate]:
        """One more backup; what goes is gone."""
        self.there.append(name(at))
        good = self.proven - self.failed
        newest = max(good, default=None)
        told = fates(self.there, self.policy, Standing(good, self.failed & set(self.there), self.pinned, newest))
        self.there = [fate.backup for fate in told if fate.kept]
        self.proven &= set(self.there)
        assert newest is None or newest in self.there
        assert set(self.pinned) <= set(self.there)
        assert self.there[-1] == name(at)
        return told

    def verify(self, backup: str, *, passed: bool) -> None:
        """A verdict; a failure takes an earlier pass back."""
        if passed:
            self.proven.add(backup)
        else:
            self.failed.add(backup)


def every(step: timedelta, length: timedelta) -> Iterator[datetime]:
    at = BEGIN
    while at < BEGIN + length:
        yield at
        at += step


def test_two_years_of_half_hours_leave_what_was_promised_after_each_run() -> None:
    policy = Policy(**PRESET)
    history, made, night = History(policy), [], 0
    periods: list[tuple[Callable[[str], Any], int, dict[Any, None]]] = [(day, 10, {}), (week, 8, {}), (month, 12, {})]
    for at in every(HALF_HOUR, timedelta(days=731)):
        history.run(at)
        made.append(name(at))
        if (at.hour, at.minute) == (4, 17):
            # What was verified that night; every ninth fails.
            night += 1
            history.verify(made[-1], passed=night % 9 > 0)
        good = [backup for backup in history.there if backup not in history.failed]
        assert good[-48:] == [backup for backup in made[-60:] if backup not in history.failed][-48:]
        for of, wanted, seen in periods:
            seen[of(made[-1])] = None
            # Every fifth run is one at every hour of the day in the end.
            assert len(made) % 5 or {of(backup) for backup in good} >= set(list(seen)[-wanted:])
        assert len(history.there) <= policy.last + policy.daily + policy.weekly + policy.monthly + 4
    assert len(history.there) > policy.last + policy.daily + policy.weekly
    assert month(history.there[0]) == "202712"


def test_what_is_kept_for_long_is_what_a_restore_has_proven() -> None:
    history = History(Policy(daily=5, monthly=3))
    for at in every(HALF_HOUR, timedelta(days=100)):
        history.run(at)
        if (at.hour, at.minute) == (4, 17):
            history.verify(name(at), passed=True)
    nights = ["20270131", "20270228", "20270301", "20270302", "20270303", "20270304"]
    assert history.there == [*(f"{night}T041700Z" for night in nights), "20270304T234700Z"]


@pytest.mark.parametrize("seed", range(12))
def test_random_histories_never_lose_the_last_proven_or_a_pinned_one(seed: int) -> None:
    """Backups at odd times, pauses, verdicts that are taken back, pins that come and go; what must hold is asserted in each run."""
    chance = random.Random(seed)  # noqa: S311 - the same histories each time
    rules = {rule: chance.choice([0, 1, 3, 9]) for rule in ("last", "daily", "weekly", "monthly")}
    history = History(Policy(**rules, within_seconds=chance.choice([1, 3600, 864000])))
    at = BEGIN
    for _ in range(600):
        at += timedelta(seconds=chance.choice([1, 60, 1800, 86400, 40 * 86400]))
        told = history.run(at)
        assert all(fate.why for fate in told)
        chosen = chance.choice(history.there)
        if chance.random() < 0.3:
            history.verify(chosen, passed=chance.random() < 0.7)
        if chance.random() < 0.1:
            history.pinned[chosen] = "a reason"
        if history.pinned and chance.random() < 0.1:
            del history.pinned[chance.choice(list(history.pinned))]
    repeated = fates(history.there, history.policy, Standing(pinned=dict.fromkeys(history.there, "x")))
    assert all(fate.kept for fate in repeated)


def test_a_second_look_finds_nothing_more_to_delete() -> None:
    history = History(Policy(**PRESET))
    for at in every(timedelta(hours=7), timedelta(days=500)):
        history.run(at)
    assert kept(history.there, history.policy) == history.there


def test_by_count_alone() -> None:
    names = [name(BEGIN + number * HALF_HOUR) for number in range(6)]
    assert kept(names, Policy(last=2)) == names[4:]
    assert kept(names, Policy(last=99)) == names
    assert kept(list(reversed(names)), Policy(last=2)) == names[4:]
    assert kept([], Policy(last=2)) == []


def test_by_age_alone_counted_from_the_newest_backup() -> None:
    names = [name(BEGIN + number * HALF_HOUR) for number in range(6)]
    assert kept(names, Policy(within_seconds=3600)) == names[3:]
    assert kept(names, Policy(within_seconds=3599)) == names[4:]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Policy(daily=2), ["27T23", "28T23"]),
        (Policy(weekly=2), ["22T23", "28T23"]),
        (Policy(monthly=1), ["28T23"]),
        (Policy(daily=1, last=3), ["27T23", "28T01", "28T23"]),
        (Policy(daily=3, weekly=2), ["22T23", "26T23", "27T23", "28T23"]),
    ],
)
def test_one_of_each_period(policy: Policy, expected: list[str]) -> None:
    names = [f"202611{number}T{hour}4700Z" for number in range(20, 29) for hour in ("01", "23")]
    assert [backup[6:11] for backup in kept(names, policy)] == expected


def test_days_without_a_backup_are_no_days() -> None:
    names = ["20250101T000000Z", "20260101T000000Z", "20261125T000000Z"]
    assert kept(names, Policy(daily=3)) == names
    assert kept(names, Policy(daily=2)) == names[1:]


def test_the_year_of_a_week_is_that_of_its_thursday() -> None:
    names = ["20261228T000000Z", "20270103T000000Z", "20270104T000000Z"]
    assert kept(names, Policy(weekly=2)) == names[1:]


def test_the_proven_one_of_a_day_is_kept_for_it() -> None:
    names = ["20261124T030000Z", "20261124T040000Z", "20261124T230000Z", "20261125T000000Z"]
    assert kept(names, Policy(daily=2)) == names[2:]
    assert kept(names, Policy(daily=2), proven={names[0], names[1]}) == [names[1], names[3]]
    assert why(names, Policy(daily=2), proven={names[1]})[names[2]] == f"day 2026-11-24 is kept by {names[1]}"


def test_failed_ones_fill_no_place_and_are_no_sooner_gone() -> None:
    names = [name(BEGIN + number * HALF_HOUR) for number in range(6)]
    assert kept(names, Policy(last=2), failed={names[4]}) == names[3:]
    assert kept(names, Policy(last=2), failed={names[2]}) == names[4:]
    assert kept(names, Policy(last=2), failed=set(names[1:5])) == [names[0], names[4], names[5]]
    assert "fills no place" in why(names, Policy(last=2), failed={names[4]})[names[4]]


def test_what_nobody_may_delete() -> None:
    names = [name(BEGIN + number * HALF_HOUR) for number in range(6)]
    found = why(names, Policy(last=1), proven={names[0], names[1]}, newest_proven=names[1], pinned={names[3]: "for the auditor"})
    assert found == {
        names[0]: "not one of the last 1",
        names[1]: "the newest that a restore has proven",
        names[2]: "not one of the last 1",
        names[3]: "pinned: for the auditor",
        names[4]: "not one of the last 1",
        names[5]: "one of the last 1; the newest",
    }
    assert kept(names, Policy(last=1), distrust="the records are damaged") == names
    assert kept(names[:2], Policy(monthly=1), proven={names[0]}) == names[:2]


def test_every_reason_to_go_is_told() -> None:
    names = ["20260101T000000Z", "20261124T000000Z", "20261124T120000Z", "20261125T000000Z"]
    policy = Policy(last=1, within_seconds=60, daily=2)
    assert (
        why(names, policy)[names[0]]
        == f"not one of the last 1; older than 60 s before {names[3]}; day 2026-01-01 is before the 2 that are kept"
    )
    assert why(names, policy)[names[1]].endswith(f"day 2026-11-24 is kept by {names[2]}")
    assert Fate("b", False, "x").line == "b  goes: x"


@pytest.mark.parametrize(
    ("rules", "words"),
    [({}, "keeps nothing: one of last, within_seconds"), ({"last": 0}, "keeps nothing"), ({"daily": -1}, "daily must be at least 0")],
)
def test_rules_that_keep_nothing_are_refused(rules: dict[str, int], words: str) -> None:
    with pytest.raises(OpsError, match=words):
        Policy(**rules)


def test_the_clock_of_the_host_is_not_asked() -> None:
    """Backups of a clock that ran ahead, and was set back: what they are named counts, and none is deleted for being of the future."""
    names = ["20261124T000000Z", "20261125T000000Z", "20991231T000000Z"]
    assert kept(names, Policy(daily=3)) == names
    assert kept(names, Policy(last=1), newest_proven=names[0]) == [names[0], names[2]]
