# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the release layout: fetched where a checksum of the upstream's file is known, built otherwise."""

from __future__ import annotations

import json
import os
import shutil
import urllib.error
import urllib.request
from pathlib import Path

from lab import mutex, paths, programs
from lab.archive import sha256, write_tar_gz
from lab.catalog import Catalog, ReleaseFile
from lab.errors import LabError
from lab.progress import Progress

_CONNECT_SECONDS = 20
_CHECKSUMS = "checksums.json"


def directory(catalog: Catalog) -> Path:
    """The directory that holds `files/` and `checksums.json`."""
    return paths.cache() / "artifacts" / catalog.key_of_files()


def checksums(catalog: Catalog) -> dict[str, str]:
    """The SHA-256 of every file by its name."""
    found: dict[str, str] = json.loads((directory(catalog) / _CHECKSUMS).read_text())
    return found


def make(catalog: Catalog, progress: Progress) -> None:
    """Make what is missing."""
    target = directory(catalog)
    with progress.step("release files") as step, mutex.held("artifacts"):
        step.result = "present"
        if not target.is_dir():
            with paths.published(target) as part:
                found = {}
                for entry in catalog.files:
                    step.tick(entry.name)
                    found[entry.name] = _place(catalog, entry, part / "files" / entry.name)
                paths.write(part / _CHECKSUMS, json.dumps(found, indent=2, sort_keys=True) + "\n")
            step.result = f"{len(catalog.files)} files made"


def _place(catalog: Catalog, entry: ReleaseFile, target: Path) -> str:
    target.parent.mkdir(parents=True, exist_ok=True)
    if entry.sha256 and fetch(f"{entry.upstream}/{entry.path}", entry.sha256, target):
        return entry.sha256
    if entry.program:
        _link(programs.path(catalog, entry.program), target)
    else:
        write_tar_gz(target, {name: programs.path(catalog, program) for name, program in entry.members.items()})
    return sha256(target)


def fetch(url: str, checksum: str, target: Path) -> bool:
    """Download a file; False where its host cannot be reached, an error where its bytes are not those of the lock."""
    part = target.with_name(target.name + ".part")
    try:
        with urllib.request.urlopen(url, timeout=_CONNECT_SECONDS) as response, part.open("wb") as out:  # noqa: S310
            shutil.copyfileobj(response, out)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False
    if (found := sha256(part)) != checksum:
        part.unlink()
        cause = f"its SHA-256 is {found}, artifacts.lock says {checksum}"
        raise LabError(url, cause, "find out which of the two is right; nothing was kept")
    part.rename(target)
    return True


def _link(source: Path, target: Path) -> None:
    """One copy on disk where the file system allows it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
