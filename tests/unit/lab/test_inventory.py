# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory that playbooks read."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml

from lab import inventory
from lab.machines import Machine
from lab.network import Network
from lab.paths import LabPaths

_NETWORK = Network(IPv4Network("10.190.4.0/24"))
_V1_ONLY = {
    "kubernetes_cluster_ignored_preflight_errors",
    "kubernetes_cluster_kubelet_configuration_cgroups",
    "kubernetes_cluster_containerd_systemd_cgroup",
}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabPaths:
    """A lab whose cache is a temporary directory."""
    monkeypatch.setenv("ENDPOINT_STATS_OPS_CACHE", str(tmp_path))
    return LabPaths.of("demo")


def _variables(cgroups: int) -> dict[str, object]:
    return inventory.variables("demo", _NETWORK, mirrored=["registry.k8s.io"], checksums={"runc/v1/runc.amd64": "0" * 64}, cgroups=cgroups)


@pytest.mark.usefixtures("lab")
def test_cgroup_v1_settings_only_on_v1() -> None:
    """A host with cgroup v2 gets none of them, and nothing else differs."""
    first, second = _variables(1), _variables(2)
    assert set(first) - set(second) == _V1_ONLY
    assert not set(second) - set(first)


@pytest.mark.usefixtures("lab")
def test_addresses_are_those_of_the_network() -> None:
    """Mirrors, file server and API carry this lab's addresses and name."""
    values = _variables(2)
    assert values["kubernetes_cluster_endpoint"] == "api.demo.lab:6443"
    assert values["kubernetes_cluster_kubeconfig_server"] == "https://10.190.4.11:6443"
    assert values["kubernetes_cluster_registry_mirrors"] == {
        "images.lab": "http://10.190.4.4:5000/v2/images.lab",
        "registry.k8s.io": "http://10.190.4.2:5000/v2/registry.k8s.io",
    }
    urls = values["kubernetes_cluster_release_urls"]
    assert isinstance(urls, dict)
    assert urls["cni_plugins"] == "http://10.190.4.3/cni_plugins"


def test_hosts_are_in_their_groups(lab: LabPaths) -> None:
    """Each machine is in one group, with its own address and pod subnet."""
    groups = inventory.hosts(lab, _NETWORK, [Machine("demo", "control-1"), Machine("demo", "worker-2")])
    assert list(groups["control_plane"]["hosts"]) == ["control-1"]
    worker = groups["workers"]["hosts"]["worker-2"]
    assert (worker["ansible_host"], worker["kubernetes_cluster_node_pod_subnet"]) == ("10.190.4.22", "10.244.22.0/24")
    assert "StrictHostKeyChecking=yes" in worker["ansible_ssh_common_args"]


def test_files_are_yaml_and_replaced_whole(lab: LabPaths) -> None:
    """What is written is read back the same, without a partial file beside it."""
    groups = inventory.hosts(lab, _NETWORK, [Machine("demo", "control-1")])
    inventory.write_hosts(lab, groups)
    inventory.write_variables(lab, _variables(1))
    assert yaml.safe_load((lab.inventory / "hosts.yml").read_text()) == groups
    assert yaml.safe_load((lab.inventory / "group_vars/all/lab.yml").read_text()) == _variables(1)
    assert not list(lab.root.rglob("*.part"))
