# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not start says why, names the thing and the way out, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import ssh
from lab.machines import Machine
from lab.podman import podman
from tests.e2e.runs import Run
from tests.e2e.support import Lab


def state(lab: Lab, *more: str) -> dict[str, str]:
    """What a refused run must leave as it was: the settings of every machine and the nodes."""
    question = "{ find /etc /usr/local/bin /opt/cni -type f 2>/dev/null || true; } | sort | xargs -d '\\n' sha256sum | sha256sum"
    found = {machine: lab.root(machine, question) for machine in ("control-1", "worker-1", *more)}
    nodes = "jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} {.spec}{end}"
    return {**found, "nodes": lab.kubectl("get", "nodes", f"--output={nodes}")}


@contextmanager
def nothing_changes(lab: Lab, *more: str) -> Iterator[None]:
    before = state(lab, *more)
    yield
    assert state(lab, *more) == before


def expect_refusal(run: Run, *words: str) -> None:
    assert run.status != 0
    assert run.changed == 0, run.changes
    assert [word for word in words if word not in run.refusal] == [], run.refusal


@dataclass(frozen=True)
class Refused:
    """Variables on the command line, and what the message says."""

    variables: dict[str, Any]
    words: tuple[str, ...]
    playbook: str = "kubernetes_cluster"


INPUTS = {
    "unknown variables": Refused(
        {"kubernetes_cluster_verison": "1.37.2", "kubernets_cluster_version": "1.37.2", "endpoint_stats_kubeconfg": "x"},
        (
            "kubernetes_cluster_verison is not a variable",
            "kubernets_cluster_version looks like a misspelt variable",
            "did you mean kubernetes_cluster_version?",
            "endpoint_stats_kubeconfg",
            "did you mean endpoint_stats_kubeconfig?",
        ),
    ),
    "wrong type": Refused({"kubernetes_cluster_wait_seconds": "soon"}, ("kubernetes_cluster_wait_seconds",)),
    "remove without consent": Refused(
        {"kubernetes_cluster_remove_machine": "worker-1"}, ("confirm=test/machines/worker-1", "missing"), "remove"
    ),
    "remove with another's consent": Refused(
        {"kubernetes_cluster_remove_machine": "worker-1", "confirm": "demo/machines/worker-1"},
        ("confirm=test/machines/worker-1",),
        "remove",
    ),
    "remove the control plane": Refused(
        {"kubernetes_cluster_remove_machine": "control-1", "confirm": "test/machines/control-1"},
        ("control-1 is the control plane",),
        "remove",
    ),
    "reset without consent": Refused({}, ("confirm=test/machines/all", "missing"), "reset"),
    "reset with another's consent": Refused({"confirm": "demo/machines/all"}, ("confirm=test/machines/all",), "reset"),
}
# Each is a reason of its own not to start, as the unit tests of the plan have it; here living machines give all of them at once.
REASONS = {
    "unsupported system": Refused(
        {"kubernetes_cluster_supported_systems": [{"distribution": "debian", "versions": ["13"]}]}, ("debian 12", "debian 13", "worker-1")
    ),
    "too little memory": Refused({"kubernetes_cluster_minimum_memory_bytes": 10**14}, ("bytes of memory", "control-1", "worker-1")),
    "another version": Refused(
        {"kubernetes_cluster_version": "1.37.1"}, ("kubernetes_cluster_version", "is 1.37.1", "runs 1.37.2", "not there yet")
    ),
    "another subnet": Refused({"kubernetes_cluster_pod_subnet": "10.0.0.0/8"}, ("kubernetes_cluster_pod_subnet", "10.244.0.0/16")),
    "no checksum": Refused({"kubernetes_cluster_checksums": {}}, ("kubernetes_cluster_checksums", "runc.amd64", "release_checksums")),
    "a clock that is off": Refused(
        {"kubernetes_cluster_clock_command_prefix": ["sh", "-c", "date --date=+1hour +%s.%N", "--"]}, ("s off against localhost",)
    ),
}


@pytest.fixture(scope="module")
def untouched(lab: Lab) -> Iterator[None]:
    """All refusals of this module together leave everything as it was."""
    with nothing_changes(lab):
        yield


@pytest.mark.parametrize("name", INPUTS)
def test_inputs_are_refused(lab: Lab, untouched: None, name: str) -> None:
    case = INPUTS[name]
    expect_refusal(lab.play(case.playbook, variables=case.variables), *case.words)


