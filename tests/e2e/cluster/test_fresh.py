# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bare machine that must not become a node yet: the reason is named, and nothing of Kubernetes is put on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml

from tests.e2e.cluster.test_refused import expect_refusal, nothing_changes
from tests.e2e.support import Lab, wait_until

BARE = "ls --directory /usr/local/bin/* /opt/cni /etc/containerd /etc/kubernetes 2>/dev/null || true"


@pytest.fixture(scope="module")
def bare(lab: Lab) -> Iterator[str]:
    """worker-2, in the inventory and no node."""
    lab.command("up", "--workers", "2")
    with nothing_changes(lab):
        yield "worker-2"
    lab.command("remove-machine", "worker-2")


@contextmanager
def listening(lab: Lab, machine: str, port: int) -> Iterator[None]:
    lab.root(machine, f"systemd-run --quiet --unit=e2e-listener python3 -m http.server {port}")
    wait_until(lambda: lab.root(machine, f"ss --no-header --listening --tcp 'sport = :{port}'"), seconds=20, what="listener")
    yield
    lab.root(machine, "systemctl stop e2e-listener")


def test_a_machine_of_a_foreign_cluster_is_not_taken(lab: Lab, bare: str) -> None:
    """What kubeadm left there was not left by this role."""
    lab.root(bare, "mkdir -p /etc/kubernetes /var/lib/kubelet; touch /etc/kubernetes/kubelet.conf /var/lib/kubelet/config.yaml")
    with nothing_changes(lab, bare):
        expect_refusal(lab.play(), f"{bare}: the machine carries Kubernetes state that this role did not write", "another cluster")
    lab.root(bare, "rm -r /etc/kubernetes /var/lib/kubelet/config.yaml")


def test_a_port_a_host_name_and_mirrors_are_named_at_once(lab: Lab, bare: str) -> None:
    """The port with its owner, whose name the machine has, the mirror of the releases and the one of the images, in one message."""
    values = yaml.safe_load((lab.paths.inventory / "group_vars/all/lab.yml").read_text())
    urls = {
        product: url.replace("http://", "http://closed.invalid:1/") for product, url in values["kubernetes_cluster_release_urls"].items()
    }
    mirrors = {host: url.replace(":5000", ":1") for host, url in values["kubernetes_cluster_registry_mirrors"].items()}
    lab.root(bare, "hostname worker-1")
    with listening(lab, bare, 10250), nothing_changes(lab, bare):
        run = lab.play(variables={"kubernetes_cluster_release_urls": urls, "kubernetes_cluster_registry_mirrors": mirrors})
    lab.root(bare, f"hostname {bare}")
    expect_refusal(run, f"{bare}: port 10250 is taken by python3", f"{bare}: has the host name worker-1 of worker-1")
    expect_refusal(run, f"{bare}: http://closed.invalid:1/", "kubernetes_cluster_release_urls", f"{bare}: the mirror of registry.k8s.io")


@pytest.fixture
def tampered_release(lab: Lab) -> Iterator[str]:
    """One byte of runc is another one on the file server."""
    served = next((lab.paths.files / "runc").glob("v*/runc.amd64"))
    original = served.readlink()
    content = bytearray(original.read_bytes())
    content[-1] ^= 1
    served.unlink()
    served.write_bytes(content)
    yield served.name
    served.unlink()
    served.symlink_to(original)


def test_a_release_with_one_wrong_byte_is_refused_before_anything_is_installed(lab: Lab, bare: str, tampered_release: str) -> None:
    """Every file is verified before the first is installed."""
    run = lab.play()
    assert run.status != 0
    assert "checksum" in run.refusal
    assert tampered_release in run.refusal
    assert lab.root(bare, BARE) == ""
