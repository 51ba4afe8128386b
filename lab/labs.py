# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commands do with a lab."""

from __future__ import annotations

import re
import shutil

from lab import (
    artifacts,
    catalog,
    firewall,
    host,
    images,
    inventory,
    machines,
    mutex,
    network,
    products,
    programs,
    registry,
    servers,
    ssh,
    sysctls,
)
from lab.errors import LabError
from lab.machines import Machine
from lab.paths import LabPaths
from lab.podman import containers, podman, volumes
from lab.progress import Progress
from lab.state import existing

_NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")
_STOP_SECONDS = 30


def checked_name(name: str) -> str:
    """Refuse names that cannot be part of a host name."""
    if not _NAME.fullmatch(name):
        cause = "a name is a lower-case letter and then up to 19 lower-case letters, digits or hyphens"
        raise LabError(f"lab {name}", cause, "choose another --name")
    return name


def make_artifacts(progress: Progress) -> catalog.Catalog:
    """Everything that labs share: files, images, the registry's store."""
    found = catalog.load()
    host.prepare(progress)
    if not (artifacts.directory(found).is_dir() and registry.directory(found).is_dir()):
        programs.build_all(found, progress)
    artifacts.make(found, progress)
    images.make_own(progress)
    registry.make(found, progress)
    return found


def up(name: str, control_planes: int, workers: int, progress: Progress) -> None:
    """Make what is missing of a lab and start what is stopped."""
    shared = make_artifacts(progress)
    lab = LabPaths.of(name)
    with mutex.held(f"lab-{name}"):
        lab.make()
        key = ssh.ensure_key(lab)
        with progress.step("network") as step:
            sysctls.remember()
            net = network.ensure(name)
            step.result = str(net.subnet)
        with progress.step("registry and file server") as step, mutex.held("network"):
            servers.link_files(shared, lab)
            servers.write_lists(shared, lab)
            servers.ensure(name, shared, lab, net)
            step.result = f"{net.registry}, {net.files}"
        there = {machine.name for machine in existing(name)}
        wanted = machines.wanted(name, control_planes, workers, there)
        with progress.step("machines") as step, mutex.held("network"):
            step.result = _start_machines(wanted, there, net)
        with progress.step("logins") as step:
            for machine in wanted:
                machines.await_boot(machine)
                machines.authorize(machine, key)
            _write_inventory(name, shared, net, wanted)
            for machine in wanted:
                ssh.check(lab, net, machine)
            step.result = f"{len(wanted)} machines answer by SSH"


def push_images(name: str, progress: Progress) -> None:
    """Make the images of our own, push what the lab's registry lacks, and name them in its inventory."""
    net = network.find(name)
    if net is None:
        raise LabError(f"lab {name}", "there is no such lab", f"run `python -m lab up --name {name}`")
    shared = make_artifacts(progress)
    registry_of_lab = f"{net.images}/{inventory.OWN_IMAGES}"
    found = products.make_all(registry_of_lab, inventory.OWN_IMAGES, shared, progress, plain_http=True)
    products.tidy(shared)
    inventory.write_images(LabPaths.of(name), found)


def _start_machines(wanted: list[Machine], there: set[str], net: network.Network) -> str:
    made = [machine for machine in wanted if machine.name not in there]
    for machine in made:
        machines.create(machine, net)
    podman("start", *[machine.container for machine in wanted])
    return f"made {', '.join(machine.name for machine in made)}" if made else "started"


def _write_inventory(name: str, shared: catalog.Catalog, net: network.Network, present: list[Machine]) -> None:
    lab = LabPaths.of(name)
    ssh.write_known_hosts(lab, net, present)
    inventory.write_hosts(lab, inventory.hosts(lab, net, present))
    checksums = artifacts.checksums(shared)
    mirrored = inventory.registries(shared)
    values = inventory.variables(name, net, mirrored=mirrored, checksums=checksums, cgroups=host.cgroup_version())
    inventory.write_variables(lab, values)


def _hang_up(name: str, gone: list[Machine]) -> None:
    net = network.find(name)
    if net is None:
        return
    for machine in gone:
        ssh.hang_up(LabPaths.of(name), net.address(machine.number))


def stop(name: str, progress: Progress) -> None:
    """Stop every container; volumes and addresses are kept."""
    with mutex.held(f"lab-{name}"), progress.step("stop") as step:
        _hang_up(name, existing(name))
        names = [container["Names"][0] for container in containers(name)]
        if names:
            podman("stop", f"--time={_STOP_SECONDS}", *names)
        step.result = f"{len(names)} containers stopped"


def down(name: str, progress: Progress) -> None:
    """Remove everything that is of this lab."""
    with mutex.held(f"lab-{name}") as lock:
        with progress.step("containers") as step:
            _hang_up(name, existing(name))
            names = [container["Names"][0] for container in containers(name)]
            if names:
                podman("rm", "--force", "--time=0", *names)
            step.result = f"{len(names)} removed"
        with progress.step("volumes") as step:
            left = volumes(name)
            if left:
                podman("volume", "rm", "--force", *left)
            step.result = f"{len(left)} removed"
        with progress.step("network and files"), mutex.held("network"):
            if network.find(name):
                podman("network", "rm", "--force", network.name_of(name))
            firewall.tidy()
            sysctls.restore()
            shutil.rmtree(LabPaths.of(name).root, ignore_errors=True)
            lock.unlink()


def remove_machine(name: str, machine_name: str, progress: Progress) -> None:
    """Lose one machine; the next `up` makes a new one in its place."""
    machine = Machine.parse(name, machine_name)
    with mutex.held(f"lab-{name}"):
        present = existing(name)
        net = network.find(name)
        if net is None or machine not in present:
            raise LabError(f"machine {machine_name}", f"lab {name} has no such machine", f"see `python -m lab status --name {name}`")
        with progress.step(f"remove {machine_name}"):
            ssh.hang_up(LabPaths.of(name), net.address(machine.number))
            machines.remove(machine)
            ssh.forget(LabPaths.of(name), net.address(machine.number))
            left = [other for other in present if other != machine]
            inventory.write_hosts(LabPaths.of(name), inventory.hosts(LabPaths.of(name), net, left))
