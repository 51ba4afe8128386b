# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firewall rules that podman's network program keeps after the last container is gone."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from lab.podman import podman
from lab.process import run

_PREFIX = "NETAVARK"


def tidy() -> None:
    """Take podman's shared chains out when no container uses them; they come back with the next container."""
    if podman("ps", "--quiet"):
        return
    for command in leftovers(run(["iptables-save"])):
        run(["iptables", *command])


def leftovers(saved: str) -> Iterator[list[str]]:
    """Commands that remove the jumps to podman's chains, then the rules in them, then the chains."""
    table = ""
    jumps, chains = [], []
    for line in saved.splitlines():
        words = shlex.split(line)
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(f":{_PREFIX}"):
            chains.append((table, words[0][1:]))
        elif line.startswith("-A") and words[words.index("-j") + 1 if "-j" in words else 0].startswith(_PREFIX):
            jumps.append(["-t", table, "-D", *words[1:]])
    yield from jumps
    yield from (["-t", table, "-F", chain] for table, chain in chains)
    yield from (["-t", table, "-X", chain] for table, chain in chains)
