# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a copy elsewhere is as the backup here is: by the hashes of the other side, or by its bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from .._postgres.manifest import FILE_NAME, Manifest
from .failure import UnreachableError
from .rclone import Rclone

Check = Literal["server", "download"]
WITHOUT_MANIFEST = f"--exclude=/{FILE_NAME}"


def differing(rclone: Rclone, path: Path, name: str, manifest: Manifest, check: Check) -> list[str]:
    """Files of a copy that are otherwise than those here, as the other side tells its own hashes, or as they read when fetched."""
    if check == "server" and rclone.kind == "crypt":
        return _compared(rclone, "cryptcheck", path, name)
    if check == "server" and _has_hashes(rclone):
        return _compared(rclone, "check", path, name)
    return misread(rclone, name, manifest)


def misread(rclone: Rclone, name: str, manifest: Manifest) -> list[str]:
    """Files of a copy whose bytes, read back, are not those of the manifest; a connection may break once."""
    differing: list[str] = []
    for _attempt in range(2):
        words = ["hashsum", "sha256", "--download", rclone.path(name), WITHOUT_MANIFEST]
        done = rclone.run(*words, accept=range(256))
        found = {path: digest for digest, _spaces, path in (line.partition("  ") for line in done.stdout.splitlines())}
        wanted = {file.path: file.sha256 for file in manifest.files}
        differing = sorted(path for path in {*found, *wanted} if found.get(path) != wanted.get(path))
        if not differing:
            return []
    if isinstance(done.failure, UnreachableError):
        # What could not be read to its end says nothing of the copy.
        raise done.failure
    rclone.run("lsf", rclone.path())
    return differing


def _compared(rclone: Rclone, command: str, path: Path, name: str) -> list[str]:
    words = [command, "--one-way", "--combined=-", WITHOUT_MANIFEST, str(path), rclone.path(name)]
    done = rclone.run(*words, accept=(0, 1))
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        found.setdefault(line[:1], []).append(line[2:])
    differing = [name for sign in "-+*" for name in found.get(sign, ())]
    if done.failure and ("!" in found or not differing):
        # It was not looked at, which says nothing of the copy.
        raise done.failure
    return sorted(differing)


def _has_hashes(rclone: Rclone) -> bool:
    return bool(json.loads(rclone.run("backend", "features", rclone.path()).stdout).get("Hashes"))
