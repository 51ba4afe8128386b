# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing what is too much for a text to a program that runs."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Callable
from typing import IO, Any


class Feeder:
    """Writes what a program reads; its end, also by an error, is the end of what is read."""

    def __init__(self, process: subprocess.Popen[Any], feed: Callable[[IO[bytes]], None]) -> None:
        # Else whoever waits for the program would close it.
        stream, process.stdin = process.stdin, None
        self._stream: IO[bytes] = stream.detach()  # type: ignore[union-attr]
        self._feed = feed
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Until it has written everything, or the program has ended."""
        self._thread.join()

    def check(self) -> None:
        """Raise what went wrong, unless the program has ended first, which tells why by itself."""
        if self._error:
            raise self._error

    def _run(self) -> None:
        try:
            with contextlib.suppress(BrokenPipeError), self._stream as stream:
                self._feed(stream)
        except BaseException as error:
            self._error = error
