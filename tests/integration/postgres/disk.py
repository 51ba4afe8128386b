# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small disk that a test fills up."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.integration.postgres import support

MEBIBYTE = 1 << 20
_PAGE = 4096


@dataclass(frozen=True)
class Disk:
    """In memory; the modules' user may write there."""

    path: Path

    @property
    def filler(self) -> Path:
        return self.path / "filler"

    def fill(self, left: int = 0) -> None:
        """Until so many bytes are free."""
        if (length := shutil.disk_usage(self.path).free - left) > 0:
            with self.filler.open("ab") as stream:
                os.posix_fallocate(stream.fileno(), stream.tell(), length // _PAGE * _PAGE)

    def empty(self) -> None:
        self.filler.unlink(missing_ok=True)


@contextlib.contextmanager
def disk(path: Path, mebibytes: int) -> Iterator[Disk]:
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}M,mode=0700", "tmpfs", str(path)], check=True)
    try:
        support.own(path)
        yield Disk(path)
    finally:
        subprocess.run(["umount", str(path)], check=True)
        path.rmdir()
