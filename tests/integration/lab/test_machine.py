# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab of its own: what a bare machine holds, that it stays itself, and that nothing of it is left."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import images, paths

_LAB = "bare"
_REFUSED = {"conntrack", "containerd", "containernetworking-plugins", "cri-tools", "iptables", "kubeadm", "kubelet", "nftables", "runc"}
_EXPECTED = {"ca-certificates", "iproute2", "openssh-server", "procps", "python3", "python3-apt", "sudo", "systemd"}
# As long as Kubernetes and the rest take to be built where nobody has done so yet, also where others are at it.
_LAB_SECONDS = 3600


def _run(*argv: str, seconds: float = 600) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, f"{shlex.join(argv)}: {done.stdout}{done.stderr}"
    return done.stdout


def _lab(*arguments: str) -> str:
    return _run(sys.executable, "-m", "lab", *arguments, "--name", _LAB, seconds=_LAB_SECONDS)


def _status() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_lab("status", "--json"))
    return found


def _ssh(machine: str, command: str) -> str:
    groups = yaml.safe_load((paths.LabPaths.of(_LAB).inventory / "hosts.yml").read_text())
    host = {**groups["control_plane"]["hosts"], **groups["workers"]["hosts"]}[machine]
    options = ["-i", host["ansible_ssh_private_key_file"], *shlex.split(host["ansible_ssh_common_args"])]
    return _run("ssh", *options, f"{host['ansible_user']}@{host['ansible_host']}", command)


@pytest.fixture(scope="module")
def bare() -> Iterator[dict[str, Any]]:
    """A lab with two machines that nothing was done to."""
    _lab("up", "--control-planes", "1", "--workers", "1")
    try:
        yield _status()
    finally:
        _lab("down")


def test_a_bare_machine_holds_nothing_of_kubernetes(bare: dict[str, Any]) -> None:
    """The role has to bring every package and program itself."""
    for machine in bare["machines"]:
        packages = set(_ssh(machine["name"], "dpkg-query --show --showformat='${Package}\\n'").split())
        assert packages >= _EXPECTED
        assert not packages & _REFUSED
        found = _ssh(machine["name"], "ls -d /opt/cni /etc/cni /etc/containerd /etc/kubernetes /usr/local/bin/* 2>/dev/null || true")
        assert not found.split()


def test_machines_are_made_of_this_checkouts_image(bare: dict[str, Any]) -> None:
    """Of the tracked Containerfile."""
    listed = _run("podman", "ps", "--filter", f"label=endpoint-stats.lab={_LAB}", "--format={{.Names}} {{.Image}}")
    made_of = dict(line.split() for line in listed.splitlines())
    assert {made_of[f"endpoint-stats-{_LAB}-{machine['name']}"] for machine in bare["machines"]} == {images.own_name("machine")}


def test_a_machine_keeps_its_identity_over_a_stop(bare: dict[str, Any]) -> None:
    """Machine id, host key and address survive a stop; two machines share none of them."""
    names = [machine["name"] for machine in bare["machines"]]
    question = "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub"
    before = {name: _ssh(name, question) for name in names}
    _lab("stop")
    assert {machine["state"] for machine in _status()["machines"]} == {"exited"}
    _lab("up")
    assert {name: _ssh(name, question) for name in names} == before
    assert len(set(before.values())) == len(names)


def test_a_removed_machine_comes_back_as_another(bare: dict[str, Any]) -> None:
    """After remove-machine the name and the address are those of before, the machine is a new one."""
    before = _ssh("worker-1", "cat /etc/machine-id")
    _lab("remove-machine", "worker-1")
    assert [machine["name"] for machine in _status()["machines"]] == ["control-1"]
    _lab("up")
    assert _status()["machines"] == bare["machines"]
    assert _ssh("worker-1", "cat /etc/machine-id") != before


def test_the_file_server_follows_its_tree(bare: dict[str, Any]) -> None:
    """Another file in a link's place is served, and `up` puts the link back."""
    values = yaml.safe_load((paths.LabPaths.of(_LAB).inventory / "group_vars/all/lab.yml").read_text())
    name, checksum = next((name, value) for name, value in values["kubernetes_cluster_checksums"].items() if name.startswith("runc/"))
    served = paths.LabPaths.of(_LAB).files / name
    question = f"python3 -c \"import hashlib,urllib.request as u;print(hashlib.sha256(u.urlopen('http://{bare['files']}/{name}').read()).hexdigest())\""
    assert _ssh("control-1", question).strip() == checksum
    served.unlink()
    served.write_bytes(b"tampered")
    assert _ssh("control-1", question).strip() != checksum
    _lab("up")
    assert _ssh("control-1", question).strip() == checksum


def _traces(identities: list[str]) -> list[str]:
    """Lines of this host's tables that name one of these containers, volumes, links or subnets."""
    tables = {
        "mounts": Path("/proc/self/mountinfo").read_text(),
        "processes": _run("ps", "-eo", "args", "--no-headers"),
        "links": _run("ip", "-o", "link"),
        "routes": _run("ip", "route"),
        "firewall": _run("iptables-save"),
        "cgroups": "\n".join(str(path) for path in Path("/sys/fs/cgroup").rglob("libpod-*")),
        "podman": _run("podman", "ps", "--all", "--no-trunc") + _run("podman", "volume", "ls") + _run("podman", "network", "ls"),
        "cache": "\n".join(str(path) for path in paths.cache().joinpath("labs").iterdir()),
    }
    return [
        f"{table}: {line}" for table, text in tables.items() for line in text.splitlines() if any(known in line for known in identities)
    ]


def test_down_leaves_nothing(bare: dict[str, Any]) -> None:
    """The traces of a running lab are seen, and after `down` none of them is."""
    network = json.loads(_run("podman", "network", "inspect", f"endpoint-stats-{_LAB}"))[0]
    containers = _run("podman", "ps", "--all", "--quiet", "--no-trunc", "--filter", f"label=endpoint-stats.lab={_LAB}").split()
    identities = [*containers, f"endpoint-stats-{_LAB}", network["network_interface"], bare["subnet"], f"labs/{_LAB}"]
    seen = {line.split(":")[0] for line in _traces(identities)}
    assert seen == {"mounts", "processes", "links", "routes", "firewall", "cgroups", "podman", "cache"}
    _lab("down")
    assert not _traces(identities)
    assert not _status()["exists"]
