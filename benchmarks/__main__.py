# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the benchmarks, prints what they found, and keeps it in docs/benchmarks.md and build/benchmarks.json."""

from __future__ import annotations

import argparse
import importlib
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.claims import Measured, keep, section

_OURS = ("__init__", "__main__", "bench", "claims")


def names() -> list[str]:
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in _OURS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="?", choices=names(), help="one of them; all where none is named")
    parser.add_argument("--size", type=int, default=0, help="rows of the largest table; each benchmark has its own default")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured")
    options = parser.parse_args()
    for name in [options.only] if options.only else names():
        found: Measured = importlib.import_module(f"benchmarks.{name}").measured(options.size, options.rounds)
        print(section(found, datetime.now(UTC)), flush=True)
        keep(found)


if __name__ == "__main__":
    main()
