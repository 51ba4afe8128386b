# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose directories of scratch servers are removed."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import scratch_directory


def test_what_a_killed_run_left_in_the_other_place_is_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    places = (tmp_path / "memory", tmp_path / "disk")
    monkeypatch.setattr(scratch_directory, "places", lambda: places)
    left = orphan(places[0])
    scratch_directory._reap_elsewhere(tmp_path / "named")
    assert left.exists()
    scratch_directory._reap_elsewhere(places[1])
    assert not left.exists()


def orphan(directory: Path, **changes: Any) -> Path:
    """What a run leaves that was killed on this machine."""
    path = directory / "scratch-0a0a0a0a"
    (path / "data").mkdir(parents=True)
    said = {
        "host": "other",
        "boot_id": scratch_directory._boot(),
        "pid": 1,
        "begun_at": "2026-11-25T00:00:00Z",
        "ends_by": time.time() + 999,
    }
    (path / "owner.json").write_text(json.dumps({**said, **changes}))
    (path / "server.lock").touch()
    return path


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[Any]:
    """Somebody who locks a file until the test is over."""
    with (tmp_path / "owner").open("w"):
        opened: list[int] = []

        def hold(path: Path) -> None:
            opened.append(os.open(path, os.O_RDWR))
            fcntl.flock(opened[-1], fcntl.LOCK_EX)

        yield hold
        for descriptor in opened:
            os.close(descriptor)


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "something-else").mkdir()
    path = orphan(tmp_path)
    assert scratch_directory.reap(tmp_path) == [path.name]
    assert [left.name for left in tmp_path.iterdir()] == ["something-else"]


@pytest.mark.parametrize("text", ["", "{}", "[1]"])
def test_a_run_that_was_killed_while_it_began_is_removed(tmp_path: Path, text: str) -> None:
    (orphan(tmp_path) / "owner.json").write_text(text)
    assert scratch_directory.reap(tmp_path) == ["scratch-0a0a0a0a"]


def test_a_run_that_was_killed_before_it_said_who_it_is_is_removed(tmp_path: Path) -> None:
    (tmp_path / "scratch-0b0b0b0b").mkdir()
    assert scratch_directory.reap(tmp_path) == ["scratch-0b0b0b0b"]


def test_a_run_that_lives_is_left_alone(tmp_path: Path, holder: Any) -> None:
    path = orphan(tmp_path)
    holder(path / "owner.json")
    assert scratch_directory.reap(tmp_path) == []
    assert path.exists()


@pytest.mark.parametrize(("seconds", "removed"), [(999, []), (-1, ["scratch-0a0a0a0a"])])
def test_a_run_of_another_machine_is_left_alone_as_long_as_it_may_live(tmp_path: Path, seconds: int, removed: list[str]) -> None:
    orphan(tmp_path, boot_id="another", ends_by=time.time() + seconds)
    assert scratch_directory.reap(tmp_path) == removed


def test_a_server_that_outlives_its_run_is_waited_for(tmp_path: Path, holder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch_directory, "_ENDING_SECONDS", 0.2)
    path = orphan(tmp_path)
    holder(path / "server.lock")
    assert scratch_directory.reap(tmp_path) == []
    assert path.exists()
