# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab prints: each step with its seconds, a sign of life in long ones, a table at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

_TICK_SECONDS = 10.0


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their longest cell."""
    everything = [list(head), *[list(row) for row in rows]]
    widths = [max(len(row[column]) for row in everything) for column in range(len(head))]
    everything.insert(1, ["-" * width for width in widths])
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in everything)


@dataclass
class Step:
    """One step while it runs."""

    title: str
    started: float = field(default_factory=time.monotonic)
    result: str = "done"
    _last_tick: float = field(default_factory=time.monotonic)

    def seconds(self) -> float:
        """Seconds since the step began."""
        return time.monotonic() - self.started

    def tick(self, text: str) -> None:
        """Say how far it is, at most every ten seconds."""
        if time.monotonic() - self._last_tick >= _TICK_SECONDS:
            self._last_tick = time.monotonic()
            print(f"    {self.title}: {text} ({self.seconds():.0f} s)", flush=True)


class Progress:
    """Collects the steps of one run."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._rows: list[tuple[str, str, str]] = []

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Run one step; its `result` is a word such as built, present, started."""
        step = Step(title)
        try:
            yield step
        except BaseException:
            print(f"==> {title}: failed ({step.seconds():.1f} s)", flush=True)
            raise
        self._rows.append((title, step.result, f"{step.seconds():.1f}"))
        print(f"==> {title}: {step.result} ({step.seconds():.1f} s)", flush=True)

    def summary(self) -> str:
        """The table of all steps."""
        rows = [*self._rows, ("total", "", f"{time.monotonic() - self._started:.1f}")]
        return table(("step", "result", "seconds"), rows)
