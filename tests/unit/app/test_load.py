# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The load generator's schedule and its target."""

from __future__ import annotations

import pytest
from endpoint_stats.client import Client, Target, TargetError
from endpoint_stats.load import Plan, Tally, schedule

TARGET = Target("http://127.0.0.1:1")


def test_steady_load_has_one_rate() -> None:
    due = list(schedule(Plan(TARGET, rate=10, duration_seconds=5)))
    assert len(due) in {50, 51}
    assert due[10] == pytest.approx(1.0)


def test_a_spike_is_the_middle_fifth() -> None:
    due = list(schedule(Plan(TARGET, rate=10, duration_seconds=10, mode="spike", spike_factor=5)))
    before, within, after = (sum(begin <= moment < end for moment in due) for begin, end in ((0, 4), (4, 6), (6, 10)))
    assert before == pytest.approx(40, abs=1)
    assert within == pytest.approx(100, abs=2)
    assert after == pytest.approx(40, abs=2)


@pytest.mark.parametrize("url", ["flask-api:5000", "ftp://flask-api", "http://", "http://admin:planted@flask-api"])
def test_a_wrong_url_is_refused_without_its_login(url: str) -> None:
    with pytest.raises(TargetError) as refused:
        Client(Target(url))
    assert "planted" not in str(refused.value)


def test_the_tally_counts_what_failed_apart() -> None:
    tally = Tally()
    for status in (201, 200, 503):
        tally.answered(status, 0.01)
    tally.lost()
    assert (tally.succeeded, tally.no_answer, tally.statuses[503]) == (2, 1, 1)
    assert tally.latency_ms()["p95"] == pytest.approx(10.0)
