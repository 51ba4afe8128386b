# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network between us and a server that can be cut: with a word, as a router or firewall does, or without one."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

How = Literal["reset", "silence"]
_CHUNK = 1 << 16
# Closed so, a connection is reset.
_AT_ONCE = struct.pack("ii", 1, 0)


@dataclass
class Network:
    """Connections to its port go to the server's; C(sent) and C(received) are the bytes that clients have sent and got through it."""

    target: int
    port: int = 0
    sent: int = 0
    received: int = 0
    held: threading.Event = field(default_factory=threading.Event)
    _how: How | None = None
    _limit: tuple[int, How] | None = None
    _hold: int = 0
    _moving: threading.Event = field(default_factory=threading.Event)
    _open: set[socket.socket] = field(default_factory=set)
    _threads: list[threading.Thread] = field(default_factory=list)
    _listener: socket.socket | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def cut(self, how: How) -> None:
        """Nothing comes through any more; also who connects from now on is reset, or never hears anything."""
        self._how = how
        self._moving.clear()
        if how == "reset":
            self._close()

    def cut_after(self, number: int, how: How) -> None:
        """When clients have sent so many more bytes."""
        self._limit = (self.sent + number, how)

    def hold_after(self, number: int) -> None:
        """When clients have got so many more bytes everything stands still, until it may go on."""
        self._hold = self.received + number

    def go_on(self) -> None:
        """What was held comes through."""
        self._moving.set()

    def mend(self, target: int | None = None) -> None:
        """What was cut is gone, and newcomers come through, also to another server."""
        self._close()
        self.target, self._how, self._limit = target or self.target, None, None
        self._moving.set()

    def begin(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._moving.set()
        self._run(self._accept)

    def end(self) -> None:
        assert self._listener is not None
        self._how, self._limit = "reset", None
        # Closing alone does not wake who waits there.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._close()
        # What was held back is lost, not late.
        self._moving.set()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def _run(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        assert self._listener is not None
        with contextlib.suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                if self._how == "reset":
                    _reset(client)
                elif self._how == "silence":
                    self._keep(client)
                else:
                    self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=10)
        except OSError:
            _reset(client)
            return
        server.settimeout(None)
        self._keep(client, server)
        self._run(self._pump, client, server, True)
        self._run(self._pump, server, client, False)

    def _pump(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                if counted:
                    self.sent += len(data)
                    limit = self._limit
                    if limit and self.sent >= limit[0]:
                        self._limit = None
                        self.cut(limit[1])
                else:
                    self.received += len(data)
                    if self._hold and self.received >= self._hold:
                        self._hold = 0
                        self._moving.clear()
                        self.held.set()
                self._moving.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def _keep(self, *connections: socket.socket) -> None:
        with self._lock:
            self._open.update(connections)

    def _close(self) -> None:
        with self._lock:
            for connection in self._open:
                # Wakes who reads from it here, and tells the other end nothing.
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)
                _reset(connection)
            self._open.clear()


@contextlib.contextmanager
def network(target: int) -> Iterator[Network]:
    made = Network(target)
    made.begin()
    try:
        yield made
    finally:
        made.end()


def _reset(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    connection.close()
