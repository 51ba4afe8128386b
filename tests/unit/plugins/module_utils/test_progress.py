# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils import _progress
from ansible_collections.endpoint_stats.ops.plugins.module_utils._progress import Progress


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(_progress, "time", made)
    return made


def said(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(path.read_text())
    return found


def test_it_says_how_far_it_is_and_how_long_the_rest_takes(clock: Clock, tmp_path: Path) -> None:
    path = tmp_path / "progress"
    progress = Progress(str(path))
    progress.phase("dump", 400, "bytes")
    assert said(path) == {"phase": "dump", "done": 0, "total": 400, "unit": "bytes", "eta_seconds": None}
    clock.now += 10
    progress.advance(100)
    assert said(path) == {"phase": "dump", "done": 100, "total": 400, "unit": "bytes", "eta_seconds": 30.0}
    assert [entry.name for entry in tmp_path.iterdir()] == ["progress"]


def test_it_does_not_write_more_often_than_is_read(clock: Clock, tmp_path: Path) -> None:
    progress = Progress(str(tmp_path / "progress"))
    progress.phase("count", 10)
    clock.now += 0.1
    progress.advance(1)
    assert said(tmp_path / "progress")["done"] == 0
    clock.now += 0.5
    progress.advance(2)
    assert said(tmp_path / "progress")["done"] == 2


def test_more_than_was_expected_has_no_end_in_sight(clock: Clock, tmp_path: Path) -> None:
    progress = Progress(str(tmp_path / "progress"))
    progress.phase("dump", 100)
    clock.now += 5
    progress.advance(150)
    assert said(tmp_path / "progress")["eta_seconds"] is None


def test_phases_are_measured_and_those_of_one_name_add_up(clock: Clock) -> None:
    progress = Progress()
    for name, seconds in (("dump", 2), ("hash", 0.5), ("dump", 1)):
        progress.phase(name)
        clock.now += seconds
    assert progress.seconds == {"dump": 2, "hash": 0.5}
    progress.end()
    progress.end()
    assert progress.seconds == {"dump": 3, "hash": 0.5}


def test_work_goes_on_where_nothing_can_be_said(clock: Clock, tmp_path: Path) -> None:
    progress = Progress(str(tmp_path / "gone" / "progress"))
    progress.phase("dump", 100)
    clock.now += 5
    progress.advance(50)
    progress.end()
    assert progress.seconds == {"dump": 5}
    assert list(tmp_path.iterdir()) == []
