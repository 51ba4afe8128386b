# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""SSH between the host and the machines: one key per lab, host keys known beforehand."""

from __future__ import annotations

from lab import paths
from lab.errors import LabError
from lab.machines import USER, Machine, host_key
from lab.network import Network
from lab.paths import LabPaths
from lab.process import attempt, run


def ensure_key(lab: LabPaths) -> str:
    """The lab's public key; the pair is made where it is missing."""
    private = lab.ssh / "id_ed25519"
    if not private.exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(private)])
    return private.with_suffix(".pub").read_text()


def write_known_hosts(lab: LabPaths, network: Network, machines: list[Machine]) -> None:
    """One line for each machine, from the machine itself."""
    lines = [f"{network.address(machine.number)} {host_key(machine)}\n" for machine in machines]
    paths.write(lab.ssh / "known_hosts", "".join(lines))


def forget(lab: LabPaths, address: str) -> None:
    """Take a machine's host key out."""
    known = lab.ssh / "known_hosts"
    lines = known.read_text().splitlines(keepends=True)
    paths.write(known, "".join(line for line in lines if line.split()[0] != address))


def common_options(lab: LabPaths) -> list[str]:
    """Options of every connection to this lab."""
    return [
        "-o",
        f"UserKnownHostsFile={lab.ssh / 'known_hosts'}",
        "-o",
        "GlobalKnownHostsFile=/dev/null",
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "IdentitiesOnly=yes",
        "-o",
        "ServerAliveInterval=5",
        "-o",
        "ServerAliveCountMax=6",
        "-o",
        "ControlMaster=auto",
        "-o",
        "ControlPersist=60s",
        "-o",
        f"ControlPath={lab.ssh}/%h",
    ]


def check(lab: LabPaths, network: Network, machine: Machine) -> None:
    """Log in once the way Ansible does, and become root."""
    target = f"{USER}@{network.address(machine.number)}"
    options = ["-i", str(lab.ssh / "id_ed25519"), *common_options(lab), "-o", "ConnectTimeout=10"]
    done = attempt(["ssh", *options, target, "sudo", "-n", "true"])
    if done.returncode != 0:
        next_step = f"read `podman exec {machine.container} journalctl -u ssh`"
        raise LabError(f"machine {machine.name}", f"no SSH login as {target}: {done.stderr}", next_step)


def hang_up(lab: LabPaths, address: str) -> None:
    """End the shared connection to a machine that is about to go."""
    if (lab.ssh / address).is_socket():
        attempt(["ssh", "-O", "exit", "-o", f"ControlPath={lab.ssh / address}", address])
        (lab.ssh / address).unlink(missing_ok=True)
