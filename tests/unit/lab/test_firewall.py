# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is taken out of the firewall after the last lab."""

from __future__ import annotations

from lab.firewall import leftovers

_SAVED = """\
*filter
:FORWARD ACCEPT [0:0]
:NETAVARK_FORWARD - [0:0]
-A FORWARD -m comment --comment "netavark firewall plugin rules" -j NETAVARK_FORWARD
-A FORWARD -s 192.0.2.0/24 -j DROP
COMMIT
*nat
:OUTPUT ACCEPT [0:0]
:NETAVARK-HOSTPORT-MASQ - [0:0]
-A OUTPUT -m addrtype --dst-type LOCAL
-A NETAVARK-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE
COMMIT
"""


def test_only_podmans_chains_go_and_jumps_go_first() -> None:
    """Rules of others stay; a chain is emptied before it is removed."""
    assert list(leftovers(_SAVED)) == [
        ["-t", "filter", "-D", "FORWARD", "-m", "comment", "--comment", "netavark firewall plugin rules", "-j", "NETAVARK_FORWARD"],
        ["-t", "filter", "-F", "NETAVARK_FORWARD"],
        ["-t", "nat", "-F", "NETAVARK-HOSTPORT-MASQ"],
        ["-t", "filter", "-X", "NETAVARK_FORWARD"],
        ["-t", "nat", "-X", "NETAVARK-HOSTPORT-MASQ"],
    ]
