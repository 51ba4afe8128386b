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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tools.steps import Outcome, report, timed
from tools.venv import ROOT

PROOFS = ROOT / "tests" / "proof"
RESULTS = ROOT / "docs" / "proof"
_VERIFICATIONS = ROOT / "tests" / "integration" / "postgres"
# Tests of other kinds that belong to what an area shows.
ALSO: Mapping[str, Sequence[Path]] = {
    "mutation": [
        _VERIFICATIONS / f"test_{name}.py"
        for name in ("buckets", "compressed", "content", "levels", "signed", "verify_damaged", "verify_foreign", "verify_healthy")
    ],
}

# Areas whose files have servers of their own and no lab, so that two of them can run at the same time.
SIDE_BY_SIDE = ("faults", "mutation")


@dataclass(frozen=True)
class Row:
    """What came of one test; C(shown) is what it says of that itself."""

    name: str
    outcome: str
    seconds: float
    shown: str = ""


def areas() -> list[str]:
    """Each directory with tests is an area."""
    return sorted({path.relative_to(PROOFS).parts[0] for path in PROOFS.glob("*/test_*.py")})


def rows(results: ET.Element) -> dict[str, list[Row]]:
    """The tests of each file in a JUnit document; fixtures count with the first test that needs them."""
    found: dict[str, list[Row]] = {}
    for case in results.iter("testcase"):
        file = case.attrib["classname"].rpartition(".")[2]
        test, _bracket, parameter = case.attrib["name"].removesuffix("]").partition("[")
        lost = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        name = ": ".join(filter(None, (_words(test), parameter)))
        told = case.find("properties/property[@name='shown']")
        shown = "" if told is None else told.attrib["value"]
        found.setdefault(file, []).append(Row(name, lost[0] if lost else "passed", float(case.attrib["time"]), shown))
    return found


def page(area: str, results: Mapping[str, Sequence[Row]], when: datetime) -> str:
    """The Markdown page of an area."""
    head = [f"# Proof: {area}", "", f"`make proof ONLY={area}` makes these tables; each says what was run, and when.", ""]
    return "\n".join([*head, *(line for file, found in results.items() for line in section(area, file, found, when))])


def section(area: str, file: str, results: Sequence[Row], when: datetime) -> list[str]:
    """The lines of one file of tests."""
    passed = sum(row.outcome == "passed" for row in results)
    return [
        f"## {_words(file).capitalize()}",
        "",
        f"`{_file(area, file)}` on {when:%Y-%m-%d}, {os.cpu_count()} cores: {passed} of {len(results)} passed.",
        "",
        "| what | result | seconds |",
        "|---|---|---:|",
        *(f"| {row.name} | {row.shown or row.outcome} | {row.seconds:.1f} |" for row in results),
        "",
    ]


def _file(area: str, name: str) -> Path:
    """Where the tests of a table are."""
    other = next((path for path in ALSO.get(area, ()) if path.stem == name), None)
    return (other or PROOFS / area / f"{name}.py").relative_to(ROOT)


def _words(name: str) -> str:
    return name.removeprefix("test_").replace("_", " ")


def prove(area: str) -> int:
    """Run one area; the table is written whatever came of it."""
    with tempfile.TemporaryDirectory() as directory:
        results = Path(directory) / "results.xml"
        argv = [sys.executable, "-m", "pytest", "-q", f"--junitxml={results}", str(PROOFS / area), *map(str, ALSO.get(area, ()))]
        argv += ["--numprocesses=2", "--dist=loadfile"] if area in SIDE_BY_SIDE else []
        status = subprocess.run(argv, cwd=ROOT, check=False).returncode
        if results.is_file():
            RESULTS.mkdir(parents=True, exist_ok=True)
            text = page(area, rows(ET.parse(results).getroot()), datetime.now(UTC))  # noqa: S314 - written by pytest just now
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
