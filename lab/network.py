# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each lab has its own podman network with a subnet that nothing else on the host uses."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from dataclasses import dataclass

from lab import host, mutex
from lab.errors import LabError
from lab.podman import LABEL, answers, podman
from lab.process import run

_POOL = ipaddress.IPv4Network("10.190.0.0/16")
_REGISTRY, _FILES, _IMAGES = 2, 3, 4


@dataclass(frozen=True)
class Network:
    """The addresses of one lab."""

    subnet: ipaddress.IPv4Network

    def address(self, number: int) -> str:
        """The address with this last part."""
        return str(self.subnet[number])

    def attach(self, lab: str, place: str) -> list[str]:
        """Podman options for a fixed place; with a fixed MAC the neighbours know a new container at once."""
        address = ipaddress.IPv4Address(place.partition(":")[0])
        return [f"--network={name_of(lab)}", f"--ip={address}", f"--mac-address=02:00:{address.packed.hex(':')}"]

    @property
    def registry(self) -> str:
        """host:port of the registry."""
        return f"{self.address(_REGISTRY)}:5000"

    @property
    def images(self) -> str:
        """host:port of the registry that images of our own are pushed to."""
        return f"{self.address(_IMAGES)}:5000"

    @property
    def files(self) -> str:
        """host:port of the file server."""
        return f"{self.address(_FILES)}:80"


def name_of(lab: str) -> str:
    """Podman's name of a lab's network."""
    return f"endpoint-stats-{lab}"


def choose(used: Iterable[ipaddress.IPv4Network], pool: ipaddress.IPv4Network = _POOL) -> ipaddress.IPv4Network:
    """The first /24 of the pool that overlaps nothing."""
    taken = list(used)
    for candidate in pool.subnets(new_prefix=24):
        if not any(candidate.overlaps(other) for other in taken):
            return candidate
    raise LabError("network", f"no /24 of {pool} is free", "take down a lab that is not needed: `python -m lab down --name …`")


def routed() -> list[ipaddress.IPv4Network]:
    """Networks the host has a route or an address for."""
    routes = json.loads(run(["ip", "-4", "-json", "route", "show", "table", "all"]) or "[]")
    return [ipaddress.IPv4Network(route["dst"], strict=False) for route in routes if route["dst"] != "default"]


def _configured() -> dict[str, ipaddress.IPv4Network]:
    names = podman("network", "ls", "--quiet").split()
    found = json.loads(podman("network", "inspect", *names)) if names else []
    subnets = {entry["name"]: entry.get("subnets") or [] for entry in found}
    return {
        name: network
        for name, listed in subnets.items()
        for item in listed
        if isinstance(network := ipaddress.ip_network(item["subnet"]), ipaddress.IPv4Network)
    }


def find(lab: str) -> Network | None:
    """The network of a lab that exists."""
    if not answers("network", "exists", name_of(lab)):
        return None
    return Network(_configured()[name_of(lab)])


def ensure(lab: str) -> Network:
    """The network of a lab, made where it is missing."""
    with mutex.held("network"):
        if (found := find(lab)) is not None:
            return found
        subnet = choose([*routed(), *_configured().values()])
        podman(
            "network",
            "create",
            "--driver=bridge",
            "--disable-dns",
            f"--label={LABEL}={lab}",
            f"--opt=mtu={host.mtu()}",
            f"--subnet={subnet}",
            f"--gateway={subnet[1]}",
            name_of(lab),
        )
        return Network(subnet)
