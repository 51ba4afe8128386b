# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab `test`: made once, converged once, and taken by every test as the one before has left it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.runs import Run
from tests.e2e.support import Lab

MANIFEST = Path(__file__).with_name("workload.yml")
NAMESPACE = "e2e"


@dataclass(frozen=True)
class Built:
    """The runs that made the cluster of bare machines."""

    dry: Run
    first: Run
    second: Run


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
    """The lab `test` with a living cluster of control-1 and worker-1."""
    found = Lab("test")
    if found.name not in converged:
        found.command("up")
        found.play().expect()
        converged.add(found.name)
    return found


@pytest.fixture(scope="session")
def stack_lab(lab: Lab) -> Lab:
    """The lab `test` with the Endpoint Statistics stack on its cluster."""
    lab.command("images")
    lab.play("site").expect()
    return lab


@pytest.fixture(scope="session")
def workload(lab: Lab) -> Iterator[str]:
    """Pods, a service, a claim and an autoscaler in a namespace of their own."""
    lab.kubectl("apply", "--filename", str(MANIFEST))
    yield NAMESPACE
    lab.kubectl("delete", "namespace", NAMESPACE)
