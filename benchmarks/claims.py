# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a benchmark found, and the page and the document that keep it."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from tools.venv import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
DOCUMENT = ROOT / "build" / "benchmarks.json"
_HEAD = """\
# Benchmarks

`make bench` makes these tables, `make bench ONLY=<name>` one of them. Each number is a median of rounds in which ours and the baseline took
turns on the same machine. A ratio is ours divided by the baseline: smaller is better. A goal that was missed says so.
"""
_SECTION = re.compile(r"^## (\w+)\n.*?(?=^## |\Z)", re.M | re.S)


@dataclass(frozen=True)
class Claim:
    """One comparison; it holds when the ratio of the two is at most the goal."""

    name: str
    baseline_name: str
    baseline: float
    ours: float
    unit: str
    goal: float

    @property
    def ratio(self) -> float:
        return round(self.ours / self.baseline, 3)

    @property
    def holds(self) -> bool:
        return self.ratio <= self.goal


@dataclass(frozen=True)
class Measured:
    """All claims of one benchmark, and under which conditions they were measured, in words."""

    name: str
    conditions: Sequence[str]
    claims: Sequence[Claim]


def machine() -> str:
    """What a number cannot be understood without."""
    memory = int(re.findall(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[0]) / (1 << 20)
    return f"{len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB of memory, Linux {platform.release().split('-')[0]}"


def revision() -> str:
    argv = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(argv, cwd=ROOT, check=False, capture_output=True, text=True).stdout.strip() or "unknown"


def keep(measured: Measured) -> None:
    """Put it in the place of what was measured before under this name."""
    known = json.loads(DOCUMENT.read_text()) if DOCUMENT.exists() else []
    where = {"machine": machine(), "revision": revision()}
    extra = [
        {**asdict(claim), "benchmark": measured.name, "ratio": claim.ratio, "holds": claim.holds, **where} for claim in measured.claims
    ]
    DOCUMENT.parent.mkdir(exist_ok=True)
    others = [entry for entry in known if entry["benchmark"] != measured.name]
    DOCUMENT.write_text(json.dumps([*others, *extra], indent=1) + "\n")
    text = PAGE.read_text() if PAGE.exists() else _HEAD
    sections = {match[1]: match[0].strip() for match in _SECTION.finditer(text)}
    sections[measured.name] = section(measured, datetime.now(UTC))
    PAGE.write_text("\n\n".join([_HEAD.strip(), *(sections[name] for name in sorted(sections))]) + "\n")


def section(measured: Measured, when: datetime) -> str:
    """The Markdown of one benchmark."""
    rows = [
        f"| {claim.name} | {claim.baseline_name} | {claim.baseline:.3g} {claim.unit} | {claim.ours:.3g} {claim.unit} "
        f"| {claim.ratio:.2f} | {claim.goal:g} | {'yes' if claim.holds else 'no'} |"
        for claim in measured.claims
    ]
    head = ["| what | baseline | baseline's | ours | ratio | goal | holds |", "|---|---|---|---|---|---|---|"]
    told = [f"- {line}" for line in (f"{when:%Y-%m-%d}, {machine()}", *measured.conditions)]
    return "\n".join([f"## {measured.name}", "", *told, "", *head, *rows])
