# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backups are kept, and why each other one may go. The names of the backups are the only clock: they are times in UTC."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta

from .._errors import OpsError

PRESET = {"last": 48, "daily": 10, "weekly": 8, "monthly": 12}


@dataclass(frozen=True)
class Policy:
    """How many are kept; C(within_seconds) are counted back from the newest. A rule that is 0 keeps none."""

    last: int = 0
    within_seconds: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0

    def __post_init__(self) -> None:
        rules = asdict(self)
        for name, value in rules.items():
            if value < 0:
                raise OpsError(f"retention.{name} must be at least 0, not {value}")
        if not any(rules.values()):
            raise OpsError(f"retention keeps nothing: one of {', '.join(rules)} has to be more than 0")


@dataclass(frozen=True)
class Standing:
    """What is known of the backups: C(newest_proven) is the one nobody may lose, C(distrust) why the records are no ground to delete on."""

    proven: AbstractSet[str] = frozenset()
    failed: AbstractSet[str] = frozenset()
    pinned: Mapping[str, str] = field(default_factory=dict)
    newest_proven: str | None = None
    distrust: str = ""


@dataclass(frozen=True)
class Fate:
    """Whether a backup stays, and the rules that say so."""

    backup: str
    kept: bool
    why: str

    @property
    def line(self) -> str:
        return f"{self.backup}  {'stays' if self.kept else 'goes'}: {self.why}"


def fates(backups: Sequence[str], policy: Policy, standing: Standing) -> list[Fate]:
    """What becomes of each, the oldest first.

    One that failed its verification fills no place: as many others are kept as if it were not there. It goes when it would go if it were
    good, as until then nobody may have looked at it.
    """
    names = sorted(backups)
    good = [name for name in names if name not in standing.failed]
    wanted = _wanted(good, policy, standing)
    wanted_if_good = wanted if len(good) == len(names) else _wanted(names, policy, standing)
    found = []
    for name in names:
        reasons = list(wanted.get(name, ()))
        if name in standing.failed and name in wanted_if_good:
            reasons.append(f"it failed and fills no place, and is kept as long as a good one ({wanted_if_good[name][0]})")
        if name == names[-1]:
            reasons.append("the newest")
        if name == standing.newest_proven:
            reasons.append("the newest that a restore has proven")
        if name in standing.pinned:
            reasons.append(f"pinned: {standing.pinned[name]}")
        if standing.distrust:
            reasons.append(standing.distrust)
        found.append(Fate(name, bool(reasons), "; ".join(reasons) or _unwanted(name, names, policy, wanted)))
    return found


@dataclass(frozen=True)
class _Moment:
    """The time of a backup, and the day, week and month it belongs to."""

    at: datetime
    day: str
    week: str
    month: str


def made_at(backup: str) -> datetime:
    """The time that the name of a backup is."""
    return _moment(backup).at


@functools.lru_cache(maxsize=4096)
def _moment(backup: str) -> _Moment:
    at = datetime.strptime(backup, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    year, week, _weekday = at.isocalendar()
    return _Moment(at, f"{at:%Y-%m-%d}", f"{year}-W{week:02}", f"{at:%Y-%m}")


def _wanted(names: Sequence[str], policy: Policy, standing: Standing) -> dict[str, list[str]]:
    """Those that the rules want, with what each is wanted for."""
    wanted: dict[str, list[str]] = {}

    def want(name: str, why: str) -> None:
        wanted.setdefault(name, []).append(why)

    newest_first = list(reversed(names))
    for name in newest_first[: policy.last]:
        want(name, f"one of the last {policy.last}")
    if policy.within_seconds and names:
        oldest = _moment(names[-1]).at - timedelta(seconds=policy.within_seconds)
        for name in newest_first:
            if _moment(name).at >= oldest:
                want(name, f"within {policy.within_seconds} s of the newest")
    for word, number in _periods(policy):
        for when, name in _of_each(word, number, newest_first, standing.proven).items():
            want(name, f"{word} {when}")
    return wanted


def _of_each(word: str, number: int, newest_first: Sequence[str], proven: AbstractSet[str]) -> dict[str, str]:
    """The newest proven one of each of the newest periods that have any, or the newest where none of a period is proven."""
    chosen: dict[str, str] = {}
    for name in newest_first:
        when = getattr(_moment(name), word)
        if when not in chosen:
            if len(chosen) == number:
                break
            chosen[when] = name
        elif name in proven and chosen[when] not in proven:
            chosen[when] = name
    return chosen


def _unwanted(name: str, names: Sequence[str], policy: Policy, wanted: Mapping[str, Sequence[str]]) -> str:
    """Why no rule wants it."""
    reasons = [f"not one of the last {policy.last}"] if policy.last else []
    if policy.within_seconds:
        reasons.append(f"older than {policy.within_seconds} s before {names[-1]}")
    for word, number in _periods(policy):
        when = f"{word} {getattr(_moment(name), word)}"
        kept = [other for other, why in wanted.items() if when in why]
        reasons.append(f"{when} is kept by {kept[0]}" if kept else f"{when} is before the {number} that are kept")
    return "; ".join(reasons)


def _periods(policy: Policy) -> list[tuple[str, int]]:
    """Those that have a rule, by the names of the fields of a moment."""
    return [(word, number) for word, number in (("day", policy.daily), ("week", policy.weekly), ("month", policy.monthly)) if number]
