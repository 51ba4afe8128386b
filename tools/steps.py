# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs commands one after the other, all of them, and says in the end how each went and how long it took."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tools.venv import ROOT, cache_directory

CACHE = cache_directory()


@dataclass(frozen=True)
class Step:
    """A command with a name."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self) -> int:
        return subprocess.run(self.argv, cwd=ROOT, env={**os.environ, **self.environment}, check=False).returncode


@dataclass(frozen=True)
class Outcome:
    """How a step went."""

    name: str
    status: int
    seconds: float

    def __str__(self) -> str:
        word = "ok" if self.status == 0 else f"FAILED ({self.status})"
        return f"  {self.name:<24} {self.seconds:7.1f} s  {word}"


def timed(name: str, work: Callable[[], int]) -> Outcome:
    print(f"\n== {name}", flush=True)
    started = time.monotonic()
    status = work()
    return Outcome(name, status, time.monotonic() - started)


def report(title: str, outcomes: Sequence[Outcome]) -> int:
    """Print the table; the exit status is 0 when every step's was."""
    failed = [outcome.name for outcome in outcomes if outcome.status]
    total = sum(outcome.seconds for outcome in outcomes)
    print(f"\n{title}:")
    print("\n".join(map(str, outcomes)))
    verdict = f"failed: {', '.join(failed)}" if failed else f"all {len(outcomes)} ok"
    print(f"  {'total':<24} {total:7.1f} s  {verdict}", flush=True)
    return 1 if failed else 0


def run_all(title: str, steps: Sequence[Step]) -> int:
    return report(title, [timed(step.name, step.run) for step in steps])
