# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, addresses and pod subnets of machines."""

from __future__ import annotations

import pytest

from lab.errors import LabError
from lab.machines import Machine, wanted


@pytest.mark.parametrize(
    ("name", "group", "number", "pods"),
    [
        ("control-1", "control_plane", 11, "10.244.11.0/24"),
        ("control-3", "control_plane", 13, "10.244.13.0/24"),
        ("worker-1", "workers", 21, "10.244.21.0/24"),
        ("worker-200", "workers", 220, "10.244.220.0/24"),
    ],
)
def test_a_name_says_all(name: str, group: str, number: int, pods: str) -> None:
    """Group, address and pod subnet follow from the name."""
    machine = Machine.parse("demo", name)
    assert (machine.group, machine.number, machine.pod_subnet) == (group, number, pods)


@pytest.mark.parametrize("name", ["worker-0", "worker-01", "worker", "master-1", "control-10", "worker-201", "worker-1;reboot"])
def test_refuses_other_names(name: str) -> None:
    """No name may lead to an address of another machine or to a shell."""
    with pytest.raises(LabError, match="not a name of a machine"):
        Machine.parse("demo", name)


def test_existing_machines_are_kept() -> None:
    """Asking for fewer removes nothing, asking for more adds just those, control planes come first."""
    names = [machine.name for machine in wanted("demo", 1, 1, {"worker-3", "worker-1"})]
    assert names == ["control-1", "worker-1", "worker-3"]


def test_labs_share_no_container_and_no_volume() -> None:
    """Two labs with the same machine names stay apart."""
    one, two = Machine("one", "worker-1"), Machine("two", "worker-1")
    assert one.container != two.container
    assert not set(one.volumes()) & set(two.volumes())
