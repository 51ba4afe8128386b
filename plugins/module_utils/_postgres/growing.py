# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A large file of a dump, compressed while pg_dump still writes it: it only ever appends to one."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from .compressed import Description, chunks

_POLL_SECONDS = 0.05


class GivenUpError(Exception):
    """The dump has ended before the file did."""


@dataclass
class Growing:
    """One such file; C(description) is of the very bytes that were given away."""

    path: Path
    description: Description = field(default_factory=Description)
    _finished: threading.Event = field(default_factory=threading.Event)
    _given_up: threading.Event = field(default_factory=threading.Event)

    def finish(self) -> None:
        """Nobody writes it any more."""
        self._finished.set()

    def give_up(self) -> None:
        self._given_up.set()
        self._finished.set()

    def feed(self, target: IO[bytes]) -> None:
        """Give away what there is, until all of it was written."""
        with self.path.open("rb") as source:
            while True:
                # Asked before it is read to its end, which then is the last one.
                finished = self._finished.is_set()
                for chunk in chunks(source):
                    self.description.add(chunk)
                    target.write(chunk)
                if self._given_up.is_set():
                    raise GivenUpError
                if finished:
                    return
                self._finished.wait(_POLL_SECONDS)
