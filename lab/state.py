# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is of a lab."""

from __future__ import annotations

from typing import Any

from lab import host, network, servers
from lab.machines import Machine
from lab.paths import LabPaths
from lab.podman import MACHINE_LABEL, containers


def existing(name: str) -> list[Machine]:
    """The machines of a lab, running or not."""
    labels = [container["Labels"].get(MACHINE_LABEL) for container in containers(name)]
    return sorted((Machine.parse(name, label) for label in labels if label), key=lambda machine: machine.number)


def status(name: str) -> dict[str, Any]:
    """What there is of a lab."""
    net = network.find(name)
    states = {container["Names"][0]: container["State"] for container in containers(name)}
    present = existing(name)
    return {
        "name": name,
        "exists": net is not None,
        "subnet": str(net.subnet) if net else None,
        "registry": net.registry if net else None,
        "files": net.files if net else None,
        "images": net.images if net else None,
        "inventory": str(LabPaths.of(name).inventory),
        "cgroup_version": host.cgroup_version(),
        "servers": [{"name": server, "state": states.get(f"endpoint-stats-{name}-{server}", "missing")} for server in servers.SERVERS],
        "machines": [
            {
                "name": machine.name,
                "group": machine.group,
                "container": machine.container,
                "state": states[machine.container],
                "address": net.address(machine.number) if net else None,
                "pod_subnet": machine.pod_subnet,
            }
            for machine in present
        ],
    }
