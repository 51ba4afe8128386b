# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._metrics import render
from ansible_collections.endpoint_stats.ops.plugins.module_utils._redis.order import Outcome, Task
from ansible_collections.endpoint_stats.ops.plugins.module_utils._redis.persistence import Saved
from ansible_collections.endpoint_stats.ops.plugins.module_utils._redis.sweep import Swept

OPTIONS = {
    "rules": [{"match": "cache:*", "idle_seconds_minimum": 3600, "ttl": "any"}],
    "protect": [],
    "page_size": 500,
    "latency_budget_seconds": 0.01,
    "maximum_keys": 0,
    "restart_wait_seconds": 60.0,
    "purge": True,
    "save": "auto",
    "save_timeout_seconds": 300.0,
}


def rules(match: str, idle: int) -> dict[str, Any]:
    return {"rules": [{"match": match, "idle_seconds_minimum": idle, "ttl": "any"}]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"page_size": 0}, "page_size is 0"),
        ({"latency_budget_seconds": -1.0}, "latency_budget_seconds is -1"),
        ({"save_timeout_seconds": 0.0}, "save_timeout_seconds is 0"),
        ({"maximum_keys": -1}, "maximum_keys is -1"),
        (rules("", 0), "names no key"),
        (rules("*", 0), "would delete every key"),
        (rules("?*", 0), "would delete every key"),
        (rules("cache:*", -1), "below 0"),
        ({"protect": ["[é-ü]"]}, "beyond ASCII"),
    ],
)
def test_bad_options_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(OpsError, match=message):
        Task.of_options({**OPTIONS, **changes})


def test_options_become_a_task() -> None:
    task = Task.of_options({**OPTIONS, **rules("*", 1), "protect": ["a*", "\udcff"]})
    assert [protects(b"\xff") for protects in task.wish.protect] == [False, True]
    assert task.wish.rules[0].names(b"anything")


def test_a_run_that_found_nothing_shows_no_difference() -> None:
    nothing = Outcome(keys_before=5, keys_after=6, bytes_before=10, bytes_after=11).to_result()
    assert (nothing["changed"], nothing["diff"]["before"]) == (False, nothing["diff"]["after"])
    for outcome in (Outcome(Swept(deleted=1)), Outcome(saved=Saved("bgsave", proven=True))):
        assert outcome.to_result()["changed"] is True


def test_the_metrics_tell_what_was_done() -> None:
    text = render(Outcome(Swept(scanned=9, deleted=4), Saved("bgsave", proven=True, seconds=1.5)).gauges())
    assert 'endpoint_stats_redis_maintenance_keys{what="deleted"} 4\n' in text
    assert 'endpoint_stats_redis_maintenance_save_seconds{kind="bgsave"} 1.5\n' in text
