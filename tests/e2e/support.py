# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab and its cluster as their users reach them: the lab's program, SSH, the playbooks, kubectl."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from lab import network, ssh
from lab.machines import USER, Machine
from lab.paths import CHECKOUT, LabPaths
from tests.e2e.runs import Run

COLLECTION = "endpoint_stats.ops"
STACK = "endpoint-stats"
PROXY = "ingress"
TRACKED = CHECKOUT / "inventories/lab"
_LONGEST_RUN_SECONDS = 900
_POLL_SECONDS = 1
_POD_SECONDS = 240
Answer = TypeVar("Answer")


def wait_until(question: Callable[[], Answer], *, seconds: float, what: str) -> Answer:
    """Ask until the answer is true; the last answer is the message of the failure."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"no {what} within {seconds:g} s; last answer: {answer!r}"
        time.sleep(_POLL_SECONDS)


def succeed(argv: Sequence[str], **options: Any) -> str:
    """What a program prints that has to succeed."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=_LONGEST_RUN_SECONDS, check=False, **options)
    assert done.returncode == 0, f"{shlex.join(argv)}: exit status {done.returncode}\n{done.stdout}{done.stderr}"
    return str(done.stdout)


@dataclass(frozen=True)
class Lab:
    """One lab of this host."""

    name: str

    @property
    def paths(self) -> LabPaths:
        return LabPaths.of(self.name)

    def command(self, *arguments: str) -> str:
        """Run the lab's own program."""
        return succeed([sys.executable, "-m", "lab", *arguments, "--name", self.name], cwd=CHECKOUT)

    def address(self, machine: str) -> str:
        """Where a machine is reached."""
        found = network.find(self.name)
        assert found, f"lab {self.name} is not up"
        return found.address(Machine(self.name, machine).number)

    @property
    def gateway(self) -> str:
        """The address that this host has in the network of the machines."""
        found = network.find(self.name)
        assert found, f"lab {self.name} is not up"
        return found.address(1)

    def login(self, machine: str) -> list[str]:
        """The command that opens a shell as root on a machine."""
        options = ["-i", str(self.paths.ssh / "id_ed25519"), *ssh.common_options(self.paths)]
        return ["ssh", *options, f"{USER}@{self.address(machine)}", "sudo", "bash", "-euo", "pipefail", "-s"]

    def root(self, machine: str, script: str) -> str:
        """What a script prints that root runs on a machine."""
        return succeed(self.login(machine), input=script).strip()

    def playbook(self, name: str, arguments: Sequence[str] = (), *, inventories: Sequence[str] | None = None) -> list[str]:
        """The command of a playbook of the collection against this lab."""
        sources = inventories if inventories is not None else [str(TRACKED), str(self.paths.inventory)]
        return ["ansible-playbook", *(f"--inventory={source}" for source in sources), *arguments, f"{COLLECTION}.{name}"]

    def play(
        self,
        name: str = "kubernetes_cluster",
        *arguments: str,
        check: bool = False,
        variables: Mapping[str, Any] | None = None,
        inventories: Sequence[str] | None = None,
    ) -> Run:
        """Run a playbook and collect what it reports."""
        options = [*(["--check", "--diff"] if check else []), *(["--extra-vars", json.dumps(variables)] if variables else []), *arguments]
        reporting = {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_SHOW_CUSTOM_STATS": "1", "ANSIBLE_DEPRECATION_WARNINGS": "0"}
        begun = time.monotonic()
        done = subprocess.run(
            self.playbook(name, options, inventories=inventories),
            cwd=CHECKOUT,
            env={**os.environ, **reporting, **self.environment},
            capture_output=True,
            text=True,
            timeout=_LONGEST_RUN_SECONDS,
            check=False,
        )
        run = Run(done.returncode, time.monotonic() - begun, done.stdout + done.stderr * ("{\n" not in done.stdout))
        print(f"{name}: {run.seconds:.1f} s, exit status {run.status}")
        return run

    @property
    def programs(self) -> Path:
        """Where kubectl lies."""
        return next((self.paths.files / "kubernetes").glob("v*/bin/linux/*"))

    @property
    def environment(self) -> dict[str, str]:
        """With this the playbooks find kubectl, by which they reach the pod of operations."""
        return {"PATH": f"{self.programs}:{os.environ['PATH']}"}

    @property
    def _kubectl(self) -> list[str]:
        """kubectl with the kubeconfig that the playbook fetched."""
        return [str(self.programs / "kubectl"), "--kubeconfig", str(self.paths.kubeconfig)]

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """What kubectl prints."""
        return succeed([*self._kubectl, *arguments], input=stdin)

    def answers(self) -> bool:
        """Whether the API server is ready."""
        ask = [*self._kubectl, "get", "--raw=/readyz", "--request-timeout=5s"]
        return subprocess.run(ask, capture_output=True, timeout=_LONGEST_RUN_SECONDS, check=False).returncode == 0

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Make objects, or make them as they should be."""
        self.kubectl("apply", "--filename=-", stdin="\n".join(json.dumps(item) for item in objects))

    def get(self, *arguments: str) -> dict[str, Any]:
        """Objects of the cluster."""
        found: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "--output=json"))
        return found

    @property
    def stack_secrets(self) -> Path:
        """What the role app_stack keeps beside the inventory."""
        return self.paths.secrets / f"{self.name}-{STACK}-app_stack.yml"

    def give_secrets(self, values: Mapping[str, str]) -> None:
        """Let the inventory of the lab give these secrets from now on."""
        self.give("given", {"app_stack_secrets": dict(values)})

    def give(self, name: str, variables: Mapping[str, Any]) -> None:
        """Let the inventory of the lab give these variables from now on, in a file of this name."""
        (self.paths.inventory / "group_vars" / "all" / f"{name}.yml").write_text(yaml.safe_dump(dict(variables)))

    @property
    def url(self) -> str:
        """The way in to the stack without TLS."""
        return f"http://{self.address('control-1')}:30080"

    @property
    def reported_url(self) -> str:
        """The way in that the report of the last run names."""
        return str(json.loads((self.paths.reports / "app_stack.json").read_text())["url"])

    def remove_stack(self) -> None:
        """Take the stack away with its data, if it is there."""
        self.kubectl("delete", "namespace", STACK, PROXY, "--ignore-not-found", "--wait=false")
        for namespace in (STACK, PROXY):
            # Nobody is served any more, so there is nothing to end gracefully.
            self.kubectl("--namespace", namespace, "delete", "pods", "--all", "--grace-period=1", "--wait=false")
        self.kubectl("delete", "namespace", STACK, PROXY, "--ignore-not-found", "--timeout=300s")
        self.kubectl("delete", "clusterrole,clusterrolebinding", f"--selector=app.kubernetes.io/part-of={STACK}")

    def stack(self, *arguments: str) -> str:
        """What kubectl prints about the stack."""
        return self.kubectl("--namespace", STACK, *arguments)

    def sql(self, statement: str, database: str = "endpoint_stats") -> str:
        """What PostgreSQL answers to its superuser."""
        options = ["--username=admin", f"--dbname={database}", "--no-align", "--tuples-only", "--quiet", "--set=ON_ERROR_STOP=1"]
        return self.stack("exec", "postgres-0", "--", "psql", *options, f"--command={statement}").strip()

    def job(self, schedule: str, *, seconds: float) -> str:
        """What a Job of a CronJob of the stack logs; it is started now, waited for and taken away."""
        self.start_job(schedule)
        return self.await_job(schedule, seconds=seconds)

    def start_job(self, schedule: str) -> None:
        """Start it now, whatever the time is."""
        self.stack("delete", "job", f"{schedule}-e2e", "--ignore-not-found")
        self.stack("create", "job", f"{schedule}-e2e", f"--from=cronjob/{schedule}")

    def await_job(self, schedule: str, *, seconds: float) -> str:
        name = f"{schedule}-e2e"
        wait_until(
            lambda: self.get("--namespace", STACK, f"job/{name}")["status"].get("conditions"), seconds=seconds, what=f"end of {name}"
        )
        log = self.stack("logs", f"job/{name}")
        self.stack("delete", "job", name)
        return log

    def await_pod(self, namespace: str, pod: str) -> None:
        """Wait until a pod is ready; where it does not become so, the failure tells what the cluster says of it."""
        try:
            self.kubectl("--namespace", namespace, "wait", "--for=condition=Ready", f"pod/{pod}", f"--timeout={_POD_SECONDS}s")
        except AssertionError as error:
            said = self.kubectl("--namespace", namespace, "describe", "pod", pod)
            raise AssertionError(f"{error}\n{said}\n{self.kubectl('describe', 'nodes')}") from error

    def nodes(self) -> dict[str, dict[str, Any]]:
        """The nodes by name."""
        return {item["metadata"]["name"]: item for item in self.get("nodes")["items"]}

    def ready(self) -> set[str]:
        """Names of the nodes that are Ready."""
        return {
            name
            for name, node in self.nodes().items()
            if any(condition["type"] == "Ready" and condition["status"] == "True" for condition in node["status"]["conditions"])
        }


def site() -> list[str]:
    """The playbooks that `site` is made of."""
    imported = [play["ansible.builtin.import_playbook"] for play in yaml.safe_load((CHECKOUT / "playbooks/site.yml").read_text())]
    return [name.removeprefix(f"{COLLECTION}.") for name in imported]


def text_of(*roots: Path) -> str:
    """All text below some directories."""
    return "\n".join(path.read_text(errors="replace") for root in roots for path in sorted(root.rglob("*")) if path.is_file())
