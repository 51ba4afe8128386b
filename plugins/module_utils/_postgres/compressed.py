# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a dump under zstd, each for itself: what was in them is known, and every reader sees that it is whole.

pg_restore of PostgreSQL 15 does not read them; C(RESTORE.md) has the command that makes the plain directory of them.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .._errors import OpsError
from .._process import output
from .manifest import BackupFile

SUFFIX = ".zst"
_BLOCK_BYTES = 1 << 20
_TAIL_BYTES = 64
# Rows of a table, which end with a marker, and large objects, which have none. The table of contents is a .dat too, and stays plain.
_ROWS = re.compile(r"\d+\.dat\Z")
_DATA = re.compile(r"(?:blob_)?\d+\.dat\Z")
_MARKER = b"\\."


class DamagedFileError(OpsError):
    """A file of a dump that is not what it was, or not whole; C(kind) is that of the difference."""

    def __init__(self, kind: str, path: str, expected: str, found: str) -> None:
        super().__init__(
            "A file of the dump is not whole", where=path, cause=f"{found} instead of {expected}", remedy="Use another backup."
        )
        self.kind, self.path, self.expected, self.found = kind, path, expected, found


@dataclass(frozen=True)
class Plain:
    """What a file holds when it is not compressed."""

    bytes: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.bytes} bytes, SHA-256 {self.sha256}"


@dataclass(frozen=True)
class Block:
    """Whole rows: how many, and the line of the file that the first of them is."""

    line: int
    lines: int
    data: bytes


def program() -> str:
    """The program that compresses and reads."""
    if path := shutil.which("zstd"):
        return path
    remedy = "Install the package zstd on the host the operation runs on."
    raise OpsError("There is no zstd, which compresses the files of backups", where="PATH", remedy=remedy)


def holds_data(name: str) -> bool:
    """Whether a file of a dump, by its name without the suffix, is one that is compressed."""
    return bool(_DATA.match(name))


def described(path: Path) -> Plain:
    """A plain file; rows without their end marker are an error."""
    digest, size, tail = hashlib.sha256(), 0, b""
    with path.open("rb") as stream:
        while chunk := stream.read(_BLOCK_BYTES):
            digest.update(chunk)
            size += len(chunk)
            tail = (tail + chunk)[-_TAIL_BYTES:]
    if _ROWS.match(path.name) and not _is_ended(tail, size):
        raise _without_end(path.name)
    return Plain(size, digest.hexdigest())


def opened(directory: Path, file: BackupFile) -> Iterator[bytes]:
    """The bytes of a compressed file of a backup; others than its manifest says are an error at the end."""
    digest, size = hashlib.sha256(), 0
    try:
        argv = [program(), "--decompress", "--stdout", "--quiet", str(directory / file.path)]
        with output(argv, "It cannot be decompressed", inherit=False) as stream:
            while chunk := stream.read(_BLOCK_BYTES):
                digest.update(chunk)
                size += len(chunk)
                yield chunk
    except OpsError as error:
        if "returncode" not in error.details:
            raise
        raise DamagedFileError("file_unreadable", file.path, f"{file.plain_bytes} bytes of rows", error.cause) from error
    expected, found = Plain(file.plain_bytes, file.plain_sha256), Plain(size, digest.hexdigest())
    if expected != found:
        raise DamagedFileError("file_content", file.path, f"decompressed {expected}", str(found))


def rows(directory: Path, file: BackupFile) -> Iterator[Block]:
    """The rows of a table, cut between rows; they end with the marker, and nothing follows it."""
    line, rest, ended = 1, b"", False
    for chunk in opened(directory, file):
        if ended:
            _refuse_more(file, chunk)
            continue
        whole, newline, rest = (rest + chunk).rpartition(b"\n")
        block = whole + newline
        if (end := _marked(block)) >= 0:
            ended = True
            _refuse_more(file, block[end + len(_MARKER) :] + rest)
            block = block[:end]
        if block:
            lines = block.count(b"\n")
            yield Block(line, lines, block)
            line += lines
    if not ended:
        raise _without_end(file.path)


def _marked(block: bytes) -> int:
    """Where a line is the marker; a value is never written so."""
    if block.startswith(_MARKER + b"\n"):
        return 0
    found = block.find(b"\n" + _MARKER + b"\n")
    return found + 1 if found >= 0 else -1


def _is_ended(tail: bytes, size: int) -> bool:
    """Whether the last line is the marker; pg_dump writes empty lines after it."""
    before, found, after = tail.rpartition(_MARKER + b"\n")
    return bool(found) and not after.strip(b"\n") and (before.endswith(b"\n") or (not before and size <= len(tail)))


def _refuse_more(file: BackupFile, data: bytes) -> None:
    if data.strip(b"\n"):
        raise DamagedFileError("end_marker", file.path, "nothing after the end marker", "more bytes")


def _without_end(path: str) -> DamagedFileError:
    return DamagedFileError("end_marker", path, "rows that end with their marker", "rows that end without it")
