# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab `test`: made once, converged once, and taken by every test as the one before has left it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.elsewhere import BUCKET, Elsewhere
from tests.e2e.processes import Watched, watch
from tests.e2e.runs import Run
from tests.e2e.support import Lab, site

MANIFEST = Path(__file__).with_name("cluster") / "workload.yml"
NAMESPACE = "e2e"
PLANTED = "Planted-4fQ8rT1vXz6KpM3w"


@dataclass(frozen=True)
class Built:
    """The runs that made the cluster of bare machines."""

    dry: Run
    first: Run
    second: Run


@dataclass(frozen=True)
class BuiltStack:
    """The runs that made the stack, the second one as talkative as it can be and watched."""

    dry: Run
    first: Watched


@pytest.fixture(scope="session")
def converged() -> Iterator[set[str]]:
    """Names of the labs that this session has converged; their machines are stopped in the end, and kept."""
    names: set[str] = set()
    yield names
    for name in names:
        Lab(name).command("stop")


@pytest.fixture(scope="session")
def built(converged: set[str]) -> Built:
    """Bare machines that become a cluster: a dry run, the run, and a second one."""
    lab = Lab("test")
    lab.command("down")
    lab.command("up")
    runs = Built(lab.play(check=True), lab.play().expect(), lab.play())
    converged.add(lab.name)
    return runs


@pytest.fixture(scope="session")
def lab(converged: set[str]) -> Lab:
    """The lab `test` with a living cluster of control-1 and worker-1, whatever an interrupted session has left of it."""
    found = Lab("test")
    if found.name not in converged:
        found.command("up")
        found.play().expect()
        found.kubectl("uncordon", *found.nodes())
        found.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
        found.remove_stack()
        converged.add(found.name)
    return found


@pytest.fixture(scope="session")
def elsewhere(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    """Where copies of backups go, and the keys of backups; the address is the host's own in the lab's network."""
    made = Elsewhere.made(tmp_path_factory.mktemp("elsewhere"), lab.gateway)
    made.service.start()
    try:
        made.service.make(BUCKET)
        yield made
    finally:
        made.service.end()


@pytest.fixture(scope="session")
def built_stack(lab: Lab, elsewhere: Elsewhere) -> Iterator[BuiltStack]:
    """The stack on a cluster that had none, with one password that the inventory gives; it is taken away in the end."""
    lab.command("images")
    lab.stack_secrets.unlink(missing_ok=True)
    lab.give_secrets({"postgres_api": PLANTED})
    lab.give("elsewhere", elsewhere.variables())
    yield BuiltStack(lab.play("app_stack", check=True), watch(lab, "app_stack", "-vvv"))
    lab.remove_stack()
    lab.give("elsewhere", {})
    lab.give_secrets({})


@pytest.fixture(scope="session")
def stack_lab(lab: Lab, built_stack: BuiltStack, elsewhere: Elsewhere) -> Lab:
    """The lab `test` with everything that `site` makes of it, and the Secrets that the inventory names."""
    assert built_stack.first.status == 0, built_stack.first.output[-5000:]
    elsewhere.bring(lab)
    for playbook in site():
        if playbook not in ("kubernetes_cluster", "app_stack"):
            lab.play(playbook).expect()
    return lab


@pytest.fixture(scope="module")
def workload(lab: Lab) -> Iterator[str]:
    """Pods, a service, a claim and an autoscaler in a namespace of their own; one of them is busy as long as it lives."""
    lab.kubectl("apply", "--filename", str(MANIFEST))
    yield NAMESPACE
    lab.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
