# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of a file for several streams at once."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, repeat

_POLL_SECONDS = 0.05

# A part of a file, by its place among them.
Block = tuple[int, bytes]


class StoppedError(Exception):
    """Another stream has failed."""


@dataclass(frozen=True)
class Feed:
    """Parts of one file for so many streams, a few at a time; after the last one each of them gets nothing, and ends."""

    streams: int
    stopped: threading.Event
    parts: queue.Queue[Block | None]

    def fill(self, blocks: Iterable[Block]) -> None:
        for block in chain(blocks, repeat(None, self.streams)):
            self._put(block)

    def _put(self, block: Block | None) -> None:
        while not self.stopped.is_set():
            try:
                return self.parts.put(block, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
        raise StoppedError

    def __iter__(self) -> Iterator[Block]:
        while not self.stopped.is_set():
            try:
                block = self.parts.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if block is None:
                return
            yield block
        raise StoppedError
