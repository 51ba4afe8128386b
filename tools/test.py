# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that proves the collection, by the `make` targets of its kinds."""

from __future__ import annotations

import sys

from tools.steps import Step, run_stages


def _make(target: str, *variables: str, name: str = "") -> Step:
    return Step(name or target, ["make", target, *variables])


# Beside the tests that wait for machines most of the time go those that compute. The first two have the same lab, which goes on running.
LANES = (
    (_make("molecule", "ONLY=kubernetes_cluster", "KEEP=1"), _make("e2e")),
    (_make("lint"), _make("unit"), _make("integration"), _make("molecule", "ONLY=one_machine", name="molecule: one machine")),
)


def main() -> int:
    # Nothing of the tests keeps running; the volumes stay, so that the next run need not begin with bare machines.
    return run_stages("Test", [LANES, [[Step("stop", [sys.executable, "-m", "lab", "stop", "--name", "test"])]]])


if __name__ == "__main__":
    sys.exit(main())
