# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network of its own for a server, one cable away; the packets on that can be dropped, so that nobody hears anything of anybody."""

from __future__ import annotations

import contextlib
import ipaddress
import pwd
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.integration.app import servers

PACKAGES = ("iproute2", "iptables")


@dataclass(frozen=True)
class Namespace:
    """By its name; C(here) and C(there) are the addresses of the two ends."""

    name: str
    here: str
    there: str

    def enter(self, account: str = "") -> Sequence[str]:
        """What a program is begun by, as another user where one is named."""
        known = pwd.getpwnam(account) if account else None
        user = [f"--setuid={known.pw_uid}", f"--setgid={known.pw_gid}"] if known else []
        return ["nsenter", f"--net=/run/netns/{self.name}", *user, "--"]

    def cut(self, after: int = 0) -> None:
        """Packets are dropped in both directions, and nobody is told; C(after) so many bytes in each of them."""
        for chain, way in (("INPUT", "--in-interface"), ("OUTPUT", "--out-interface")):
            rule = ["iptables", "--wait", "--append", chain, way, self.name]
            if after:
                self._run(*rule, "--match", "quota", "--quota", str(after), "--jump", "ACCEPT")
            self._run(*rule, "--jump", "DROP")

    def mend(self) -> None:
        self._run("iptables", "--wait", "--flush")

    def dropped(self) -> int:
        """Packets that were."""
        listed = self._run("iptables", "--wait", "--list", "--verbose", "--exact", "--numeric")
        return sum(int(line.split()[0]) for line in listed.splitlines() if " DROP " in line and not line.startswith("Chain"))

    def _run(self, *words: str) -> str:
        return _run(*self.enter(), *words)


@contextlib.contextmanager
def namespace() -> Iterator[Namespace]:
    """One that nobody else has, gone afterwards with its cable."""
    servers.install(PACKAGES)
    network = ipaddress.IPv4Address("198.18.0.0") + 4 * secrets.randbelow(1 << 14)
    name = f"eso{secrets.token_hex(5)}"
    made = Namespace(name, str(network + 1), str(network + 2))
    _run("ip", "netns", "add", name)
    try:
        # The other end goes with the namespace, and this one with it.
        _run("ip", "link", "add", name, "type", "veth", "peer", "name", name, "netns", name)
        _run("ip", "address", "add", f"{made.here}/30", "dev", name)
        _run("ip", "link", "set", name, "up")
        for words in (["link", "set", "lo", "up"], ["address", "add", f"{made.there}/30", "dev", name], ["link", "set", name, "up"]):
            made._run("ip", *words)
        yield made
    finally:
        _run("ip", "netns", "delete", name)


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
