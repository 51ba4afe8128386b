# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._redis.persistence import Kind, chosen, due, save

QUIET = {
    "aof_enabled": 0,
    "aof_rewrite_in_progress": 0,
    "aof_rewrite_scheduled": 0,
    "aof_last_bgrewrite_status": "ok",
    "aof_rewrites": 3,
    "rdb_bgsave_in_progress": 0,
    "rdb_changes_since_last_save": 0,
    "rdb_last_bgsave_status": "ok",
    "rdb_last_save_time": 100,
    "run_id": "a",
    "server_time_usec": 200_000_000,
}


class Told:
    """A server that says one thing after the other, and the last one for ever."""

    address = "redis:6379"

    def __init__(self, *changes: dict[str, Any], refusals: int = 0) -> None:
        self._told = [{**QUIET, **change} for change in changes]
        self._refusals = refusals
        self.begun: list[str] = []

    def info(self) -> dict[str, Any]:
        return self._told.pop(0) if len(self._told) > 1 else self._told[0]

    def begin(self, kind: Kind) -> bool:
        self.begun.append(kind)
        return len(self.begun) > self._refusals


def saved(server: Told, kind: Kind) -> tuple[bool, float]:
    now = [0.0]

    def pause(seconds: float) -> None:
        now[0] += seconds

    made = save(server, kind, 5, clock=lambda: now[0], pause=pause)
    return made.proven, round(made.seconds, 3)


AT_WORK, DONE = {"rdb_bgsave_in_progress": 1}, {"rdb_last_save_time": 200}
REWRITING, REWRITTEN = {"aof_rewrite_in_progress": 1, "aof_rewrites": 4}, {"aof_rewrites": 4}


def test_a_save_is_waited_for_and_proven() -> None:
    server = Told({}, AT_WORK, AT_WORK, DONE)
    assert saved(server, "bgsave") == (True, 0.2)
    assert server.begun == ["bgsave"]
    assert saved(Told({}, {"aof_rewrite_scheduled": 1}, REWRITING, REWRITTEN), "aof_rewrite")[0] is True


def test_a_save_that_runs_already_is_let_end_first() -> None:
    server = Told(AT_WORK, AT_WORK, {"rdb_last_save_time": 150}, AT_WORK, DONE)
    assert saved(server, "bgsave") == (True, 0.3)


def test_a_save_that_ended_in_this_second_is_let_grow_old() -> None:
    same = {"server_time_usec": 150_900_000, "rdb_last_save_time": 150}
    server = Told(same, {**same, "server_time_usec": 151_000_000}, {"rdb_last_save_time": 151})
    assert saved(server, "bgsave")[0] is True


def test_another_save_that_comes_first_is_waited_for() -> None:
    server = Told({}, AT_WORK, {"rdb_last_save_time": 150}, DONE, refusals=1)
    assert saved(server, "bgsave")[0] is True
    assert server.begun == ["bgsave", "bgsave"]


@pytest.mark.parametrize(
    ("kind", "after", "cause"),
    [
        ("bgsave", {"rdb_last_bgsave_status": "err"}, "rdb_last_bgsave_status: err, rdb_last_save_time: 100 before and 100 after"),
        ("bgsave", {}, "rdb_last_bgsave_status: ok, rdb_last_save_time: 100 before and 100 after"),
        ("bgsave", {"rdb_last_bgsave_status": "err", "rdb_last_save_time": 200}, "rdb_last_bgsave_status: err"),
        ("aof_rewrite", {"aof_last_bgrewrite_status": "err", "aof_rewrites": 4}, "aof_last_bgrewrite_status: err"),
        ("aof_rewrite", {}, "aof_rewrites: 3 before and 3 after"),
    ],
)
def test_a_save_that_is_not_proven_is_an_error(kind: Kind, after: dict[str, Any], cause: str) -> None:
    with pytest.raises(OpsError, match=f"could not save \\({kind}\\)") as raised:
        saved(Told({}, after), kind)
    assert cause in raised.value.cause


def test_a_save_takes_no_longer_than_allowed() -> None:
    for told in ([AT_WORK], [{}, AT_WORK], [{"rdb_last_save_time": 9_999}]):
        with pytest.raises(OpsError, match="has not saved within 5 seconds"):
            saved(Told(*told), "bgsave")


def test_a_new_start_loses_the_save() -> None:
    with pytest.raises(OpsError, match="started again while it saved"):
        saved(Told({}, {**DONE, "run_id": "b"}), "bgsave")


@pytest.mark.parametrize(
    ("asked", "aof", "points", "expected"),
    [
        ("auto", 1, "", "aof_rewrite"),
        ("auto", 1, "60 1", "aof_rewrite"),
        ("auto", 0, "60 1", "bgsave"),
        ("auto", 0, "", "none"),
        ("bgsave", 1, "", "bgsave"),
        ("none", 1, "60 1", "none"),
        ("aof_rewrite", 1, "", "aof_rewrite"),
    ],
)
def test_the_kind_follows_how_the_server_keeps_its_data(asked: str, aof: int, points: str, expected: Kind) -> None:
    assert chosen(asked, {"aof_enabled": aof}, lambda: points) == expected


def test_a_file_that_is_not_there_cannot_be_rewritten() -> None:
    with pytest.raises(OpsError, match="no append-only file"):
        chosen("aof_rewrite", {"aof_enabled": 0}, lambda: "")


@pytest.mark.parametrize(
    ("kind", "changes", "deleted", "expected"),
    [
        ("none", {}, 5, False),
        ("bgsave", {}, 0, False),
        ("bgsave", {}, 1, True),
        ("bgsave", {"rdb_changes_since_last_save": 1}, 0, True),
        ("bgsave", {"rdb_last_bgsave_status": "err"}, 0, True),
        ("aof_rewrite", {"rdb_changes_since_last_save": 1}, 0, False),
        ("aof_rewrite", {}, 1, True),
        ("aof_rewrite", {"aof_last_bgrewrite_status": "err"}, 0, True),
    ],
)
def test_what_is_saved_already_is_not_saved_again(kind: Kind, changes: dict[str, Any], deleted: int, expected: bool) -> None:
    assert due(kind, {**QUIET, **changes}, deleted) is expected
