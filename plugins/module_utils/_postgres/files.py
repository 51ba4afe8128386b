# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a backup, compared with what its manifest says of them."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from .backup_file import BackupFile, hash_file
from .contents import EntryDifference
from .dump import DUMP, GLOBALS
from .manifest import FILE_NAME, Manifest
from .sealing import AGE, GPG

_POLL_SECONDS = 0.1
NEEDED = ((f"{DUMP}/toc.dat",), (GLOBALS, AGE, GPG))


class _EndedError(Exception):
    """Nobody wants to know any more."""


@dataclass
class FilesSeen:
    """What was looked at, and what is otherwise."""

    differences: list[EntryDifference] = field(default_factory=list)
    files: int = 0
    bytes: int = 0


def compare(directory: Path, manifest: Manifest, advance: Callable[[float], None] | None = None) -> FilesSeen:
    """Every file is there, whole, and no other one. With `advance`, which is told the bytes that are done, each is read as well."""
    seen = FilesSeen()
    for differences in _all(directory, manifest.files, advance):
        seen.differences += differences
        seen.files += 1
    seen.bytes = manifest.bytes if advance else 0
    named = {file.path for file in manifest.files}
    seen.differences += [
        EntryDifference("file_missing", names[0], "a file that the manifest names", "none") for names in NEEDED if named.isdisjoint(names)
    ]
    present = {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_symlink() or not path.is_dir()}
    strangers = sorted(present - named - {FILE_NAME})
    seen.differences += [EntryDifference("file_unexpected", name, "no such file", "a file") for name in strangers]
    return seen


def fingerprint(directory: Path) -> str:
    """What changes when a file is written, replaced, renamed or given other times; the bytes of none are read."""
    digest = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        seen = path.lstat()
        told = (str(path.relative_to(directory)), seen.st_mode, seen.st_size, seen.st_ino, seen.st_mtime_ns, seen.st_ctime_ns)
        digest.update(repr(told if not stat.S_ISDIR(seen.st_mode) else told[:2]).encode(errors="surrogateescape"))
    return digest.hexdigest()


def _all(directory: Path, files: Sequence[BackupFile], advance: Callable[[float], None] | None) -> Iterator[list[EntryDifference]]:
    """What is wrong with each, in their order; all processors read."""
    done, ended = dict.fromkeys((file.path for file in files), 0), threading.Event()

    def reading(path: str, size: int) -> None:
        done[path] = size
        if ended.is_set():
            raise _EndedError

    def look(file: BackupFile) -> list[EntryDifference]:
        return list(_differences(directory, file, partial(reading, file.path) if advance else None))

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        works = [pool.submit(look, file) for file in files]
        try:
            while wait(works, timeout=_POLL_SECONDS).not_done:
                if advance:
                    advance(sum(done.values()))
        except BaseException:
            ended.set()
            pool.shutdown(cancel_futures=True)
            raise
    yield from (work.result() for work in works)


def _differences(directory: Path, file: BackupFile, reading: Callable[[int], None] | None) -> Iterator[EntryDifference]:
    path, size = directory / file.path, f"{file.bytes} bytes"
    if path.is_symlink() or not path.is_file():
        yield EntryDifference("file_missing", file.path, size, "something else" if path.is_symlink() or path.exists() else "none")
        return
    try:
        if (found := path.stat().st_size) != file.bytes:
            yield EntryDifference("file_size", file.path, size, f"{found} bytes")
        elif reading and (digest := hash_file(path, reading)) != file.sha256:
            yield EntryDifference("file_content", file.path, f"SHA-256 {file.sha256}", f"SHA-256 {digest}")
    except OSError as error:
        yield EntryDifference("file_unreadable", file.path, size, str(error.strerror))
