# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subnets of labs never meet anything else."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from lab.errors import LabError
from lab.network import Network, choose

_POOL = IPv4Network("10.190.0.0/22")


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        ([], "10.190.0.0/24"),
        (["10.190.0.0/24"], "10.190.1.0/24"),
        (["10.190.0.7/32", "10.190.1.128/25"], "10.190.2.0/24"),
        (["10.190.0.0/23", "192.0.2.0/24"], "10.190.2.0/24"),
    ],
)
def test_takes_the_first_subnet_that_overlaps_nothing(used: list[str], expected: str) -> None:
    """Single addresses, parts of a subnet and larger networks are all in the way."""
    assert choose(map(IPv4Network, used), _POOL) == IPv4Network(expected)


def test_says_when_none_is_free() -> None:
    """A full pool is an error with a way out, not an endless search."""
    with pytest.raises(LabError, match=r"no /24 of 10\.190\.0\.0/22 is free"):
        choose([IPv4Network("10.0.0.0/8")], _POOL)


def test_a_place_has_one_hardware_address() -> None:
    """A container made anew in the same place is known to its neighbours; another place has another address."""
    network = Network(IPv4Network("10.190.4.0/24"))
    assert network.attach("demo", network.registry) == [
        "--network=endpoint-stats-demo",
        "--ip=10.190.4.2",
        "--mac-address=02:00:0a:be:04:02",
    ]


def test_servers_have_fixed_places() -> None:
    """Registry and file server are where the contract says."""
    network = Network(IPv4Network("10.190.4.0/24"))
    assert (network.registry, network.files, network.address(11)) == ("10.190.4.2:5000", "10.190.4.3:80", "10.190.4.11")
