# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs commands one after the other, all of them, and says in the end how each went and how long it took."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tools.venv import ROOT, cache_directory

CACHE = cache_directory()

_KEPT_BYTES = 2_000_000
_SHOWN_LINES = 50
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_FRAME = re.compile(r"^ *│ ?")
_SUMMARY_OF_TESTS = re.compile(r"=+ short test summary info =+")
_TASK = re.compile(r"(TASK|RUNNING HANDLER|PLAY) (\[|RECAP)")
_FAILED_TASK = re.compile(r"(fatal|failed): \[")


@dataclass(frozen=True)
class Step:
    """A command with a name."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self) -> int:
        return subprocess.run(self.argv, cwd=ROOT, env={**os.environ, **self.environment}, check=False).returncode

    def told(self, prefix: str = "") -> tuple[int, str]:
        """Run it, pass on each line that it prints as it comes, and keep the end of it all."""
        environment = {**os.environ, **self.environment}
        kept = b""
        with subprocess.Popen(self.argv, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            assert process.stdout is not None  # noqa: S101 - asked for above
            for line in process.stdout:
                # In one piece, or lines of steps side by side would mix.
                sys.stdout.buffer.write(prefix.encode() + line)
                sys.stdout.flush()
                kept = (kept + line)[-_KEPT_BYTES:]
        return process.returncode, kept.decode(errors="replace")


@dataclass(frozen=True)
class Outcome:
    """How a step went."""

    name: str
    status: int
    seconds: float
    note: str = ""

    def __str__(self) -> str:
        word = "ok" if self.status == 0 else f"FAILED ({self.status})"
        return f"  {self.name:<24} {self.seconds:7.1f} s  {word}{f': {self.note}' if self.note else ''}"


def cause(output: str) -> list[str]:
    """The lines that tell why a command failed: pytest's summary, Ansible's last failed task, or simply the last ones."""
    lines = [_FRAME.sub("", _COLOUR.sub("", line)).rstrip() for line in output.splitlines()]
    summaries = [number for number, line in enumerate(lines) if _SUMMARY_OF_TESTS.search(line)]
    if summaries:
        return _shortened(lines[summaries[-1] :])
    failures = [number for number, line in enumerate(lines) if _FAILED_TASK.search(line)]
    if not failures:
        return lines[-_SHOWN_LINES:]
    headings = [number for number, line in enumerate(lines) if _TASK.search(line)]
    begin = max((number for number in headings if number < failures[-1]), default=failures[-1])
    end = min((number for number in headings if number > failures[-1]), default=len(lines))
    return _shortened(lines[begin:end])


def _shortened(lines: Sequence[str]) -> list[str]:
    """The beginning names what failed, the end says why."""
    if len(lines) <= _SHOWN_LINES:
        return list(lines)
    return [*lines[:5], f"[{len(lines) - _SHOWN_LINES} lines more, further up]", *lines[5 - _SHOWN_LINES :]]


def timed(name: str, work: Callable[[], int]) -> Outcome:
    print(f"\n== {name}", flush=True)
    started = time.monotonic()
    status = work()
    return Outcome(name, status, time.monotonic() - started)


def report(title: str, outcomes: Sequence[Outcome], seconds: float | None = None) -> int:
    """Print the table; the exit status is 0 when every step's was. All of it took `seconds`, where steps ran side by side."""
    failed = [outcome.name for outcome in outcomes if outcome.status]
    total = sum(outcome.seconds for outcome in outcomes) if seconds is None else seconds
    print(f"\n{title}:")
    print("\n".join(map(str, outcomes)))
    verdict = f"failed: {', '.join(failed)}" if failed else f"all {len(outcomes)} ok"
    print(f"  {'total':<24} {total:7.1f} s  {verdict}", flush=True)
    return 1 if failed else 0


def run_all(title: str, steps: Sequence[Step]) -> int:
    return report(title, [timed(step.name, step.run) for step in steps])


def run_stages(title: str, stages: Sequence[Sequence[Sequence[Step]]]) -> int:
    """One stage after the other; the lanes of a stage run side by side, the steps of a lane in their order.

    For long output: the lines that tell why a step failed are printed once more, before the table.
    """
    begun = time.monotonic()
    told = [each for stage in stages for each in _stage(stage)]
    for outcome, output in told:
        if outcome.status:
            print(f"\n== {outcome.name} failed:")
            print("\n".join(cause(output)), flush=True)
    return report(title, [outcome for outcome, _output in told], time.monotonic() - begun)


def _stage(lanes: Sequence[Sequence[Step]]) -> list[tuple[Outcome, str]]:
    with ThreadPoolExecutor(len(lanes)) as threads:
        found = threads.map(lambda lane: [_told(step, named=len(lanes) > 1) for step in lane], lanes)
        return [each for lane in found for each in lane]


def _told(step: Step, *, named: bool) -> tuple[Outcome, str]:
    output = ""

    def work() -> int:
        nonlocal output
        status, output = step.told(f"{step.name}: " if named else "")
        return status

    return timed(step.name, work), output
