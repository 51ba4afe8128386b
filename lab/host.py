# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab needs on the host: Debian packages, kernel modules, limits, the cgroup version."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path

from lab.errors import LabError
from lab.process import attempt, run
from lab.progress import Progress

PACKAGES = (
    "podman",
    "netavark",
    "runc",
    "iptables",
    "skopeo",
    "mmdebstrap",
    "openssh-client",
    "iproute2",
    "gcc",
    "libc6-dev",
    "libseccomp-dev",
    "pkg-config",
)
_KERNEL_MODULES = ("overlay", "br_netfilter", "nf_tables")
_LIMIT_CEILINGS = {"nofile": (resource.RLIMIT_NOFILE, 1048576), "nproc": (resource.RLIMIT_NPROC, 32768)}


def prepare(progress: Progress) -> None:
    """Install missing packages and load missing kernel modules."""
    if os.geteuid() != 0:
        raise LabError("lab", "machines with systemd need root on the host", "run it as root")
    with progress.step("host packages") as step:
        missing = missing_packages(PACKAGES)
        step.result = "present"
        if missing:
            _install(missing)
            step.result = f"installed {', '.join(missing)}"
        _load_modules()


def missing_packages(wanted: tuple[str, ...]) -> list[str]:
    """Those of `wanted` that dpkg does not know as installed."""
    found = attempt(["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *wanted])
    installed = {line.split()[0] for line in found.stdout.splitlines() if line.endswith(" installed")}
    return [package for package in wanted if package not in installed]


def _install(packages: list[str]) -> None:
    apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=300"]
    run([*apt, "update"], next_step="look at the host's apt sources")
    run([*apt, "install", "--yes", "--no-install-recommends", *packages], timeout_seconds=1800, next_step="install them by hand")


def _load_modules() -> None:
    """A kernel without loadable modules has them built in, or the cluster's own checks will say what is missing."""
    if Path("/proc/modules").exists() and Path("/lib/modules", os.uname().release).is_dir():
        for module in _KERNEL_MODULES:
            run(["modprobe", module], next_step=f"load the kernel module {module} on the host")


def cgroup_version() -> int:
    """2 where the unified hierarchy is the only one, else 1."""
    return 2 if Path("/sys/fs/cgroup/cgroup.controllers").exists() else 1


def ulimits() -> list[str]:
    """Podman options: limits that a host without CAP_SYS_RESOURCE can grant (podman lowers its own nproc to 32768)."""
    options = []
    for name, (kind, ceiling) in _LIMIT_CEILINGS.items():
        hard = resource.getrlimit(kind)[1]
        value = ceiling if hard == resource.RLIM_INFINITY else min(hard, ceiling)
        options.append(f"--ulimit={name}={value}:{value}")
    return options


def mtu() -> int:
    """MTU of the interface that leads out: a bridge with a larger one loses packets."""
    routes = json.loads(run(["ip", "-json", "route", "show", "default"]) or "[]")
    if not routes:
        return 1500
    return int(Path("/sys/class/net", routes[0]["dev"], "mtu").read_text())


def debian_sources(suite: str) -> list[str]:
    """The host's own apt sources of a Debian suite, as one-line entries."""
    form = "$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)"
    listed = run(["apt-get", "indextargets", f"--format={form}", "Created-By: Packages"])
    entries = []
    for line in sorted(set(listed.splitlines())):
        origin, uri, release, component = line.split("|")
        if origin == "Debian" and release.split("-")[0].split("/")[0] == suite and component == "main":
            entries.append(f"deb {uri} {release} main")
    if not entries:
        raise LabError(
            f"Debian {suite}",
            "the host's apt sources do not hold it, so the base image cannot be made",
            f"add {suite} to the apt sources and run `apt-get update`",
        )
    return entries