@pytest.fixture(scope="module")
def refusal(lab: Lab, untouched: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run is enough to learn of every reason; the kubeconfig is that of another cluster, too."""
    other = tmp_path_factory.mktemp("other") / "kubeconfig"
    authority = lab.root("control-1", "base64 --wrap=0 /etc/kubernetes/pki/front-proxy-ca.crt")
    other.write_text(f"clusters: [{{cluster: {{certificate-authority-data: {authority}}}}}]\n")
    before = other.read_bytes()
    several = {name: value for reason in REASONS.values() for name, value in reason.variables.items()}
    run = lab.play(variables={**several, "endpoint_stats_kubeconfig": str(other)})
    expect_refusal(run, "reason(s) not to start", "nothing was changed", str(other), "is the kubeconfig of another cluster")
    assert other.read_bytes() == before
    return run


@pytest.mark.parametrize("name", REASONS)
def test_all_reasons_are_named_at_once(refusal: Run, name: str) -> None:
    expect_refusal(refusal, *REASONS[name].words)


def test_a_machine_of_another_cluster_is_refused(lab: Lab, untouched: None) -> None:
    expect_refusal(lab.play(variables={"endpoint_stats_cluster": "other"}), "worker-1", "belongs to another cluster, test")


def with_hosts(lab: Lab, directory: Path, groups: dict[str, Any]) -> list[str]:
    """The inventories of the lab and one more."""
    extra = directory / "hosts.yml"
    extra.write_text(yaml.safe_dump(groups))
    return ["inventories/lab", str(lab.paths.inventory), str(extra)]


def test_clocks_and_identities_are_compared_with_each_other(lab: Lab, untouched: None, tmp_path: Path) -> None:
    """One clock is ahead of the other, and one machine is there under two names."""
    late = {"kubernetes_cluster_clock_command_prefix": ["sh", "-c", "date --date=+40seconds +%s.%N", "--"]}
    early = {"kubernetes_cluster_clock_command_prefix": ["sh", "-c", "date --date=-40seconds +%s.%N", "--"]}
    hosts = yaml.safe_load((lab.paths.inventory / "hosts.yml").read_text())
    twin = {**hosts["workers"]["hosts"]["worker-1"], "kubernetes_cluster_node_pod_subnet": "10.244.99.0/24"}
    groups = {"all": {"hosts": {"control-1": late, "worker-1": early}}, "workers": {"hosts": {"worker-9": twin}}}
    # What a slow answer leaves uncertain is not held against a clock, so the difference is much larger than the limit.
    run = lab.play(variables={"kubernetes_cluster_maximum_clock_skew_seconds": 50}, inventories=with_hosts(lab, tmp_path, groups))
    expect_refusal(run, "control-1: its clock is", "ahead of worker-1")
    assert "against localhost" not in run.refusal
    expect_refusal(run, "worker-9: has the host name worker-1 of worker-1", "machine id", "kubernetes_cluster_node_address")


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        (
            {"control_plane": {"hosts": {"worker-1": {}}}},
            ("control_plane: 2 hosts", "not there yet", "worker-1: is in control_plane and in workers"),
        ),
        ({"worker": {"hosts": {"worker-1": {}}}}, ("group(s) worker", "control_plane and workers")),
    ],
    ids=["two control planes, one of them a worker", "misspelt group"],
)
def test_groups_are_refused(lab: Lab, untouched: None, tmp_path: Path, groups: dict[str, Any], words: tuple[str, ...]) -> None:
    expect_refusal(lab.play(inventories=with_hosts(lab, tmp_path, groups)), *words)


def test_an_inventory_without_machines_is_refused(lab: Lab, untouched: None) -> None:
    run = lab.play(inventories=["inventories/lab"], variables={"endpoint_stats_cluster": "test"})
    expect_refusal(run, "no host in the group control_plane", "kubernetes_cluster_managed=true")


@pytest.fixture
def silent_worker(lab: Lab) -> Iterator[str]:
    """A worker that runs and lets nobody in."""
    container = Machine(lab.name, "worker-1").container
    podman("exec", container, "systemctl", "stop", "ssh")
    ssh.hang_up(lab.paths, lab.address("worker-1"))
    yield "worker-1"
    podman("exec", container, "systemctl", "start", "ssh")


def test_a_machine_that_does_not_answer_names_the_way_out(lab: Lab, untouched: None, silent_worker: str) -> None:
    expect_refusal(lab.play(), f"{silent_worker}: does not answer", "endpoint_stats.ops.remove", "confirm=")
