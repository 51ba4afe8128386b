# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Raises a lab, makes its machines a cluster, runs the stack on it, loses data and brings it back, and looks after it."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tools.steps import CACHE, Outcome, Step, report, timed
from tools.story import Story
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

    def images(self) -> int:
        return Step("images", [sys.executable, "-m", "lab", "images", "--name", self.name]).run()

    def environment(self) -> dict[str, str]:
        """Ansible reaches the pod of operations by the kubectl it finds first."""
        colour = {"ANSIBLE_FORCE_COLOR": "1"} if sys.stdout.isatty() else {}
        return {**os.environ, **colour, "PATH": f"{self.kubectl().parent}:{os.environ['PATH']}"}

    def playbooks(self, *names: str, variables: Mapping[str, Any] | None = None) -> int:
        """Run playbooks, pass their output on as it comes, and count what they changed."""
        inventories = ["--inventory", "inventories/lab", "--inventory", str(self.lab / "inventory")]
        extra = ["--extra-vars", json.dumps(variables)] if variables else []
        command = ["ansible-playbook", *inventories, *extra, *(f"endpoint_stats.ops.{name}" for name in names)]
        lines = []
        with subprocess.Popen(command, cwd=ROOT, env=self.environment(), stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None  # noqa: S101 - asked for above
            for line in process.stdout:
                print(line, end="", flush=True)
                lines.append(line)
        if process.returncode == 0:
            self.changed.append(changes("".join(lines)))
        return process.returncode

    def cluster(self) -> int:
        return self.playbooks("kubernetes_cluster")

    def stack(self) -> int:
        return self.playbooks("app_stack", "operation_schedules")

    def site(self) -> int:
        return self.playbooks("site")

    def report(self) -> int:
        return self.playbooks("health_report")

    def schedule(self) -> int:
        """Start a Job of the schedule now, and see it through."""
        job = f"health-report-demo-{int(time.time())}"
        namespaced = [str(self.kubectl()), "--namespace=endpoint-stats"]
        environment = {"KUBECONFIG": str(self.lab / "kubeconfig")}
        commands = (
            ["create", "job", job, "--from=cronjob/health-report"],
            ["wait", "--for=condition=Complete", f"job/{job}", "--timeout=180s"],
            ["logs", f"job/{job}", "--tail=1"],
        )
        return next((status for command in commands if (status := Step("kubectl", [*namespaced, *command], environment).run())), 0)

    def show(self) -> int:
        environment = {"KUBECONFIG": str(self.lab / "kubeconfig")}
        for what in (["nodes"], ["pods", "--all-namespaces"]):
            status = Step("kubectl", [str(self.kubectl()), "get", *what], environment).run()
            if status:
                return status
            print()
        return 0

    def url(self) -> str:
        """The way in to the stack."""
        return str(json.loads((self.lab / "reports" / "app_stack.json").read_text())["url"])

    def kubectl(self) -> Path:
        return max((self.lab / "files" / "kubernetes").glob("v*/bin/linux/*/kubectl"))

    def run(self) -> int:
        # A stream of its own: what an earlier demo has lost on purpose is lost.
        story = Story(self, f"demo-{int(time.time())}")
        phases = (
            ("machines", self.machines),
            ("images", self.images),
            ("cluster", self.cluster),
            ("stack", self.stack),
            ("rows in and out", story.rows),
            ("second run of site", self.site),
            ("backup", story.backup),
            ("verification", story.verification),
            ("rows and a table lost", story.loss),
            ("restore", story.restore),
            ("undo", story.undo),
            ("redo", story.redo),
            ("maintenance under load", story.maintenance),
            ("health report", self.report),
            ("scheduled report", self.schedule),
            ("nodes and pods", self.show),
        )
        outcomes: list[Outcome] = []
        for name, work in phases:
            outcomes.append(replace(timed(name, work), note=story.notes.get(name, "")))
            if outcomes[-1].status:
                return report("Demo", outcomes)
        status = report("Demo", outcomes)
        return status or self.tell()

    def tell(self) -> int:
        """What to look at, and whether the second run changed nothing."""
        cluster, stack, again, *_operations = self.changed
        print(f"\n  first run: cluster changed={cluster}, stack changed={stack}; second run changed={again}")
        if again:
            print("  The second run should have changed nothing.")
        for operation in ("health_report", "restore", "backup_verification"):
            print(f"  {operation}: {max((self.lab / 'reports' / operation).glob('*.html'))}")
        print(f"  export KUBECONFIG={self.lab / 'kubeconfig'}")
        print(f"  {self.kubectl()} get nodes")
        print(f"  make demo-down NAME={self.name}", flush=True)
        return int(again > 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="demo", help="name of the lab (default: demo)")
    return Demo(parser.parse_args().name).run()


if __name__ == "__main__":
    sys.exit(main())
