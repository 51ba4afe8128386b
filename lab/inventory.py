# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the Ansible inventory of a lab: hosts, addresses, mirror, checksums, and what this host asks for."""

from __future__ import annotations

import shlex
from typing import Any

import yaml

from lab import paths, ssh
from lab.catalog import Catalog
from lab.machines import USER, Machine
from lab.network import Network
from lab.paths import LabPaths

_HEAD = "# Written by `python -m lab`; every `up` writes it again.\n"
# The registry of our own images as manifests name it.
OWN_IMAGES = "images.lab"
_PRODUCTS = ("kubernetes", "containerd", "runc", "cni_plugins")


def hosts(lab: LabPaths, network: Network, machines: list[Machine]) -> dict[str, Any]:
    """The groups and how each machine is reached."""
    groups: dict[str, Any] = {"control_plane": {"hosts": {}}, "workers": {"hosts": {}}}
    for machine in machines:
        groups[machine.group]["hosts"][machine.name] = {
            "ansible_host": network.address(machine.number),
            "ansible_user": USER,
            "ansible_become": True,
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_private_key_file": str(lab.ssh / "id_ed25519"),
            "ansible_ssh_common_args": shlex.join(ssh.common_options(lab)),
            "kubernetes_cluster_node_address": network.address(machine.number),
            "kubernetes_cluster_node_pod_subnet": machine.pod_subnet,
        }
    return groups


def registries(catalog: Catalog) -> list[str]:
    """The registries that images come from; quay.io so that nothing asks the internet for it."""
    return sorted({image.name.split("/")[0] for image in catalog.images} | {"quay.io"})


def variables(name: str, network: Network, *, mirrored: list[str], checksums: dict[str, str], cgroups: int) -> dict[str, Any]:
    """The variables that differ from lab to lab and from host to host."""
    lab = LabPaths.of(name)
    return {
        "endpoint_stats_cluster": name,
        "endpoint_stats_kubeconfig": str(lab.kubeconfig),
        "endpoint_stats_secrets_dir": str(lab.secrets),
        "endpoint_stats_reports_dir": str(lab.reports),
        "kubernetes_cluster_endpoint": f"api.{name}.lab:6443",
        "kubernetes_cluster_kubeconfig_server": f"https://{network.address(Machine(name, 'control-1').number)}:6443",
        "kubernetes_cluster_release_urls": {product: f"http://{network.files.removesuffix(':80')}/{product}" for product in _PRODUCTS},
        "kubernetes_cluster_registry_mirrors": {
            **{registry: f"http://{network.registry}/v2/{registry}" for registry in mirrored},
            OWN_IMAGES: f"http://{network.images}/v2/{OWN_IMAGES}",
        },
        "kubernetes_cluster_checksums": checksums,
        **(_cgroup_v1() if cgroups == 1 else {}),
    }


def _cgroup_v1() -> dict[str, Any]:
    """What a host with cgroup v1 asks for; with v2 none of it is written."""
    return {
        "kubernetes_cluster_ignored_preflight_errors": [
            {"name": "SystemVerification", "reason": "the host of the lab has cgroup v1, which kubeadm calls deprecated"},
        ],
        "kubernetes_cluster_kubelet_configuration_cgroups": {"cgroupDriver": "cgroupfs", "failCgroupV1": False},
        "kubernetes_cluster_containerd_systemd_cgroup": False,
    }


def write_hosts(lab: LabPaths, groups: dict[str, Any]) -> None:
    """Write the hosts and their groups."""
    paths.write(lab.inventory / "hosts.yml", _HEAD + yaml.safe_dump(groups, sort_keys=True))


def write_variables(lab: LabPaths, values: dict[str, Any]) -> None:
    """Write the variables of all hosts."""
    paths.write(lab.inventory / "group_vars" / "all" / "lab.yml", _HEAD + yaml.safe_dump(values, sort_keys=True, width=1000))


def write_images(lab: LabPaths, images: dict[str, str]) -> None:
    """Write which images the stack runs; `up` leaves them as they are."""
    paths.write(
        lab.inventory / "group_vars" / "all" / "images.yml",
        _HEAD.replace("up", "images") + yaml.safe_dump({"app_stack_images": images}, width=1000),
    )
