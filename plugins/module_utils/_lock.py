# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks that the living process holds: the kernel takes them back whatever becomes of it, also on a claim that several pods share."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from ._clock import now
from ._errors import OpsError

_POLL_SECONDS = 0.2


class LockedError(OpsError):
    """Somebody else holds it."""


@contextlib.contextmanager
def held(path: Path, *, operation: str, wait_seconds: float = 0) -> Iterator[None]:
    """Hold a lock file, waiting for whoever has it; the file says who that is."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        remedy = "Give the user that runs the operation the right to write there."
        raise OpsError("The lock could not be opened", where=str(path), cause=str(error.strerror), remedy=remedy) from error
    try:
        _take(descriptor, path, operation, wait_seconds)
        who = {"operation": operation, "host": socket.gethostname(), "pid": os.getpid(), "since": now()}
        os.ftruncate(descriptor, 0)
        # On a full disk nobody knows who it is, and it is held all the same.
        with contextlib.suppress(OSError):
            os.pwrite(descriptor, json.dumps(who).encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def refuse_held(path: Path, *, operation: str) -> None:
    """Say what `held` would say now, and leave no trace."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        _take(descriptor, path, operation, 0)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def in_use(directory: Path) -> Iterator[None]:
    """Keep a directory from being deleted by `claimed` while it is read."""
    with _opened(directory) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield


@contextlib.contextmanager
def claimed(directory: Path) -> Iterator[bool]:
    """Whether nobody reads the directory; while true, nobody begins to."""
    with _opened(directory) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextlib.contextmanager
def _opened(directory: Path) -> Iterator[int]:
    """A descriptor of the directory, which carries its lock until it is closed."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path, operation: str, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
                continue
            raise LockedError(
                f"Another run is at work, so {operation} did not begin",
                where=str(path),
                cause=_holder(descriptor),
                remedy="Let it end, or wait longer with lock_wait_seconds.",
            ) from error
        return


def _holder(descriptor: int) -> str:
    try:
        who = json.loads(os.pread(descriptor, 4096, 0))
        return f"{who['operation']} on {who['host']}, process {who['pid']}, since {who['since']}"
    except (ValueError, KeyError, TypeError):
        return "it has not said who it is yet"
