# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import ready
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.connection import Server
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.order import Order, Outcome
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.retention import Fate, Policy
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.finding import Finding

KEEP = Policy(last=1)
SERVER = Server("db", 5432, "shop", "/credentials", "", 5)
LEAST: dict[str, Any] = {
    "jobs": 1,
    "interval_seconds": 0,
    "rpo_target_seconds": 1,
    "lock_wait_seconds": 0,
    "table_lock_timeout_seconds": 1,
    "dump_timeout_seconds": 1,
    "compression_level": 1,
}


def test_the_least_of_everything_is_accepted() -> None:
    assert Order(SERVER, directory="/backups", metrics_path="", retention=KEEP, **LEAST).jobs == 1


@pytest.mark.parametrize("name", LEAST)
def test_less_is_refused_by_name(name: str) -> None:
    with pytest.raises(OpsError, match=f"{name} must be at least {LEAST[name]}, not {LEAST[name] - 1}"):
        Order(SERVER, directory="/backups", metrics_path="", retention=KEEP, **{**LEAST, name: LEAST[name] - 1})


@pytest.mark.parametrize("number", [-1, 1, 1025])
def test_a_number_of_parts_that_says_nothing_is_refused(number: int) -> None:
    with pytest.raises(OpsError, match=f"bucket_sums must be 0, for none, or between 2 and 1024, not {number}"):
        Order(SERVER, directory="/backups", metrics_path="", retention=KEEP, **LEAST, bucket_sums=number)


def test_the_result_has_all_keys_and_shows_the_backups() -> None:
    finding = Finding("backup_shrank", "warning", "s", "t", "e", "r")
    told = [Fate("a", False, "too old"), Fate("b", True, "pinned")]
    result = Outcome(before=["a", "b"], kept=["b", "c"], retention=told, findings=[finding]).to_result("/backups")
    headers = {"before_header": "/backups", "after_header": "/backups"}
    assert result["diff"] == {**headers, "before": "a  goes: too old\nb  stays: pinned\n", "after": "b  stays: pinned\nc\n"}
    assert result["retention"][0] == {"backup": "a", "kept": False, "why": "too old"}
    assert (result["changed"], result["findings"], "before" in result) == (True, [finding.to_dict()], False)


@pytest.mark.parametrize(
    ("objects", "jobs", "slots"),
    [
        ((1000, 0, 0), 1, 1150),
        ((1000, 0, 0), 2, 1650),
        ((1000, 0, 0), 16, 1650),
        ((1000, 500, 0), 2, 2150),
        ((0, 10, 1000), 2, 1160),
        ((10, 1000, 200), 2, 1360),
    ],
)
def test_every_table_is_locked_by_us_by_the_dump_and_by_one_worker(objects: tuple[int, int, int], jobs: int, slots: int) -> None:
    tables, sequences, views = objects
    assert ready._slots(tables, sequences, views, jobs) == slots


def test_lock_slots_are_counted() -> None:
    ready._refuse_few_locks(SERVER, 6400, 6400)
    with pytest.raises(OpsError, match=f"6401 are needed, there are 6400.*by the factor {math.ceil(6401 / 6400)}"):
        ready._refuse_few_locks(SERVER, 6401, 6400)
