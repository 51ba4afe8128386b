# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a scratch server may be, and whether there is room for it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .._errors import OpsError

PREFIX = "scratch-"
PORT = 5432
_MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of ours in it is refused where somebody else has made it
_LONGEST_SOCKET_PATH = 107
_LEAST_MEMORY_BYTES = 192 << 20
_EMPTY_SERVER_BYTES = 64 << 20
MOST_WAL_BYTES = 1 << 30


class NoScratchError(OpsError):
    """The server cannot be had here, which says nothing of any backup."""


@dataclass(frozen=True)
class Needs:
    """What the server will hold and do; C(most_bytes) is how large a database may be, 0 for any, C(niceness) how far others go before."""

    database_bytes: int
    entries: int
    jobs: int
    most_bytes: int = 0
    niceness: int = 0

    @property
    def disk_bytes(self) -> int:
        """An empty server, the database with its files for sorting, and the log of changes."""
        return _EMPTY_SERVER_BYTES + self.database_bytes * 5 // 4 + min(MOST_WAL_BYTES, self.database_bytes)


def place(wanted: str, needs: Needs) -> Path:
    """The directory that is wanted; else in memory where the server fits by a wide margin, else on the disk."""
    if wanted:
        return Path(wanted).absolute()
    memory, disk = places()
    parent = memory.parent
    if not (parent.is_dir() and os.access(parent, os.W_OK | os.X_OK)):
        return disk
    fits = needs.disk_bytes <= shutil.disk_usage(parent).free // 2 and needs.disk_bytes <= available_memory() // 4
    return memory if fits else disk


def places() -> tuple[Path, Path]:
    """Where servers are that nobody has named a place for."""
    name = f"endpoint-stats-scratch-{os.geteuid()}"
    return _MEMORY / name, Path(tempfile.gettempdir(), name)


def refusal(directory: Path, needs: Needs) -> NoScratchError | None:
    """Why the server cannot be had, none where it can; nothing is written."""
    if os.geteuid() == 0:
        remedy = "Run the task as another user, with become_user, or where the ops-runner does."
        return NoScratchError("PostgreSQL does not run as root", remedy=remedy)
    example = directory / f"{PREFIX}00000000" / f".s.PGSQL.{PORT}"
    if (length := len(os.fsencode(example))) > _LONGEST_SOCKET_PATH:
        cause = f"the path of its socket would have {length} bytes, the system allows {_LONGEST_SOCKET_PATH}"
        return NoScratchError(
            "The directory of the scratch server has too long a name", where=str(directory), cause=cause, remedy="Name another scratch_dir."
        )
    if 0 < needs.most_bytes < needs.database_bytes:
        cause = f"it has {needs.database_bytes:,} bytes, scratch_max_bytes allows {needs.most_bytes:,}"
        remedy = "Allow more, or verify it where a larger scratch server may be."
        return NoScratchError("The database is larger than the scratch server may be", cause=cause, remedy=remedy)
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < needs.disk_bytes:
        cause = f"{free:,} bytes are free, {needs.disk_bytes:,} are needed"
        remedy = "Make room there, or name a scratch_dir with more."
        return NoScratchError("There is too little space for the scratch server", where=str(existing), cause=cause, remedy=remedy)
    memory = available_memory()
    if memory < _LEAST_MEMORY_BYTES:
        cause = f"{memory:,} bytes are available, {_LEAST_MEMORY_BYTES:,} are needed"
        return NoScratchError("There is too little memory for the scratch server", cause=cause, remedy="Give the container a higher limit.")
    return None


def available_memory(meminfo: Path = Path("/proc/meminfo"), groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that programs may take, of the machine and of the container."""
    lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
    found = [int(lines["MemAvailable"].split()[0]) << 10]
    for group in _groups(groups):
        limit, used = group / "memory.max", group / "memory.current"
        with suppress(OSError, ValueError):
            statistics = dict(line.split(" ", 1) for line in (group / "memory.stat").read_text().splitlines())
            reclaimable = int(statistics.get("inactive_file", 0))
            found.append(int(limit.read_text()) - int(used.read_text()) + reclaimable)
    return min(found)


def _groups(root: Path) -> Iterator[Path]:
    """The control groups that bound us: our own and those it is in."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            if line.startswith("0::"):
                own = root / line[3:].lstrip("/")
                yield from (path for path in (own, *own.parents) if path.is_relative_to(root))
