# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines: systemd in containers, reached by SSH as real ones are."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

from lab import host, images
from lab.errors import LabError
from lab.network import Network
from lab.podman import COMMAND, LABEL, MACHINE_LABEL, answers, podman
from lab.process import attempt

USER = "ops"
_VOLUMES = {
    "containerd": "/var/lib/containerd",
    "kubelet": "/var/lib/kubelet",
    "etcd": "/var/lib/etcd",
    "storage": "/opt/local-path-provisioner",
}
_FIRST_ADDRESS = {"control": 11, "worker": 21}
_MOST = {"control": 9, "worker": 200}
_BOOT_SECONDS = 60


@dataclass(frozen=True)
class Machine:
    """One machine of a lab."""

    lab: str
    name: str

    @classmethod
    def parse(cls, lab: str, name: str) -> Machine:
        """A machine by its name, which says its role and number."""
        matched = re.fullmatch(r"(control|worker)-([1-9]\d*)", name)
        if not matched or int(matched[2]) > _MOST[matched[1]]:
            raise LabError(f"machine {name}", "not a name of a machine", "machines are called control-1, worker-1, worker-2, …")
        return cls(lab, name)

    @property
    def group(self) -> str:
        """Its inventory group."""
        return "control_plane" if self.name.startswith("control") else "workers"

    @property
    def number(self) -> int:
        """Last part of its address, and the part of its pod subnet that is its own."""
        role, _, index = self.name.partition("-")
        return _FIRST_ADDRESS[role] + int(index) - 1

    @property
    def container(self) -> str:
        """Its container."""
        return f"endpoint-stats-{self.lab}-{self.name}"

    @property
    def pod_subnet(self) -> str:
        """The pod addresses of this machine."""
        return f"10.244.{self.number}.0/24"

    def volumes(self) -> dict[str, str]:
        """Volume names and where they are mounted: directories that must not lie on an overlay file system."""
        return {f"{self.container}-{name}": path for name, path in _VOLUMES.items()}


def wanted(lab: str, control_planes: int, workers: int, existing: set[str]) -> list[Machine]:
    """The machines asked for, and those that are there already."""
    names = {f"control-{index}" for index in range(1, control_planes + 1)} | {f"worker-{index}" for index in range(1, workers + 1)}
    return sorted((Machine.parse(lab, name) for name in names | existing), key=lambda machine: machine.number)


def create(machine: Machine, network: Network) -> None:
    """Make a machine; its volumes are new with it."""
    remove_volumes(machine)
    options = [f"--label={LABEL}={machine.lab}", f"--label={MACHINE_LABEL}={machine.name}"]
    for volume, path in machine.volumes().items():
        podman("volume", "create", f"--label={LABEL}={machine.lab}", volume)
        options.append(f"--volume={volume}:{path}:dev,exec,suid")
    if Path("/lib/modules").is_dir():
        options.append("--volume=/lib/modules:/lib/modules:ro")
    podman(
        "run",
        "--detach",
        "--name",
        machine.container,
        "--hostname",
        machine.name,
        "--privileged",
        "--cgroupns=private",
        "--systemd=false",
        "--env=container=podman",
        "--stop-signal=SIGRTMIN+3",
        "--tmpfs=/run",
        "--tmpfs=/run/lock",
        "--tmpfs=/tmp:exec,mode=1777",
        "--pids-limit=-1",
        *host.ulimits(),
        *network.attach(machine.lab, network.address(machine.number)),
        f"--add-host=api.{machine.lab}.lab:{network.address(_FIRST_ADDRESS['control'])}",
        *options,
        images.own_name("machine"),
        "/sbin/init",
    )


def remove_volumes(machine: Machine) -> None:
    """Remove what a lost container of this name left."""
    for volume in machine.volumes():
        if answers("volume", "exists", volume):
            podman("volume", "rm", "--force", volume)


def remove(machine: Machine) -> None:
    """Lose a machine at once, as a broken one would be lost."""
    podman("rm", "--force", "--time=0", machine.container)
    remove_volumes(machine)


def await_boot(machine: Machine) -> None:
    """Wait until systemd has started everything and sshd answers."""
    deadline = time.monotonic() + _BOOT_SECONDS
    while True:
        state = attempt([*COMMAND, "exec", machine.container, "systemctl", "is-system-running"]).stdout.strip()
        if state == "running":
            return
        if state == "degraded":
            failed = podman("exec", machine.container, "systemctl", "list-units", "--failed", "--plain", "--no-legend")
            if "ssh" in failed:
                next_step = f"read `podman exec {machine.container} journalctl -b`"
                raise LabError(f"machine {machine.name}", f"started degraded: {failed}", next_step)
            return
        if time.monotonic() > deadline:
            raise LabError(
                f"machine {machine.name}",
                f"systemd is '{state or 'not there'}' after {_BOOT_SECONDS} s",
                f"read `podman exec {machine.container} journalctl -b` and `podman logs {machine.container}`",
            )
        time.sleep(0.2)


def authorize(machine: Machine, public_key: str) -> None:
    """Let the lab's key in."""
    owned = f"install -o {USER} -g {USER}"
    script = f"{owned} -d -m 700 ~{USER}/.ssh && {owned} -m 600 /dev/stdin ~{USER}/.ssh/authorized_keys"
    podman("exec", "--interactive", machine.container, "bash", "-c", script, input_text=public_key)


def host_key(machine: Machine) -> str:
    """The machine's SSH host key, read from the machine itself and not from the network."""
    kind, key, *_ = podman("exec", machine.container, "cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()
    return f"{kind} {key}"
