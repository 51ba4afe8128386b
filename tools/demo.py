# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Raises a lab, makes its machines a cluster with the collection's own playbook, and shows that a second run changes nothing."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

from tools.steps import CACHE, Outcome, Step, report, timed
from tools.venv import ROOT

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
RECAP = re.compile(r"\bok=\d+\s+changed=(\d+)")


def changes(recap: str) -> int:
    """How many tasks changed something on any host; no recap at all is an error."""
    found = RECAP.findall(COLOUR.sub("", recap))
    if not found:
        raise ValueError("The playbook printed no recap.")
    return sum(map(int, found))


class Demo:
    """One lab and what is known about it so far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lab = CACHE / "labs" / name
        self.changed: list[int] = []

    def machines(self) -> int:
        return Step("machines", [sys.executable, "-m", "lab", "up", "--name", self.name]).run()

    def playbook(self) -> int:
        """Run the playbook, pass its output on as it comes, and count what it changed."""
        inventories = ["--inventory", "inventories/lab", "--inventory", str(self.lab / "inventory")]
        command = ["ansible-playbook", *inventories, "endpoint_stats.ops.site"]
        environment = {**os.environ, **({"ANSIBLE_FORCE_COLOR": "1"} if sys.stdout.isatty() else {})}
        lines = []
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None  # noqa: S101 - asked for above
            for line in process.stdout:
                print(line, end="", flush=True)
                lines.append(line)
        if process.returncode == 0:
            self.changed.append(changes("".join(lines)))
        return process.returncode

    def show(self) -> int:
        environment = {"KUBECONFIG": str(self.lab / "kubeconfig")}
        for what in (["nodes"], ["pods", "--all-namespaces"]):
            status = Step("kubectl", [str(self.kubectl()), "get", *what], environment).run()
            if status:
                return status
            print()
        return 0

    def kubectl(self) -> Path:
        return max((self.lab / "files" / "kubernetes").glob("v*/bin/linux/*/kubectl"))

    def run(self) -> int:
        outcomes: list[Outcome] = []
        for name, work in (("machines", self.machines), ("cluster", self.playbook), ("nodes and pods", self.show)):
            outcomes.append(timed(name, work))
            if outcomes[-1].status:
                return report("Demo", outcomes)
        if self.changed != [0]:
            outcomes.append(timed("second run", self.playbook))
        status = report("Demo", outcomes)
        if status == 0:
            self.tell()
        return status or int(self.changed[-1] > 0)

    def tell(self) -> None:
        first, last = self.changed[0], self.changed[-1]
        print(
            f"\n  first run changed={first}" + (f", second run changed={last}" if len(self.changed) > 1 else " (there was nothing to do)")
        )
        if last:
            print("  The second run should have changed nothing.")
        print(f"  export KUBECONFIG={self.lab / 'kubeconfig'}")
        print(f"  {self.kubectl()} get nodes")
        print(f"  make demo-down NAME={self.name}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="demo", help="name of the lab (default: demo)")
    return Demo(parser.parse_args().name).run()


if __name__ == "__main__":
    sys.exit(main())
