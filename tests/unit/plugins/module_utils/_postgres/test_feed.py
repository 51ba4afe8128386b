# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several streams share the parts of a file, and all of them end with it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.feed import Block, Feed, StoppedError

BLOCKS: list[Block] = [(0, b"a\n"), (1, b"b\n")]


def feed(streams: int, room: int = 10) -> Feed:
    return Feed(streams, threading.Event(), queue.Queue(room))


def test_each_part_is_given_once_and_every_stream_ends() -> None:
    shared = feed(3)
    shared.fill(BLOCKS)
    assert sorted(block for _stream in range(3) for block in shared) == BLOCKS
    assert shared.parts.empty()


def test_when_one_has_failed_nobody_waits_and_no_file_counts_as_whole() -> None:
    full = feed(2, room=1)
    full.stopped.set()
    with pytest.raises(StoppedError):
        full.fill(BLOCKS)
    with pytest.raises(StoppedError):
        list(full)


def test_a_file_that_cannot_be_read_is_not_ended() -> None:
    def damaged() -> Iterator[Block]:
        yield BLOCKS[0]
        raise OSError("damaged")

    broken = feed(1)
    with pytest.raises(OSError, match="damaged"):
        broken.fill(damaged())
    assert [broken.parts.get_nowait(), broken.parts.empty()] == [BLOCKS[0], True]
