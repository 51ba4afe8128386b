# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What maintenance says of itself; tests/integration/maintenance sees what it does."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._metrics import render
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.attempt import Skipped, Why
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.holders import HorizonHolder, LockHolder, horizon_findings
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.maintained import Dropped, Outcome, Refreshed, Tended
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.maintenance import Task

OPTIONS = {
    "vacuum": True,
    "vacuum_threshold": 50,
    "vacuum_scale": 0.05,
    "analyze_scale": 0.05,
    "vacuum_cost_delay_seconds": 0.002,
    "lock_budget_seconds": 2.0,
    "statement_timeout_seconds": 3600.0,
    "old_transaction_seconds": 300.0,
    "drop_leftovers": ["temp_stats", "temp_stats"],
    "refresh": [],
}
OLD = HorizonHolder("session", "7 of role api", "idle in transaction", age=90, seconds=400)
YOUNG = HorizonHolder("session", "8 of role api", "active", age=10, seconds=1)
IN_USE = HorizonHolder("replication slot", "standby_1", "active", age=50, seconds=0)
LEFT = HorizonHolder("replication slot", "forgotten", "inactive", age=40, seconds=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lock_budget_seconds": 0.0}, "lock_budget_seconds is 0"),
        ({"statement_timeout_seconds": -1.0}, "statement_timeout_seconds is -1"),
        ({"vacuum_threshold": -1}, "vacuum_threshold is -1"),
        ({"analyze_scale": -0.5}, "analyze_scale is -0.5"),
        ({"vacuum_cost_delay_seconds": 0.2}, "vacuum_cost_delay_seconds is 0.2"),
    ],
)
def test_bad_options_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(OpsError, match=message):
        Task.of_options({**OPTIONS, **changes})


def test_a_name_that_comes_twice_is_one() -> None:
    assert Task.of_options(OPTIONS).drop_leftovers == ("temp_stats",)


@pytest.mark.parametrize(
    ("holders", "kept_rows", "named"),
    [
        ([], 5, []),
        ([YOUNG], 0, []),
        ([YOUNG], 5, ["session 8 of role api"]),
        ([OLD, YOUNG], 0, ["session 7 of role api"]),
        ([OLD, YOUNG], 5, ["session 7 of role api"]),
        ([IN_USE, YOUNG], 0, []),
        ([IN_USE, LEFT], 5, ["replication slot standby_1", "replication slot forgotten"]),
    ],
)
def test_whoever_is_old_left_or_in_the_way_is_named(holders: list[HorizonHolder], kept_rows: int, named: list[str]) -> None:
    assert [finding.subject for finding in horizon_findings(holders, kept_rows, 300)] == named


def test_the_way_to_be_rid_of_it_is_told() -> None:
    (finding,) = horizon_findings([OLD], 12, 300)
    assert finding.evidence == "idle in transaction for 400 s, 90 transactions old; 12 dead rows stay"
    assert finding.remedy == "End it if it is not at work: SELECT pg_terminate_backend(7)"


def test_each_reason_has_a_finding_that_names_the_holders() -> None:
    holder = LockHolder(7, "api", "flask-api", "active", "AccessExclusiveLock", granted=True, transaction_seconds=3.25049)
    for why in get_args(Why):
        finding = Skipped("public.requests", "vacuum", why, "seen", [holder]).to_finding()
        assert finding.subject == "public.requests"
        assert finding.evidence == "seen; held by flask-api of role api (process 7)"
    told = Skipped("public.requests", "vacuum", "locked", "seen", [holder]).to_dict()
    assert told["held_by"][0]["transaction_seconds"] == 3.25


def tended(dead_after: int = 0) -> Tended:
    return Tended("public.requests", "vacuum", "9 dead rows of 10", 9, dead_after, 0.5)


def test_a_refresh_that_wrote_nothing_is_no_change_and_a_predicted_one_is() -> None:
    assert Outcome(check=False, refreshed=[Refreshed("public.v", 0, 0.1)]).to_result()["changed"] is False
    assert Outcome(check=False, refreshed=[Refreshed("public.v", 2, 0.1)]).to_result()["changed"] is True
    assert Outcome(check=True, refreshed=[Refreshed("public.v", 0, 0.0)]).to_result()["changed"] is True
    skipped = Skipped("public.requests", "vacuum", "locked", "seen")
    assert Outcome(check=False, skipped=[skipped]).to_result()["changed"] is False


def test_the_difference_tells_what_became_of_each_table() -> None:
    dropped = Dropped("public.temp_stats", 8192, 0.1)
    done = Outcome(check=False, tables=[tended()], dropped=[dropped]).to_result()["diff"]
    assert done["before"] == {"public.requests": "9 dead rows of 10", "public.temp_stats": "a table of 8192 bytes"}
    assert done["after"] == {"public.requests": "0 dead rows; vacuum done"}
    assert Outcome(check=True, tables=[tended()]).to_result()["diff"]["after"] == {"public.requests": "vacuum is due"}


def test_the_metrics_tell_what_was_done() -> None:
    text = render(Outcome(check=False, tables=[tended(1)], skipped=[Skipped("a.b", "drop", "refused", "seen")]).gauges())
    assert 'endpoint_stats_postgresql_maintenance_tables{what="not_done"} 1\n' in text
    assert 'endpoint_stats_postgresql_maintenance_dead_rows{when="after"} 1\n' in text
