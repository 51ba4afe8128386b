# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What benchmarks found is kept, one beside the other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import claims
from benchmarks.claims import Claim, Measured

FAST = Claim("ours", "theirs", 10.0, 4.0, "s", 0.5)
SLOW = Claim("ours", "theirs", 10.0, 6.0, "s", 0.5)


def test_a_claim_holds_up_to_its_goal() -> None:
    assert (FAST.ratio, FAST.holds) == (0.4, True)
    assert (SLOW.ratio, SLOW.holds) == (0.6, False)


def test_a_benchmark_takes_the_place_of_what_it_found_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, document = tmp_path / "docs.md", tmp_path / "build" / "benchmarks.json"
    monkeypatch.setattr(claims, "PAGE", page)
    monkeypatch.setattr(claims, "DOCUMENT", document)
    for measured in (Measured("b", ["odd"], [SLOW]), Measured("a", [], [FAST, SLOW]), Measured("b", ["even"], [FAST])):
        claims.keep(measured)
    text = page.read_text()
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## a", "## b"]
    assert ("odd" in text, "even" in text, text.count("# Benchmarks\n")) == (False, True, 1)
    assert "| ours | theirs | 10 s | 6 s | 0.60 | 0.5 | no |" in text
    found = json.loads(document.read_text())
    assert [(entry["benchmark"], entry["holds"]) for entry in found] == [("a", True), ("a", False), ("b", True)]
    assert {"name", "baseline", "ours", "unit", "ratio", "goal", "holds", "machine", "revision"} <= set(found[0])
