# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of a file for several streams at once."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

_POLL_SECONDS = 0.05

# A part of a file, by its place among them.
Block = tuple[int, bytes]


class StoppedError(Exception):
    """Another stream has failed."""


@dataclass
class Feed:
    """Parts of one file for several streams, a few at a time."""

    stopped: threading.Event
    parts: queue.Queue[Block]
    ended: threading.Event = field(default_factory=threading.Event)

    def fill(self, blocks: Iterable[Block]) -> None:
        try:
            for block in blocks:
                self._put(block)
        finally:
            self.ended.set()

    def _put(self, block: Block) -> None:
        while not self.stopped.is_set():
            try:
                return self.parts.put(block, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
        raise StoppedError

    def __iter__(self) -> Iterator[Block]:
        while True:
            ended = self.ended.is_set()
            try:
                yield self.parts.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                if ended:
                    return
