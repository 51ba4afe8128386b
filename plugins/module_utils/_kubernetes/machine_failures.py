# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps machines from being nodes of one cluster: silence, twins, clocks, links, ports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._preflight import failed
from .wanted import Wanted, removal

Probe = dict[str, Any]


def unreachable_failures(wanted: Wanted, probes: dict[str, Probe]) -> Iterator[dict[str, str]]:
    for name, probe in sorted(probes.items()):
        if probe.get("unreachable"):
            way_out = "" if name in wanted.control_plane else f", or take its node out of the cluster with: {removal(wanted.cluster, name)}"
            yield failed(name, f"does not answer: {probe['msg']}", f"Bring the machine back{way_out}")


def twins(machines: dict[str, Probe], key: str, words: str) -> Iterator[dict[str, str]]:
    """Machines that share what must be unique."""
    owners: dict[str, str] = {}
    for name, machine in sorted(machines.items()):
        value = str(machine[key])
        if value in owners:
            yield failed(name, f"has the {words} {value} of {owners[value]}", f"Give each machine its own {words}.")
        owners.setdefault(value, name)


def offset(machine: Probe, read_before_epoch_seconds: float) -> tuple[float, float]:
    """Least and largest offset of a machine's clock; the reading lies somewhere between the question and the end of the round."""
    clock = float(machine["epoch_seconds"])
    return clock - read_before_epoch_seconds, clock - float(machine["asked_epoch_seconds"])


def clock_failures(machines: dict[str, Probe], wanted: Wanted) -> Iterator[dict[str, str]]:
    """Machine against the host of the run, then machine against machine; a slow run is no skew."""
    offsets = {name: offset(machine, wanted.read_before_epoch_seconds) for name, machine in machines.items()}
    maximum = wanted.maximum_clock_skew_seconds
    remedy = "Start time synchronisation on it (chrony or systemd-timesyncd)."
    for name, (least, largest) in sorted(offsets.items()):
        skew = max(least, 0.0) + min(largest, 0.0)
        if abs(skew) > maximum:
            yield failed(name, f"its clock is {skew:+.0f} s off against localhost (at most {maximum:g} s)", remedy)
    if not offsets:
        return
    early, late = max(offsets, key=lambda name: offsets[name][0]), min(offsets, key=lambda name: offsets[name][1])
    apart = offsets[early][0] - offsets[late][1]
    if apart > maximum:
        yield failed(early, f"its clock is {apart:.0f} s ahead of {late}", remedy)


def link_failures(machines: dict[str, Probe], network: str) -> Iterator[dict[str, str]]:
    """The reference pod network routes by next hop, which needs one common link."""
    if network != "reference":
        return
    for name, machine in sorted(machines.items()):
        for peer, gateway in sorted(machine["gateways"].items()):
            if gateway:
                yield failed(
                    name,
                    f"reaches {peer} through {'no route' if gateway == 'none' else 'the router ' + gateway}; the reference pod network "
                    "needs all machines on one link",
                    "Put the machines into one subnet, or give a pod network of your own in kubernetes_cluster_network_manifest.",
                )


def port_failures(machines: dict[str, Probe], nodes: dict[str, dict[str, Any]]) -> Iterator[dict[str, str]]:
    """Ports of a machine that is no node must be free, but for the kubelet of its own former membership."""
    for name, machine in sorted(machines.items()):
        if machine["membership"]["state"] not in ("absent", "lost"):
            continue
        own = nodes.get(name, {}).get("machine_id") == machine["machine_id"]
        for port, owner in sorted(machine["port_owners"].items()):
            if not (own and owner == "kubelet"):
                yield failed(name, f"port {port} is taken by {owner}", "Stop that program or move it to another port.")
