# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab `test`: made once, converged once, and taken by every test as the one before has left it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.e2e.processes import Watched, watch
from tests.e2e.runs import Run
from tests.e2e.support import TRACKED, Lab

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
def built_stack(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltStack]:
    """The stack on a cluster that had none, with one password given by the inventory; it is taken away in the end."""
    lab.command("images")
    lab.stack_secrets.unlink(missing_ok=True)
    given = tmp_path_factory.mktemp("given") / "given.yml"
    given.write_text(yaml.safe_dump({"all": {"vars": {"app_stack_secrets": {"postgres_api": PLANTED}}}}))
    dry = lab.play("app_stack", check=True)
    yield BuiltStack(dry, watch(lab, "app_stack", "-vvv", inventories=[str(TRACKED), str(lab.paths.inventory), str(given)]))
    lab.remove_stack()


@pytest.fixture(scope="session")
def stack_lab(lab: Lab, built_stack: BuiltStack) -> Lab:
    """The lab `test` with the Endpoint Statistics stack on its cluster, and the schedule of the health report."""
    assert built_stack.first.status == 0, built_stack.first.output[-5000:]
    lab.play("health_report_schedule").expect()
    return lab


@pytest.fixture(scope="session")
def workload(lab: Lab) -> Iterator[str]:
    """Pods, a service, a claim and an autoscaler in a namespace of their own."""
    lab.kubectl("apply", "--filename", str(MANIFEST))
    yield NAMESPACE
    lab.kubectl("delete", "namespace", NAMESPACE)
