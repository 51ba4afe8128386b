# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The canary stream's state and verdict."""

from __future__ import annotations

from pathlib import Path

import pytest
from endpoint_stats.canary import State, StateError, Stored, judged


def test_a_state_survives(tmp_path: Path) -> None:
    State(tmp_path / "state", "stream").record(7)
    assert State.read(tmp_path / "state", "stream").acknowledged == 7


def test_a_new_stream_begins_at_nothing(tmp_path: Path) -> None:
    assert State.read(tmp_path / "state", "stream").acknowledged == 0


def test_a_state_of_another_stream_is_refused(tmp_path: Path) -> None:
    State(tmp_path / "state", "stream").record(7)
    with pytest.raises(StateError, match="belongs to the stream stream"):
        State.read(tmp_path / "state", "other")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"stream": "stream", "acknowledged": "many"}'])
def test_a_damaged_state_is_no_beginning(tmp_path: Path, content: str) -> None:
    (tmp_path / "state").write_text(content)
    with pytest.raises(StateError, match="no state"):
        State.read(tmp_path / "state", "stream")


def test_one_generator_at_a_time(tmp_path: Path) -> None:
    state = State(tmp_path / "state", "stream")
    with state.held(), pytest.raises(StateError, match="another generator"), State(tmp_path / "state", "stream").held():
        pass


def test_duplicates_are_no_loss(tmp_path: Path) -> None:
    found = judged(State(tmp_path / "state", "stream", 10), Stored(12, 10, 1, 10))
    assert (found["verdict"], found["lost"], found["duplicates"]) == ("complete", 0, 2)


def test_duplicates_do_not_hide_a_loss(tmp_path: Path) -> None:
    found = judged(State(tmp_path / "state", "stream", 10), Stored(12, 8, 1, 10, [(4, 5)]))
    assert (found["verdict"], found["lost"], found["lost_ranges"]) == ("lost", 2, [[4, 5]])


def test_the_apis_answer_is_read_back() -> None:
    stored = Stored(3, 2, 1, 4, [(2, 3)], True)
    document = stored.document()
    assert document["duplicates"] == 1
    assert Stored.of(document) == stored
