# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that has gone silent: noticed by both sides, so that nobody waits, or holds locks, for hours.

The kernel asks a peer that says nothing whether it is there. A proxy in between answers that also for a server that is not, and the
server's own limit for a statement cannot be heard then. So each wait for an answer is bounded here as well.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from .._errors import OpsError

# Of a connection string, and of the server's end of the session.
# Who waits is asked for; what was sent and nobody has acknowledged is another matter, which the kernel would try for a quarter of an hour.
CLIENT = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000}
SERVER = (
    "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3 -c tcp_user_timeout=60s"
    # A statement does not go on for somebody who is gone.
    " -c client_connection_check_interval=5s"
)
LOOK = "Look at the server, and at the network between here and it; then run it again."
# The server itself ends what takes too long, and says so.
_GRACE_SECONDS = 5
_LOOK_SECONDS = 1.0


@dataclass
class Watch:
    """One session; C(seconds) is how long a statement may take, 0 for any time."""

    connection: Any
    line: socket.socket
    seconds: float
    silent: bool = False
    _failing: bool = False
    _since: float | None = None
    _over: threading.Event = field(default_factory=threading.Event)

    def wait(self, *arguments: Any, **named: Any) -> Any:
        """In the place of the connection's own."""
        self._since = time.monotonic()
        try:
            return type(self.connection).wait(self.connection, *arguments, **named)
        finally:
            self._since = None

    def error(self, where: str) -> OpsError:
        cause = f"nothing came for {self.seconds + _GRACE_SECONDS:g} seconds, in which the server would have ended the statement"
        return OpsError("PostgreSQL does not answer any more", where=where, cause=cause, remedy=LOOK)

    def look(self) -> None:
        """Until the session is over."""
        while not self._over.wait(_LOOK_SECONDS):
            since = self._since
            if since is not None and self.seconds and time.monotonic() - since > self.seconds + _GRACE_SECONDS:
                # What went wrong before is the error then.
                self.silent = not self._failing
                self.cut()

    def cut(self) -> None:
        """Whoever waits for an answer gets an error at once."""
        with suppress(OSError):
            self.line.shutdown(socket.SHUT_RDWR)

    def failing(self) -> None:
        """What is left to say is said in seconds: who hears it answers at once, and a server that does not undoes everything by itself."""
        if not self.silent:
            self._failing, self.seconds = True, 1

    def end(self) -> None:
        self._over.set()


@contextmanager
def watched(connection: Any, seconds: float) -> Iterator[Watch]:
    """The session, cut off when it is silent for longer than a statement may take."""
    # A descriptor of its own: the number of the connection's may be somebody else's when it is closed.
    with socket.socket(fileno=os.dup(connection.fileno())) as line:
        watch = Watch(connection, line, seconds)
        connection.wait = watch.wait
        thread = threading.Thread(target=watch.look, daemon=True)
        thread.start()
        try:
            yield watch
        finally:
            watch.end()
            thread.join()


def allow(connection: Any, seconds: float) -> float:
    """Its statements may take another time from now on, as it has just told the server; gives the time they had before."""
    watch = _watch(connection)
    if watch is None:
        return seconds
    before, watch.seconds = watch.seconds, seconds
    return before


def cut(connection: Any) -> None:
    """End what it waits for without a word to the server, which may hear none; it sees by itself that nobody listens any more."""
    if watch := _watch(connection):
        watch.cut()


def _watch(connection: Any) -> Watch | None:
    found = getattr(getattr(connection, "wait", None), "__self__", None)
    return found if isinstance(found, Watch) else None
