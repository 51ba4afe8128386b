# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dump that somebody else made: what it is by its first bytes, whatever it is called, and its bytes, decompressed as they are read."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .._errors import OpsError
from .._process import output
from . import compressed
from .scratch_place import NoScratchError

PLAIN, CUSTOM, TAR, DIRECTORY = "plain", "custom", "tar", "directory"
TOC = "toc.dat"
_CHUNK_BYTES = 1 << 18
_HEAD_BYTES = 8192
_TAIL_BYTES = 64
_TAR_MAGIC_AT = 257
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_OTHERS = {
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x04\x22\x4d\x18": "lz4",
    b"PK\x03\x04": "zip",
    b"age-encryption.org/": "age",
    b"-----BEGIN": "PGP or age",
    b"Salted__": "openssl",
}
# PostgreSQL writes archives of a newer form since these releases; who reads one reads all older ones.
_READ_SINCE = {15: 16, 16: 17}
_OLDEST_READER = 15
_END_OF_ROWS = (b"\\.\n\n\n", b";\n\n\n")


class DumpError(OpsError):
    """What is no whole dump, as a difference of a kind."""

    def __init__(self, kind: str, part: str, expected: str, found: str) -> None:
        super().__init__("It is no whole dump", where=part, cause=found)
        self.kind, self.part, self.expected, self.found = kind, part, expected, found


@dataclass(frozen=True)
class Source:
    """The dump; C(head) are its first bytes, decompressed."""

    path: Path
    form: str
    compression: str
    head: bytes

    @property
    def files(self) -> list[Path]:
        return sorted(path for path in self.path.iterdir() if path.is_file()) if self.form == DIRECTORY else [self.path]

    @property
    def size(self) -> int:
        return sum(path.stat().st_size for path in self.files)

    @property
    def reader(self) -> int:
        """The oldest major version whose pg_restore reads it."""
        minor = self.head[6] if self.form != PLAIN and len(self.head) > 6 else 0
        return _READ_SINCE.get(minor, _OLDEST_READER)

    @property
    def seekable(self) -> bool:
        return self.form != PLAIN and not self.compression

    @contextmanager
    def chunks(self, advance: Callable[[float], None]) -> Iterator[Iterator[bytes]]:
        """All of a file, decompressed; C(advance) is told how many bytes of it were read, where that is known."""
        with ExitStack() as stack:
            stream, position = stack.enter_context(opened(self.path, self.compression))
            yield _chunks(self.path, stream, lambda: advance(position()))

    def check_files(self, advance: Callable[[float], None]) -> None:
        """The files of a directory, read to their ends: pg_restore takes rows that end too early for all rows."""
        done = 0
        for path in self.files:
            _check_rows(path, lambda now, before=done: advance(before + now))  # type: ignore[misc]
            done += path.stat().st_size


def identified(path: Path) -> Source:
    """What it is; what is not whole at first sight is a DumpError, what is not read here is no fault of it."""
    if path.is_dir():
        if not (path / TOC).is_file():
            raise DumpError("dump_unreadable", path.name, f"a dump, which has a file {TOC}", "a directory without one")
        return _archive(path, DIRECTORY, "", (path / TOC).read_bytes()[:_HEAD_BYTES])
    with path.open("rb") as stream:
        raw = stream.read(_HEAD_BYTES)
    compression = "gzip" if raw.startswith(_GZIP) else "zstd" if raw.startswith(_ZSTD) else ""
    with opened(path, compression) as (stream, _position):
        head = _first(_chunks(path, stream, lambda: None))
    if not head:
        raise DumpError("dump_empty", path.name, "a dump of PostgreSQL", f"nothing in {compression}" if compression else "an empty file")
    if other := next((name for magic, name in _OTHERS.items() if head.startswith(magic)), ""):
        raise NoScratchError(f"A file of {other} is not read here", where=str(path), remedy="Unpack or decrypt it first.")
    if head[_TAR_MAGIC_AT:].startswith(b"ustar"):
        if not head.startswith(TOC.encode() + b"\0"):
            raise NoScratchError("A tar archive that pg_dump has not made is not read here", where=str(path), remedy="Unpack it first.")
        return _archive(path, TAR, compression, head[512:])
    if head.startswith(b"PGDMP"):
        return _archive(path, CUSTOM, compression, head)
    return Source(path, PLAIN, compression, head)


@contextmanager
def opened(path: Path, compression: str) -> Iterator[tuple[IO[bytes], Callable[[], int]]]:
    """The bytes in a file, and how far it was read."""
    if compression == "zstd":
        try:
            with output([compressed.program(), "--decompress", "--stdout", "--quiet", str(path)], "It cannot be decompressed") as stream:
                yield stream, lambda: 0
        except OpsError as error:
            if "returncode" not in error.details:
                raise
            raise _damaged(path, error.cause) from error
        return
    with path.open("rb") as raw:
        yield (gzip.GzipFile(fileobj=raw) if compression else raw), raw.tell  # type: ignore[misc]


def _archive(path: Path, form: str, compression: str, head: bytes) -> Source:
    if not head.startswith(b"PGDMP"):
        raise DumpError("dump_unreadable", path.name, "a table of contents of pg_dump", "something else")
    return Source(path, form, compression, head)


def _chunks(path: Path, stream: IO[bytes], advance: Callable[[], None]) -> Iterator[bytes]:
    try:
        while chunk := stream.read(_CHUNK_BYTES):
            advance()
            yield chunk
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path, str(error)) from error


def _first(chunks: Iterator[bytes]) -> bytes:
    head = b""
    while len(head) < _HEAD_BYTES and (chunk := next(chunks, b"")):
        head += chunk
    return head[:_HEAD_BYTES]


def _check_rows(path: Path, advance: Callable[[float], None]) -> None:
    name, _dot, compression = path.name.partition(".dat")
    head, tail = b"", b""
    with opened(path, {".gz": "gzip", ".zst": "zstd"}.get(compression, "")) as (stream, position):
        for chunk in _chunks(path, stream, lambda: advance(position())):
            head, tail = head or chunk[:_TAIL_BYTES], (tail + chunk)[-_TAIL_BYTES:]
    # Large objects and tables of contents have other names; without --inserts an empty table has a marker as well.
    if not name.isdecimal() or compression not in ("", ".gz", ".zst") or tail.endswith(_END_OF_ROWS[0]) or head == b"\n\n":
        return
    if not (head.startswith(b"INSERT INTO ") and tail.endswith(_END_OF_ROWS[1])):
        raise DumpError("dump_cut", path.name, "rows that end with their marker", "rows that end without it")


def _damaged(path: Path, cause: str) -> DumpError:
    return DumpError("dump_unreadable", path.name, "bytes that can be decompressed", cause)
