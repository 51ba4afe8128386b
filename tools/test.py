# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that proves the collection, one `make` target after the other."""

from __future__ import annotations

import sys

from tools.steps import Step, run_all_and_explain
from tools.venv import ROOT

# Target, and what must exist for it to have anything to do.
TARGETS = (
    ("lint", "tools"),
    ("unit", "tests/unit"),
    ("molecule", "molecule/kubernetes_cluster"),
    ("integration", "tests/integration"),
    ("e2e", "tests/e2e"),
)


def main() -> int:
    steps = [Step(target, ["make", target]) for target, needed in TARGETS if (ROOT / needed).is_dir()]
    # Nothing of the tests keeps running; the volumes stay, so that the next run need not begin with bare machines.
    return run_all_and_explain("Test", [*steps, Step("stop", [sys.executable, "-m", "lab", "stop", "--name", "test"])])


if __name__ == "__main__":
    sys.exit(main())
