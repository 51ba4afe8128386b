# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that proves the collection, by the `make` targets of its kinds."""

from __future__ import annotations

import sys

from tools.steps import Step, run_stages

# Beside the tests that wait for machines most of the time go those that compute.
LANES = (("molecule", "e2e"), ("lint", "unit", "integration"))


def main() -> int:
    tests = [[Step(target, ["make", target]) for target in lane] for lane in LANES]
    # Nothing of the tests keeps running; the volumes stay, so that the next run need not begin with bare machines.
    return run_stages("Test", [tests, [[Step("stop", [sys.executable, "-m", "lab", "stop", "--name", "test"])]]])


if __name__ == "__main__":
    sys.exit(main())
