# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel settings of the host that kubelets and podman change for the whole machine: remembered before, put back after."""

from __future__ import annotations

import json
from pathlib import Path

from lab import paths
from lab.podman import any_lab

_CHANGED = (
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "net/ipv4/ip_forward",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)


def _record() -> Path:
    return paths.cache() / "host" / "sysctls.json"


def remember(root: Path = Path("/proc/sys")) -> None:
    """Write down the values of a host on which no lab is; what was remembered and not put back yet stays."""
    if not any_lab() and not _record().exists():
        values = {name: (root / name).read_text().strip() for name in _CHANGED}
        paths.write(_record(), json.dumps(values, indent=2) + "\n")


def restore(root: Path = Path("/proc/sys")) -> list[str]:
    """Put the values back once the last lab is gone, and name those that differed."""
    if any_lab() or not _record().exists():
        return []
    changed = []
    for name, value in json.loads(_record().read_text()).items():
        if (root / name).read_text().strip() != value:
            (root / name).write_text(f"{value}\n")
            changed.append(name)
    _record().unlink()
    return changed
