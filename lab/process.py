# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run programs: argument lists only, every exit status read, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lab.errors import LabError

_TAIL_LINES = 15
_GRACE_SECONDS = 10.0


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C.UTF-8", **(extra or {})}


def _failure(argv: Sequence[str], status: int, output: str, next_step: str) -> LabError:
    tail = "\n".join(output.strip().splitlines()[-_TAIL_LINES:])
    return LabError(" ".join(argv[:4]), f"exit status {status}\n{tail}", next_step)


def attempt(argv: Sequence[str], *, timeout_seconds: float = 600, input_text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program whose failure is an answer."""
    try:
        return subprocess.run(
            argv,
            input=input_text,
            stdin=subprocess.DEVNULL if input_text is None else None,
            text=True,
            capture_output=True,
            timeout=timeout_seconds,
            env=_environment(None),
            check=False,
        )
    except FileNotFoundError as error:
        raise LabError(argv[0], "the program is not installed", "run `python -m lab up`, which installs what it needs") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(" ".join(argv[:4]), f"no end after {timeout_seconds:.0f} s") from error


def run(argv: Sequence[str], *, timeout_seconds: float = 600, input_text: str | None = None, next_step: str = "") -> str:
    """Run a program that has to succeed, and return what it printed."""
    done = attempt(argv, timeout_seconds=timeout_seconds, input_text=input_text)
    if done.returncode != 0:
        raise _failure(argv, done.returncode, done.stderr or done.stdout, next_step)
    return done.stdout


def _end_group(child: subprocess.Popen[str]) -> None:
    """End a program with everything it started."""
    os.killpg(child.pid, signal.SIGTERM)
    try:
        child.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)


def stream(
    argv: Sequence[str],
    on_line: Callable[[str], None],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    next_step: str = "",
) -> None:
    """Run a long program and hand every line it prints to `on_line`."""
    lines: list[str] = []
    with subprocess.Popen(
        argv,
        cwd=cwd,
        env=_environment(environment),
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=0,
    ) as child:
        try:
            for line in child.stdout or ():
                lines.append(line.rstrip())
                on_line(line.rstrip())
        except BaseException:
            _end_group(child)
            raise
    if child.returncode != 0:
        raise _failure(argv, child.returncode, "\n".join(lines), next_step)
