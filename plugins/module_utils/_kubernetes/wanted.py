# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory asks for, and what is wrong with that whatever the machines say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .._preflight import failed


@dataclass(frozen=True)
class Wanted:
    """What the inventory asks for."""

    cluster: str
    version: str
    control_plane: list[str]
    workers: list[str]
    addresses: dict[str, str]
    pod_subnets: dict[str, str]
    network: str
    maximum_clock_skew_seconds: float
    read_before_epoch_seconds: float
    configuration: str
    kubeconfig: str
    kubeconfig_ca_sha256: str
    downloads: list[dict[str, str]]

    @property
    def machines(self) -> list[str]:
        return [*self.control_plane, *self.workers]


def inventory_failures(wanted: Wanted) -> Iterator[dict[str, str]]:
    """What is wrong with the inventory whatever the machines say."""
    if len(wanted.control_plane) > 1:
        yield failed(
            "control_plane",
            f"{len(wanted.control_plane)} hosts; more than one control plane is not there yet",
            "Leave one host in the group control_plane.",
        )
    for name in sorted(set(wanted.control_plane) & set(wanted.workers)):
        yield failed(name, "is in control_plane and in workers", "Leave it in one of the two groups.")
    for download in wanted.downloads:
        if not download["checksum"]:
            yield failed(
                "kubernetes_cluster_checksums",
                f"has no entry for {download['name']}",
                "Write the entries with: ansible-playbook endpoint_stats.ops.release_checksums",
            )
    yield from value_failures("kubernetes_cluster_node_address", wanted.addresses)
    yield from value_failures("kubernetes_cluster_node_pod_subnet", wanted.pod_subnets)


def value_failures(variable: str, values: dict[str, str]) -> Iterator[dict[str, str]]:
    """A variable that each machine must have, and must not share."""
    owners: dict[str, str] = {}
    for name, value in sorted(values.items()):
        if not value:
            yield failed(name, f"has no {variable}", "Set it in the inventory for each machine.")
        elif value in owners:
            yield failed(name, f"has the {variable} of {owners[value]}, {value}", "Give each machine its own.")
        owners.setdefault(value, name)


def removal(cluster: str, name: str) -> str:
    """The command that takes a machine out of the cluster."""
    return f"ansible-playbook endpoint_stats.ops.remove -e kubernetes_cluster_remove_machine={name} -e confirm={cluster}/machines/{name}"
