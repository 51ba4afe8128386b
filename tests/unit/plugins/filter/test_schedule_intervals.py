# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far apart the runs of a CronJob are; expected is what its controller's own library, robfig/cron v3, comes to over 28 years."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.endpoint_stats.ops.plugins.filter.operation_schedule import operation_schedule
from ansible_collections.endpoint_stats.ops.plugins.filter.schedule_intervals import schedule_intervals
from ansible_collections.endpoint_stats.ops.plugins.module_utils import _deps

_HOUR, _DAY = 3600, 86400


@pytest.mark.parametrize(
    ("schedule", "shortest", "longest"),
    [
        ("17,47 * * * *", 1800, 1800),
        ("* * * * *", 60, 60),
        ("*/7 * * * *", 240, 420),
        ("5/20 3 * * *", 1200, 84000),
        ("0 9-17 * * 1-5", _HOUR, 64 * _HOUR),
        ("0,59 0,23 * * *", 60, 79260),
        ("0 0,12 ? * ?", 12 * _HOUR, 12 * _HOUR),
        ("@hourly", _HOUR, _HOUR),
        ("0 0 * * sun", 7 * _DAY, 7 * _DAY),
        ("0 0 1 jan,JUL *", 181 * _DAY, 184 * _DAY),
        ("0 0 29 2 *", 1461 * _DAY, 1461 * _DAY),
        # One of both is enough where both name days, and a step names them.
        ("0 0 13 * 5", _DAY, 7 * _DAY),
        ("0 0 */2 * 1", _DAY, 2 * _DAY),
        ("0 0 */1 * 1", 7 * _DAY, 7 * _DAY),
        ("0 0 5,* * 1", 7 * _DAY, 7 * _DAY),
        # From a day of the week on it goes to Saturday.
        ("0 0 * * 1/2", 2 * _DAY, 3 * _DAY),
    ],
)
def test_runs_are_as_far_apart_as_kubernetes_starts_them(schedule: str, shortest: int, longest: int) -> None:
    assert schedule_intervals(schedule) == {"shortest_seconds": shortest, "longest_seconds": longest}


@pytest.mark.parametrize(
    ("schedule", "zone", "shortest", "longest"),
    [
        ("17,47 * * * *", "Europe/Berlin", 1800, 1800),
        ("0 4 * * *", "Europe/Berlin", 23 * _HOUR, 25 * _HOUR),
        ("30 2 * * *", "Europe/Berlin", _HOUR, 47 * _HOUR),
        ("0 0 * * sun", "Europe/Berlin", 167 * _HOUR, 169 * _HOUR),
        ("0 4 * * *", "Asia/Tokyo", _DAY, _DAY),
    ],
)
def test_where_the_clock_is_changed_runs_are_left_out_and_come_twice(schedule: str, zone: str, shortest: int, longest: int) -> None:
    assert schedule_intervals(schedule, zone) == {"shortest_seconds": shortest, "longest_seconds": longest}


@pytest.mark.parametrize(
    "schedule",
    [
        "61 * * * *",
        "* * * *",
        "* * * * * *",
        "5-2 * * * *",
        "*/0 * * * *",
        "1,,2 * * * *",
        "x * * * *",
        "0 24 * * *",
        "0 0 0 * *",
        "0 0 31 2 *",
        "0 0 L * *",
        "0 0 * 13 *",
        "0 0 * * 7",
        "0 0 * * 5#2",
        "0 0 * * 1L",
        "@reboot",
        "@every 5m",
        "TZ=Europe/Berlin 0 4 * * *",
    ],
)
def test_what_kubernetes_would_not_take_is_refused_by_name(schedule: str) -> None:
    for filtered in (lambda: schedule_intervals(schedule), lambda: operation_schedule({**_SPEC, "schedule": schedule})):
        with pytest.raises(AnsibleFilterError, match="This is no schedule for a CronJob") as refused:
            filtered()
        assert f"Where: {schedule}." in str(refused.value)


_SPEC = {
    **dict.fromkeys(("name", "namespace", "playbook", "cpu", "memory"), "x"),
    "image": "x@sha256:0",
    "suspended": False,
    "deadline_seconds": 1,
    "settings": {},
    "time_zone": "Etc/UTC",
}


@pytest.mark.parametrize(("schedule", "zone", "words"), [("0 4 * * *", "Europe/Berlim", "time zone is not known"), (5, "UTC", "not int")])
def test_what_is_no_schedule_at_all_is_refused(schedule: Any, zone: str, words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        schedule_intervals(schedule, zone)


def test_without_the_library_it_is_named_with_its_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_deps._declared, "cronsim", _deps._declared["cronsim"])
    with _deps.declare("cronsim", minimum="2.6"):
        raise ImportError("No module named 'cronsim'")
    with pytest.raises(AnsibleFilterError, match=r"needs the Python library cronsim 2\.6.*No module named 'cronsim'") as refused:
        schedule_intervals("0 4 * * *")
    assert sys.executable in str(refused.value)
