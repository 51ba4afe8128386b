# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""External programs: argument lists only, read to the end, bounded in time, ended with their parent."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._errors import OpsError

_PR_SET_PDEATHSIG = 1
_SHOWN_OUTPUT_CHARACTERS = 2000
_WATCH_SECONDS = 0.5
_GRACE_SECONDS = 10


@dataclass(frozen=True)
class Completed:
    """A program that has ended."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str

    def check(self, summary: str, *, remedy: str = "") -> Completed:
        if self.returncode == 0:
            return self
        said = _tail(self.stderr) or _tail(self.stdout) or "it printed nothing"
        raise OpsError(
            summary,
            where=shlex.join(self.argv),
            cause=f"exit status {self.returncode}: {said}",
            remedy=remedy,
            returncode=self.returncode,
        )


def run(
    argv: Sequence[str],
    *,
    timeout_seconds: float,
    environment: Mapping[str, str] | None = None,
    inherit: bool = True,
    input_text: str | None = None,
    while_running: Callable[[], None] | None = None,
) -> Completed:
    """Run a program to its end; secrets go in `environment` or `input_text`, never in `argv`.

    Without `inherit` it gets nothing of our own environment. `while_running` is called about twice a second, for progress; an error
    it raises ends the program.
    """
    piped = subprocess.DEVNULL if input_text is None else subprocess.PIPE
    process = _start(argv, _environment(environment, inherit), stdin=piped, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        stdout, stderr = _communicate(process, input_text, timeout_seconds, while_running)
    except subprocess.TimeoutExpired as error:
        stderr = _end_group(process)[1]
        raise OpsError(
            f"A program did not end within {timeout_seconds:g} seconds",
            where=shlex.join(argv),
            cause=_tail(stderr) or "it printed no error",
            timeout_seconds=timeout_seconds,
        ) from error
    except BaseException:
        _end_group(process)
        raise
    return Completed(tuple(argv), process.returncode, stdout, stderr)


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
    argv: Sequence[str], environment: Mapping[str, str], ended_by: signal.Signals = signal.SIGKILL, **streams: Any
) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            list(argv),
            env=environment,
            text=True,
            encoding="utf-8",
            errors="replace",
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


def _end_group(process: subprocess.Popen[str]) -> tuple[str, str]:
    """End the program with everything it has started, and read what it said."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.communicate()


def _tail(text: str) -> str:
    return text.strip()[-_SHOWN_OUTPUT_CHARACTERS:]
