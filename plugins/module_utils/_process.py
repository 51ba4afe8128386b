# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""External programs: argument lists only, read to the end, bounded in time, ended with their parent."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import functools
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from ._completed import Completed, tail
from ._errors import OpsError
from ._feeder import Feeder

_PR_SET_PDEATHSIG = 1
_WATCH_SECONDS = 0.5
_GRACE_SECONDS = 10
_PIPE_BYTES = 1 << 20


def run(
    argv: Sequence[str],
    *,
    timeout_seconds: float,
    environment: Mapping[str, str] | None = None,
    inherit: bool = True,
    input_text: str | None = None,
    feed: Callable[[IO[bytes]], None] | None = None,
    started: Callable[[int], None] | None = None,
    while_running: Callable[[], None] | None = None,
    descriptors: Sequence[int] = (),
) -> Completed:
    """Run a program to its end; secrets go in `environment`, `input_text` or one of the `descriptors`, never in `argv`.

    What is too much for a text is written by `feed` while the program runs, which may end before it has read all of it. Without
    `inherit` it gets nothing of our own environment. `started` is told the session that its processes are of. `while_running` is called
    about twice a second, for progress; an error it raises ends the program.
    """
    piped = subprocess.DEVNULL if input_text is None and feed is None else subprocess.PIPE
    streams: dict[str, Any] = {"stdin": piped, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = _start(argv, _environment(environment, inherit), pass_fds=tuple(descriptors), **streams)
    feeder = Feeder(process, feed) if feed else None
    try:
        if started:
            started(process.pid)
        stdout, stderr = _communicate(process, input_text, timeout_seconds, while_running)
    except subprocess.TimeoutExpired as error:
        stderr = _end_group(process)[1]
        raise OpsError(
            f"A program did not end within {timeout_seconds:g} seconds",
            where=shlex.join(argv),
            cause=tail(stderr) or "it printed no error",
            remedy="Look what it waits for: the network, a lock, the disk. Where it needs that long, give the operation more time.",
            timeout_seconds=timeout_seconds,
        ) from error
    except BaseException:
        _end_group(process)
        raise
    finally:
        if feeder:
            feeder.wait()
    if feeder:
        feeder.check()
    return Completed(tuple(argv), process.returncode, stdout, stderr)


@contextlib.contextmanager
def output(argv: Sequence[str], summary: str, *, environment: Mapping[str, str] | None = None, inherit: bool = True) -> Iterator[IO[bytes]]:
    """What a program prints, byte for byte, while it runs; an exit status other than 0 is an error when all of it was read.

    It is ended where the context is left early. A thread that enters it has to live as long: the kernel ends it with its parent's.
    """
    # Also where no disk has room.
    with os.fdopen(os.memfd_create("stderr"), "w+b") as errors:
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": errors}
        process = _start(argv, _environment(environment, inherit), text=False, **streams)
        try:
            stream: Any = process.stdout
            # The fewest switches between the two that the kernel gives to everybody.
            fcntl.fcntl(stream, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
            yield stream
            if not stream.read(1):
                returncode = process.wait(_GRACE_SECONDS)
                errors.seek(0)
                Completed(tuple(argv), returncode, "", errors.read().decode(errors="replace")).check(summary)
        finally:
            _end_group(process)


@contextlib.contextmanager
def server(
    argv: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    inherit: bool = True,
    ended_by: signal.Signals = signal.SIGKILL,
    descriptors: Sequence[int] = (),
) -> Iterator[subprocess.Popen[str]]:
    """A program that runs until the context is left, what it prints kept in a file; it and its children end with us, however we end.

    One whose children leave its process group names the signal by which it ends them (`ended_by`). It holds the `descriptors` open.
    """
    with log.open("ab") as stream:
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": stream, "stderr": subprocess.STDOUT}
        process = _start(argv, _environment(environment, inherit), ended_by, pass_fds=tuple(descriptors), **streams)
    try:
        yield process
    finally:
        process.send_signal(ended_by)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
        _end_group(process)


def _environment(given: Mapping[str, str] | None, inherit: bool) -> dict[str, str]:
    return {**(os.environ if inherit else {}), **(given or {}), "LC_ALL": "C", "LANGUAGE": "C"}


def _start(
    argv: Sequence[str], environment: Mapping[str, str], ended_by: signal.Signals = signal.SIGKILL, *, text: bool = True, **streams: Any
) -> subprocess.Popen[Any]:
    decoding: dict[str, Any] = {"text": True, "encoding": "utf-8", "errors": "replace"} if text else {}
    try:
        return subprocess.Popen(
            list(argv),
            env=environment,
            **decoding,
            start_new_session=True,
            preexec_fn=functools.partial(_end_with_parent, ended_by),
            **streams,
        )
    except OSError as error:
        raise OpsError("A program could not be started", where=shlex.join(argv), cause=str(error)) from error


def _communicate(
    process: subprocess.Popen[str], input_text: str | None, timeout_seconds: float, while_running: Callable[[], None] | None
) -> tuple[str, str]:
    if while_running is None:
        return process.communicate(input_text, timeout=timeout_seconds)
    deadline, unsent = time.monotonic() + timeout_seconds, input_text
    while True:
        try:
            return process.communicate(unsent, timeout=_WATCH_SECONDS)
        except subprocess.TimeoutExpired:
            unsent = None
            if time.monotonic() >= deadline:
                raise
            while_running()


def _end_with_parent(ended_by: signal.Signals) -> None:
    """Linux ends the child when the parent dies, however the parent dies."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ended_by)


def _end_group(process: subprocess.Popen[Any]) -> tuple[Any, Any]:
    """End the program with everything it has started, and read what it said."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.communicate()
