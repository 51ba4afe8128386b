# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and directories of one run. The kernel unlocks them however the run ends, so the next one knows what a killed one has left."""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ._lock import claimed, in_use


@dataclass(frozen=True)
class Memory:
    """A file that is on no disk; programs that we start reach it by its path, which is a link."""

    descriptor: int

    @property
    def path(self) -> str:
        return f"/proc/{os.getpid()}/fd/{self.descriptor}"

    def content(self) -> bytes:
        return Path(self.path).read_bytes()


@contextmanager
def memory(content: bytes = b"") -> Iterator[Memory]:
    descriptor = os.memfd_create("endpoint-stats", os.MFD_CLOEXEC)
    try:
        held = Memory(descriptor)
        Path(held.path).write_bytes(content)
        yield held
    finally:
        os.close(descriptor)


@contextmanager
def private_directory(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """An empty directory that goes with the context; those of killed runs, known by the prefix, go as well."""
    where = parent or Path(tempfile.gettempdir())
    for path in where.glob(f"{glob.escape(prefix)}*"):
        # What is somebody else's, or resists, costs no more than its room.
        with suppress(OSError):
            if path.lstat().st_uid == os.geteuid():
                _reap_directory(path)
    with ExitStack() as held:
        made = _made(prefix, where, held)
        held.callback(shutil.rmtree, made, ignore_errors=True)
        yield made


def locked_sibling(path: Path) -> tuple[int, Path]:
    """A new file beside one that it is to replace, and its descriptor, which holds the lock; those of killed runs are removed."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.????????"):
        with suppress(OSError):
            _reap_file(left)
    while True:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if Path(name).exists():
            return descriptor, Path(name)
        os.close(descriptor)


def _made(prefix: str, where: Path, held: ExitStack) -> Path:
    """Another run may take it for a leftover before it is locked."""
    while True:
        made = Path(tempfile.mkdtemp(prefix=prefix, dir=where))
        with suppress(FileNotFoundError):
            held.enter_context(in_use(made))
            if made.exists():
                return made


def _reap_directory(path: Path) -> None:
    with claimed(path) as free:
        if free:
            shutil.rmtree(path)


def _reap_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    finally:
        os.close(descriptor)
