# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the proofs that take longer than `make test`, one area after the other, and writes what came of each to docs/proof/<area>.md."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path

from tools.steps import Outcome, report, timed
from tools.venv import ROOT

PROOFS = ROOT / "tests" / "proof"
RESULTS = ROOT / "docs" / "proof"


def areas() -> list[str]:
    """Each directory with tests is an area."""
    return sorted({path.relative_to(PROOFS).parts[0] for path in PROOFS.glob("*/test_*.py")})


def rows(results: ET.Element) -> list[tuple[str, str, float]]:
    """Name, outcome and seconds of each test in a JUnit document; fixtures count with the first test that needs them."""
    found = []
    for case in results.iter("testcase"):
        lost = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        found.append(
            (case.attrib["name"].removeprefix("test_").replace("_", " "), lost[0] if lost else "passed", float(case.attrib["time"]))
        )
    return found


def table(area: str, results: list[tuple[str, str, float]], when: datetime) -> str:
    """The Markdown page of an area."""
    passed = sum(outcome == "passed" for _name, outcome, _seconds in results)
    lines = [
        f"# Proof: {area}",
        "",
        f"`make proof ONLY={area}` on {when:%Y-%m-%d}, {os.cpu_count()} cores: {passed} of {len(results)} passed.",
        "",
        "| what | result | seconds |",
        "|---|---|---:|",
        *(f"| {name} | {outcome} | {seconds:.1f} |" for name, outcome, seconds in results),
        "",
    ]
    return "\n".join(lines)


def prove(area: str) -> int:
    """Run one area; the table is written whatever came of it."""
    with tempfile.TemporaryDirectory() as directory:
        results = Path(directory) / "results.xml"
        argv = [sys.executable, "-m", "pytest", "-q", f"--junitxml={results}", str(PROOFS / area)]
        status = subprocess.run(argv, cwd=ROOT, check=False).returncode
        if results.is_file():
            RESULTS.mkdir(parents=True, exist_ok=True)
            text = table(area, rows(ET.parse(results).getroot()), datetime.now(UTC))  # noqa: S314 - written by pytest just now
            (RESULTS / f"{area}.md").write_text(text)
    return status


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("areas", nargs="*", metavar="area", help=f"one of {', '.join(areas())} (default: all)")
    chosen = parser.parse_args().areas
    if unknown := sorted(set(chosen) - set(areas())):
        parser.error(f"there is no area {', '.join(unknown)}; there are {', '.join(areas())}")
    outcomes: list[Outcome] = [timed(area, lambda area=area: prove(area)) for area in chosen or areas()]  # type: ignore[misc]
    return report("Proof", outcomes)


if __name__ == "__main__":
    sys.exit(main())
