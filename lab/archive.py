# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives whose bytes depend on nothing but their members."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
from collections.abc import Mapping
from pathlib import Path


def write_tar_gz(target: Path, members: Mapping[str, Path]) -> None:
    """Write a .tar.gz with sorted members, owned by root, dated 1970."""
    with (
        target.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=6) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name in sorted(members):
            entry = tarfile.TarInfo(name)
            entry.size = members[name].stat().st_size
            entry.mode = 0o755
            entry.uname = entry.gname = "root"
            with members[name].open("rb") as content:
                archive.addfile(entry, content)


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
