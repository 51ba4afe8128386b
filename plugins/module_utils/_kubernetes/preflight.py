# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would stop one machine from becoming a node, found without changing anything."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

from ansible.module_utils.urls import open_url

from .._process import run
from .machine import Machine

ARCHITECTURES = {"x86_64": "amd64"}
# Where the installed programs, the images and the data of the cluster lie.
FILLED = ("/usr/local/bin", "/var/lib")


@dataclass(frozen=True)
class Demands:
    """What the role asks of a machine; sizes in bytes."""

    systems: list[dict[str, Any]]
    minimum_memory_bytes: int
    minimum_free_bytes: int
    minimum_processors: int
    endpoint: str
    missing_downloads: list[dict[str, str]]
    mirrors: dict[str, str]
    cgroup_v1_allowed: bool


def failure(summary: str, remedy: str) -> dict[str, str]:
    return {"summary": summary, "remedy": remedy}


def system_failures(machine: Machine, demands: Demands) -> Iterator[dict[str, str]]:
    """System, architecture, memory, processors and cgroups."""
    known = [f"{entry['distribution']} {version}" for entry in demands.systems for version in entry["versions"]]
    found = f"{machine.distribution} {machine.distribution_version}"
    if found not in known:
        yield failure(
            f"the system is {found}, supported are: {', '.join(known)}",
            "Use a supported system, or add yours to kubernetes_cluster_supported_systems after trying it.",
        )
    if machine.architecture not in ARCHITECTURES:
        yield failure(
            f"the architecture is {machine.architecture}, supported are: {', '.join(ARCHITECTURES)}",
            "Use a machine of a supported architecture.",
        )
    if machine.memory_bytes < demands.minimum_memory_bytes:
        yield failure(
            f"{machine.memory_bytes} bytes of memory, at least {demands.minimum_memory_bytes} are asked for",
            "Give the machine more memory, or lower kubernetes_cluster_minimum_memory_bytes.",
        )
    if machine.processors < demands.minimum_processors:
        yield failure(
            f"{machine.processors} processors, at least {demands.minimum_processors} are asked for",
            "Give the machine more processors.",
        )
    if machine.cgroup_version == 1 and not demands.cgroup_v1_allowed:
        yield failure(
            "the machine runs cgroup v1, which Kubernetes has given up",
            "Boot with cgroup v2; or set failCgroupV1: false and cgroupDriver: cgroupfs in "
            "kubernetes_cluster_kubelet_configuration_cgroups and list SystemVerification, with its reason, "
            "in kubernetes_cluster_ignored_preflight_errors.",
        )


def free_bytes(directory: Path) -> int:
    """Room on the file system of a directory, or of the one it will be made in."""
    there = next(parent for parent in (directory, *directory.parents) if parent.exists())
    status = os.statvfs(there)
    return status.f_bavail * status.f_frsize


def room_failures(demands: Demands) -> Iterator[dict[str, str]]:
    """File systems without room for what this machine still needs; one that needs nothing is left alone."""
    if not demands.missing_downloads:
        return
    staging = {str(Path(download["path"]).parent) for download in demands.missing_downloads}
    for directory in sorted({*FILLED, *staging}):
        found = free_bytes(Path(directory))
        if found < demands.minimum_free_bytes:
            yield failure(
                f"{found} bytes are free for {directory}, at least {demands.minimum_free_bytes} are asked for",
                "Make room on that file system, or lower kubernetes_cluster_minimum_free_bytes.",
            )


def port_owner(port: int) -> str | None:
    """Who listens on a TCP port; none where it is free."""
    completed = run(["ss", "--no-header", "--listening", "--tcp", "--numeric", "--processes", f"sport = :{port}"], timeout_seconds=10)
    completed.check("The listening ports could not be read")
    line = completed.stdout.strip()
    if not line:
        return None
    return line.partition("users:((")[2].partition(",")[0].strip('"') or "a process"


def port_owners(ports: list[int]) -> dict[str, str]:
    """Port -> who listens on it, for those that are not free."""
    owners = {str(port): port_owner(port) for port in ports}
    return {port: owner for port, owner in owners.items() if owner is not None}


def endpoint_failures(endpoint: str) -> Iterator[dict[str, str]]:
    """kubernetes_cluster_endpoint must resolve where kubelet will dial it."""
    host = endpoint.rpartition(":")[0].strip("[]")
    try:
        socket.getaddrinfo(host, None)
    except OSError as error:
        yield failure(
            f"{host} of kubernetes_cluster_endpoint does not resolve here: {error}",
            "Add the name to the DNS or to /etc/hosts of this machine.",
        )


def staged(download: dict[str, str]) -> bool:
    """True where the verified file lies on the machine already, so that its source is not needed."""
    path = Path(download["path"])
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest() == download["checksum"]


def reach(url: str, method: str) -> str:
    """Why an address does not answer; empty where it does."""
    try:
        open_url(url, method=method, timeout=10, http_agent="endpoint-stats-ops").close()
    except Exception as error:  # open_url raises a dozen unrelated classes, each of them means "not reachable"
        return str(error) or type(error).__name__
    return ""


def mirror_failures(demands: Demands, member: bool) -> Iterator[dict[str, str]]:
    """Sources of what this machine still needs."""
    for download in demands.missing_downloads:
        if download["checksum"]:
            error = reach(download["url"], "HEAD")
            if error:
                yield failure(
                    f"{download['url']} is not reachable: {error}",
                    "Check kubernetes_cluster_release_urls and the way from this machine to it.",
                )
    if member:
        return
    for host, url in demands.mirrors.items():
        root = f"{url.partition('/v2')[0]}/v2/"
        error = reach(root, "GET")
        if error:
            yield failure(
                f"the mirror of {host}, {root}, is not reachable: {error}",
                "Check kubernetes_cluster_registry_mirrors and the way from this machine to it.",
            )


def examine(machine: Machine, demands: Demands) -> list[dict[str, str]]:
    """All failures of one machine at once."""
    state = machine.membership.state
    failures = [*system_failures(machine, demands), *endpoint_failures(demands.endpoint)]
    failures += room_failures(demands)
    failures += mirror_failures(demands, member=state == "member")
    if state == "foreign":
        failures.append(
            failure(
                "the machine carries Kubernetes state that this role did not write, so it belongs to another cluster",
                "Take it out of the inventory, or give it back with `kubeadm reset` where that cluster is gone.",
            )
        )
    if os.geteuid() != 0:
        failures.append(failure("the tasks do not run as root here", "Set ansible_become: true for the machine."))
    return failures
