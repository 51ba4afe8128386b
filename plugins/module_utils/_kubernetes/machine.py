# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine is, as a Kubernetes node: identity, membership, routes, clock."""

from __future__ import annotations

import json
import os
import platform
import re
import socket
import ssl
import time
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from .._process import run

STATE_DIRECTORY = "/etc/kubernetes/endpoint-stats"
# Files that a service reads only when it starts
SERVICE_FILES = {
    "containerd": [
        "/etc/containerd/config.toml",
        "/etc/systemd/system/containerd.service",
        "/usr/local/bin/containerd",
    ],
    "kubelet": [
        "/etc/systemd/system/kubelet.service",
        "/usr/local/bin/kubelet",
        "/var/lib/kubelet/config.yaml",
        "/var/lib/kubelet/kubeadm-flags.env",
    ],
}
KUBECTL = ["/usr/local/bin/kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "--request-timeout=10s"]


@dataclass(frozen=True)
class Membership:
    """How far a machine is on the way to being a node.

    C(absent): nothing of Kubernetes runs here. C(interrupted): a run of the role stopped half-way.
    C(lost): was a member, its kubelet state is gone. C(member): belongs to a cluster that the role built.
    C(foreign): Kubernetes state that the role did not write.
    """

    state: str
    cluster: str = ""
    ca_sha256: str = ""
    kubelet_version: str = ""
    configuration: str = ""
    network: str = ""
    pod_subnet: str = ""


@dataclass(frozen=True)
class Machine:
    """Facts of one machine; sizes in bytes, times in seconds since the epoch."""

    hostname: str
    machine_id: str
    architecture: str
    distribution: str
    distribution_version: str
    memory_bytes: int
    processors: int
    cgroup_version: int
    epoch_seconds: float
    membership: Membership
    routes: dict[str, str] = field(default_factory=dict)
    gateways: dict[str, str] = field(default_factory=dict)
    missing_packages: list[str] = field(default_factory=list)
    stale_services: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def read_text(path: str | Path) -> str:
    """The text of a file, empty where there is none."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return ""


def certificate_sha256(pem: str) -> str:
    """Fingerprint of the first certificate of a PEM text, empty where there is none."""
    found = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", pem, re.DOTALL)
    return sha256(ssl.PEM_cert_to_DER_cert(found.group(0))).hexdigest() if found else ""


def membership(root: str = "/") -> Membership:
    """Reads the machine's membership from the files that kubeadm and the role leave."""
    base = Path(root)
    kubernetes = base / "etc/kubernetes"
    recorded = json.loads(read_text(base / STATE_DIRECTORY.lstrip("/") / "machine.json") or "{}")
    kubelet = (kubernetes / "kubelet.conf").exists() and (base / "var/lib/kubelet/config.yaml").exists()
    traces = kubelet or (kubernetes / "admin.conf").exists() or (kubernetes / "pki/ca.key").exists()
    if not recorded:
        state = "foreign" if traces else "absent"
    elif recorded.get("phase") != "member":
        state = "interrupted"
    else:
        state = "member" if kubelet else "lost"
    return Membership(
        state=state,
        cluster=str(recorded.get("cluster", "")),
        ca_sha256=certificate_sha256(read_text(kubernetes / "pki/ca.crt")),
        kubelet_version=str(recorded.get("version", "")),
        configuration=read_text(base / STATE_DIRECTORY.lstrip("/") / "cluster.yaml"),
        network=str(recorded.get("network", "")),
        pod_subnet=str(recorded.get("pod_subnet", "")),
    )


def epoch_seconds(command_prefix: list[str]) -> float:
    """The machine's clock; a prefix such as C(faketime) lets a test set it off."""
    if not command_prefix:
        return time.time()
    completed = run([*command_prefix, "date", "+%s.%N"], timeout_seconds=10)
    completed.check("The clock could not be read")
    return float(completed.stdout)


def pod_routes() -> dict[str, str]:
    """Destination -> next hop of the routes in the main table."""
    completed = run(["ip", "-json", "-4", "route", "show"], timeout_seconds=10)
    completed.check("The routes could not be read")
    return {route["dst"]: route.get("gateway", "") for route in json.loads(completed.stdout or "[]")}


def peer_gateways(peers: list[str]) -> dict[str, str]:
    """Peer -> the gateway that leads to it; empty where it is on the same link, C(none) without a route."""
    result: dict[str, str] = {}
    for peer in peers:
        completed = run(["ip", "-json", "-4", "route", "get", peer], timeout_seconds=10)
        routes = json.loads(completed.stdout) if completed.returncode == 0 else [{"gateway": "none"}]
        result[peer] = routes[0].get("gateway", "")
    return result


def missing_packages(packages: list[str]) -> list[str]:
    """Those of the packages that dpkg does not have installed."""
    if not packages:
        return []
    completed = run(["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *packages], timeout_seconds=30)
    installed = {line.split()[0] for line in completed.stdout.splitlines() if line.endswith(" installed")}
    return [package for package in packages if package not in installed]


def newer_than(started_epoch_seconds: float, paths: list[str]) -> bool:
    """Whether any of the files that exist was written after that moment."""
    return any(Path(path).stat().st_mtime > started_epoch_seconds for path in paths if Path(path).exists())


def stale_services() -> list[str]:
    """Running services whose files are newer than they are: a run was stopped before it restarted them."""
    stale = []
    for service, paths in SERVICE_FILES.items():
        completed = run(["systemctl", "show", "--property=ActiveState,ActiveEnterTimestampMonotonic", service], timeout_seconds=10)
        values = dict(line.split("=", 1) for line in completed.stdout.splitlines() if "=" in line)
        running_seconds = time.monotonic() - int(values.get("ActiveEnterTimestampMonotonic") or 0) / 1e6
        if values.get("ActiveState") == "active" and newer_than(time.time() - running_seconds, paths):
            stale.append(service)
    return stale


def system_release(text: str) -> tuple[str, str]:
    """(distribution, version) of an os-release text, such as C(("debian", "12"))."""
    values = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.MULTILINE))
    return values.get("ID", ""), values.get("VERSION_ID", "")


def memory_bytes(meminfo: str) -> int:
    """MemTotal of /proc/meminfo in bytes."""
    found = re.search(r"^MemTotal:\s+(\d+) kB", meminfo, re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0


def describe(peers: list[str], packages: list[str], command_prefix: list[str]) -> Machine:
    """Everything the plan needs to know of this machine."""
    distribution, version = system_release(read_text("/etc/os-release"))
    return Machine(
        hostname=socket.gethostname(),
        machine_id=read_text("/etc/machine-id").strip(),
        architecture=platform.machine(),
        distribution=distribution,
        distribution_version=version,
        memory_bytes=memory_bytes(read_text("/proc/meminfo")),
        processors=os.cpu_count() or 0,
        cgroup_version=2 if Path("/sys/fs/cgroup/cgroup.controllers").exists() else 1,
        epoch_seconds=epoch_seconds(command_prefix),
        membership=membership(),
        routes=pod_routes(),
        gateways=peer_gateways(peers),
        missing_packages=missing_packages(packages),
        stale_services=stale_services(),
    )
