# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A wait for a server is cut off when it takes longer than a statement may; the connection is one of sockets alone."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import silence


class Connection:
    """It waits for one byte; none is an end."""

    def __init__(self, line: socket.socket) -> None:
        self.line = line

    def fileno(self) -> int:
        return self.line.fileno()

    def wait(self) -> bytes:
        return self.line.recv(1)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Connection, socket.socket]]:
    monkeypatch.setattr(silence, "_GRACE_SECONDS", 0.1)
    monkeypatch.setattr(silence, "_LOOK_SECONDS", 0.02)
    here, there = socket.socketpair()
    with here, there:
        yield Connection(here), there


def test_one_that_is_silent_is_cut_off(server: tuple[Connection, socket.socket]) -> None:
    connection, _there = server
    with silence.watched(connection, 0.1) as watch:
        assert connection.wait() == b""
    assert watch.silent
    error = watch.error("127.0.0.1:5432/x")
    assert (error.where, error.remedy, "0.2 seconds" in error.cause) == ("127.0.0.1:5432/x", silence.LOOK, True)


def test_one_that_answers_is_not(server: tuple[Connection, socket.socket]) -> None:
    connection, there = server
    with silence.watched(connection, 0.1) as watch:
        there.send(b"x")
        assert connection.wait() == b"x"
        # Between two statements it may say nothing for as long as it likes.
        there.settimeout(0.5)
        with pytest.raises(TimeoutError):
            there.recv(1)
        assert not watch.silent


def test_a_statement_may_take_another_time(server: tuple[Connection, socket.socket]) -> None:
    connection, _there = server
    with silence.watched(connection, 30) as watch:
        assert silence.allow(connection, 0.1) == 30
        assert connection.wait() == b""
        assert silence.allow(connection, 30) == 0.1
    assert watch.silent
    assert silence.allow(object(), 7) == 7


def test_what_waits_is_ended_at_once(server: tuple[Connection, socket.socket]) -> None:
    connection, _there = server
    with silence.watched(connection, 30) as watch:
        silence.cut(connection)
        assert connection.wait() == b""
    assert not watch.silent


def test_after_a_failure_it_is_waited_for_no_longer_and_the_failure_stays_the_error(server: tuple[Connection, socket.socket]) -> None:
    connection, _there = server
    with silence.watched(connection, 3600) as watch:
        watch.failing()
        assert connection.wait() == b""
    assert not watch.silent
