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
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .._errors import OpsError
from .._process import output
from .backup_file import BackupFile

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


def program() -> str:
    """The program that compresses and reads."""
    if path := shutil.which("zstd"):
        return path
    remedy = "Install the package zstd on the host the operation runs on."
    raise OpsError("There is no zstd, which compresses dumps", where="PATH", remedy=remedy)


def holds_data(name: str) -> bool:
    """Whether a file of a dump, by its name without the suffix, is one that is compressed."""
    return bool(_DATA.match(name))


class Description:
    """What a file holds, told part by part."""

    def __init__(self) -> None:
        self._digest, self._size, self._tail = hashlib.sha256(), 0, b""

    def add(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self._size += len(chunk)
        self._tail = (self._tail + chunk)[-_TAIL_BYTES:] if len(chunk) < _TAIL_BYTES else chunk[-_TAIL_BYTES:]

    @property
    def plain(self) -> Plain:
        return Plain(self._size, self._digest.hexdigest())

    def whole(self, name: str) -> Plain:
        """Of the file of this name; rows without their end marker are an error."""
        if _ROWS.match(name) and _ended(self._tail, begins=self._size <= len(self._tail)) is None:
            raise _without_end(name)
        return self.plain


def described(path: Path) -> Plain:
    """A plain file; rows without their end marker are an error."""
    found = Description()
    with path.open("rb") as stream:
        for chunk in chunks(stream):
            found.add(chunk)
    return found.whole(path.name)


def chunks(stream: IO[bytes]) -> Iterator[bytes]:
    """What there is to read of it now."""
    while chunk := stream.read(_BLOCK_BYTES):
        yield chunk


def opened(directory: Path, file: BackupFile) -> Iterator[bytes]:
    """The bytes of a compressed file of a backup; others than its manifest says are an error at the end."""
    held = Description()
    try:
        with _decompressed(directory, [file]) as stream:
            for chunk in chunks(stream):
                held.add(chunk)
                yield chunk
    except OpsError as error:
        if "returncode" not in error.details:
            raise
        raise DamagedFileError("file_unreadable", file.path, f"{file.plain_bytes} bytes of rows", error.cause) from error
    expected = Plain(file.plain_bytes, file.plain_sha256)
    if expected != held.plain:
        raise DamagedFileError("file_content", file.path, f"decompressed {expected}", str(held.plain))


def rows(directory: Path, file: BackupFile) -> Iterator[bytes]:
    """The rows of a table in blocks, each of whole rows and always the same ones; they end with the marker, and nothing follows it."""
    rest: list[bytes] = []
    for chunk in opened(directory, file):
        # What may be the end stays back.
        end = chunk.rfind(b"\n", 0, max(0, len(chunk) - _TAIL_BYTES)) + 1
        if end:
            yield b"".join((*rest, chunk[:end]))
            rest = []
        rest.append(chunk[end:])
    last = _ended(b"".join(rest), begins=True)
    if last is None:
        raise _without_end(file.path)
    if last:
        yield last


def small_rows(directory: Path, files: Sequence[BackupFile]) -> Iterator[tuple[BackupFile, bytes]]:
    """The same of small files, each whole: one zstd reads them all, as starting it takes longer than reading a few rows."""
    try:
        with _decompressed(directory, files) as stream:
            for file in files:
                data = stream.read(file.plain_bytes)
                found = _ended(data, begins=True) if hashlib.sha256(data).hexdigest() == file.plain_sha256 else None
                if found is None:
                    # Read by itself, it says what is wrong with it.
                    found = b"".join(rows(directory, file))
                yield file, found
    except OpsError as error:
        for file in files if "returncode" in error.details else ():
            for _chunk in opened(directory, file):
                pass
        raise


def _decompressed(directory: Path, files: Sequence[BackupFile]) -> AbstractContextManager[IO[bytes]]:
    argv = [program(), "--decompress", "--stdout", "--quiet", "--", *(str(directory / file.path) for file in files)]
    return output(argv, "It cannot be decompressed", inherit=False)


def _ended(data: bytes, *, begins: bool) -> bytes | None:
    """What is before the marker, where that is the last line, but for empty ones; C(begins) where the data begins with a line."""
    before, found, after = data.rpartition(_MARKER + b"\n")
    return before if found and not after.strip(b"\n") and (before.endswith(b"\n") or (begins and not before)) else None


def _without_end(path: str) -> DamagedFileError:
    return DamagedFileError("end_marker", path, "rows that end with their marker", "rows that end without it")
