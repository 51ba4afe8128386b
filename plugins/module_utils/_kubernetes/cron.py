# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far apart the runs of a CronJob are, by what its controller makes of the schedule.

Kubernetes reads less than cron does, and some of it otherwise: C(7) is no day of the week, C(*/2) of a day counts as named days, and what
the clock leaves out in spring is left out. So a schedule is written out first, and C(cronsim) gets what all of them read alike.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

from .._deps import declare, demand
from .._errors import OpsError

with declare("cronsim", minimum="2.6"):
    from cronsim import CronSim, CronSimError

_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_HIGHEST = {"minute": 59, "hour": 23, "day of the month": 31, "month": 12, "day of the week": 6}
_LOWEST = {"day of the month": 1, "month": 1}
_NAMES = {"month": "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec", "day of the week": "sun|mon|tue|wed|thu|fri|sat"}
_DAY = timedelta(days=1)
# Days of the week and leap days come in the same order again after so many years.
_CYCLE = timedelta(days=28 * 365 + 7)
# A schedule of all days has shown in less than three years what it does, also where the clock is changed.
_MOST_DAYS = 1000
_UTC_NAMES = ("UTC", "Etc/UTC")


@dataclass(frozen=True)
class Intervals:
    """The shortest and the longest time from one run to the next."""

    shortest_seconds: int
    longest_seconds: int


def intervals(schedule: str, time_zone: str = "Etc/UTC") -> Intervals:
    """Where it never comes, or Kubernetes would not take it, that is an error with the schedule in it."""
    demand("cronsim")
    zone = None if time_zone in _UTC_NAMES else _zone(time_zone)
    return _intervals(schedule, zone, datetime.now(UTC).date())


@functools.lru_cache
def _intervals(schedule: str, zone: ZoneInfo | None, first: date) -> Intervals:
    minute, hour, *days = _written_out(schedule)
    begin = datetime.combine(first, time()) - timedelta(seconds=1)
    try:
        times = [moment.time() for moment in _until(f"{minute} {hour} * * *", begin, begin + _DAY)]
        dates = [moment.date() for moment in islice(_until(f"0 0 {' '.join(days)}", begin, begin + _CYCLE), _MOST_DAYS)]
    except CronSimError as error:
        raise _refused(schedule, str(error)) from error
    gaps = set(_gaps(times, dates, zone))
    return Intervals(min(gaps), max(gaps))


def _until(expression: str, begin: datetime, end: datetime) -> Iterator[datetime]:
    return takewhile(lambda moment: moment <= end, CronSim(expression, begin))


def _gaps(times: Sequence[time], dates: Sequence[date], zone: ZoneInfo | None) -> Iterator[int]:
    """Days on which nobody changes the clock have the same ones within them."""
    ends = (times[0], times[-1])
    yield from (_seconds(earlier, later) for earlier, later in pairwise(datetime.combine(dates[0], each) for each in times))
    last: datetime | None = None
    for day in dates:
        changed = zone is not None and _offset(day, zone) != _offset(day + _DAY, zone)
        runs = sorted({moment for each in (times if changed else ends) for moment in _moments(datetime.combine(day, each), zone)})
        if changed:
            yield from (_seconds(earlier, later) for earlier, later in pairwise(runs))
        if last and runs:
            yield _seconds(last, runs[0])
        last = runs[-1] if runs else last


def _seconds(earlier: datetime, later: datetime) -> int:
    return round((later - earlier).total_seconds())


def _offset(day: date, zone: ZoneInfo) -> timedelta | None:
    return datetime.combine(day, time(), zone).utcoffset()


def _moments(local: datetime, zone: ZoneInfo | None) -> Iterator[datetime]:
    """None where the clock leaves it out, two where it comes twice."""
    if zone is None:
        yield local.replace(tzinfo=UTC)
        return
    for fold in (0, 1):
        moment = local.replace(tzinfo=zone, fold=fold).astimezone(UTC)
        if moment.astimezone(zone).replace(tzinfo=None, fold=0) == local:
            yield moment


def _written_out(schedule: str) -> list[str]:
    """The five fields, with nothing left in them that is read one way here and another way there."""
    fields = _MACROS.get(schedule.strip(), schedule).split()
    if len(fields) != len(_HIGHEST):
        raise _refused(schedule, f"it has {len(fields)} fields, not {len(_HIGHEST)}")
    return [_field(schedule, name, field) for name, field in zip(_HIGHEST, fields, strict=True)]


def _field(schedule: str, name: str, field: str) -> str:
    items = [_item(schedule, name, item) for item in field.split(",")]
    return "*" if "*" in items else ",".join(items)


def _item(schedule: str, name: str, item: str) -> str:
    low, high = _LOWEST.get(name, 0), _HIGHEST[name]
    value = rf"\d+|{_NAMES[name]}" if name in _NAMES else r"\d+"
    found = re.fullmatch(rf"(?:[*?]|({value})(-(?:{value}))?)(?:/(\d+))?", item, re.IGNORECASE | re.ASCII)
    if not found or any(int(number) > high for number in re.findall(r"\d+", item.partition("/")[0])):
        raise _refused(schedule, f"{item} is no {name}; numbers go from {low} to {high}")
    first, rest, step = found.groups()
    if step is None or (not first and int(step) == 1):
        return item if first else "*"
    return f"{first}{rest or f'-{high}'}/{step}" if first else f"{low}-{high}/{step}"


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        remedy = "Name one as Europe/Berlin is; where it is one, install the package tzdata beside Ansible."
        raise OpsError("The time zone is not known here", where=name, cause=str(error), remedy=remedy) from error


def _refused(schedule: str, cause: str) -> OpsError:
    remedy = "Write it as Kubernetes does: minute, hour, day of the month, month, day of the week (0 is Sunday)."
    return OpsError("This is no schedule for a CronJob", where=schedule, cause=cause, remedy=remedy)
