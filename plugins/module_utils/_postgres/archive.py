# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dump of a backup, laid out so that pg_restore can work with it although the files of rows are compressed.

A private directory holds its table of contents and, in the place of each file of rows, a line that says whose place it is: so pg_restore
prints the statement that each file is loaded by. What it has to load itself, such as large objects, is decompressed there.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .._deadline import Deadline
from .._errors import OpsError
from .._process import output, run
from .._temporary import private_directory
from . import compressed
from .backup_file import BackupFile
from .compressed import SUFFIX
from .dump import DUMP
from .programs import Programs

SECTIONS = PRE_DATA, DATA, POST_DATA = ("pre-data", "data", "post-data")
_PREFIX = "endpoint-stats-dump-"
_SPARE_BYTES = 32 << 20
_ENTRY = re.compile(r"\d+; \d+ \d+ (.*)")
_ROWS = "TABLE DATA "
_GRANTS = ("ACL ", "DEFAULT ACL ")
_FIRST_ENTRY = re.compile(rb"^--\n-- Data for Name: ", re.M)
_RESTRICT = re.compile(rb"^\\(?:un)?restrict .*\n", re.M)


@dataclass(frozen=True)
class Copy:
    """A file of rows, and the statement that loads it in the encoding of the dump."""

    file: BackupFile
    statement: bytes


@dataclass(frozen=True)
class Archive:
    """C(listed) are the lines of the table of contents by section, C(preamble) what a session says before it loads the C(copies)."""

    backup: Path
    directory: Path
    listed: Mapping[str, Sequence[str]]
    preamble: bytes
    copies: Sequence[Copy]

    @property
    def structure(self) -> list[str]:
        """Entries that make what rows are loaded into."""
        return [line for line in self.listed[PRE_DATA] if not _is_grant(line)]

    @property
    def grants(self) -> list[str]:
        """Rights on those; as with pg_restore, they come after the rows, which an owner may have no right to write."""
        return [line for line in self.listed[PRE_DATA] if _is_grant(line)]

    @property
    def others(self) -> list[str]:
        """Data that pg_restore has to load itself: values of sequences, large objects, rows as INSERT."""
        streamed = {copy.file.path.removeprefix(f"{DUMP}/").partition(".")[0] for copy in self.copies}
        return [line for line in self.listed[DATA] if line.partition(";")[0] not in streamed]


@contextmanager
def opened(backup: Path, files: Sequence[BackupFile], programs: Programs, deadline: Deadline, work: Path) -> Iterator[Archive]:
    """The dump of a backup; the private directory is made in C(work) and needs room for large objects alone."""
    with private_directory(_PREFIX, work) as directory:
        try:
            made = _laid_out(backup, files, programs, deadline, directory)
        except OSError as error:
            remedy = "Make room there, or name another directory for temporary files with TMPDIR."
            raise OpsError("The dump could not be laid out", where=str(work), cause=str(error.strerror), remedy=remedy) from error
        yield made


def _laid_out(backup: Path, files: Sequence[BackupFile], programs: Programs, deadline: Deadline, directory: Path) -> Archive:
    dumped = [file for file in files if file.path.startswith(f"{DUMP}/")]
    token = secrets.token_hex(16)
    places = {_name(file): file for file in dumped if file.path.endswith(SUFFIX)}
    for file in dumped:
        if _name(file) not in places:
            # A small table of contents; newer releases of pg_restore take no link for it.
            shutil.copyfile(backup / file.path, directory / _name(file))
    for name in places:
        (directory / name).write_text(f"{token} {name}\n", encoding="ascii")
    listed = {section: _listed(programs, directory, section, deadline) for section in SECTIONS}
    preamble, copies = _copies(_printed(programs, directory, listed[DATA], deadline), token, places)
    streamed = {_name(copy.file) for copy in copies}
    _decompress(backup, directory, [file for name, file in places.items() if name not in streamed])
    return Archive(backup, directory, listed, preamble, copies)


def _name(file: BackupFile) -> str:
    return file.path.removeprefix(f"{DUMP}/").removesuffix(SUFFIX)


def _listed(programs: Programs, directory: Path, section: str, deadline: Deadline) -> list[str]:
    argv = [programs["pg_restore"], "--list", f"--section={section}", str(directory)]
    said = run(argv, timeout_seconds=deadline.left(), inherit=False).check("The dump cannot be read back").stdout
    return [line for line in said.splitlines() if not line.startswith(";")]


def _is_grant(line: str) -> bool:
    return described(line).startswith(_GRANTS)


def described(line: str) -> str:
    """What follows the numbers of an entry."""
    match = _ENTRY.match(line)
    return match[1] if match else ""


def _printed(programs: Programs, directory: Path, lines: Sequence[str], deadline: Deadline) -> bytes:
    """What pg_restore prints for the files of rows; names in it are in the encoding of the database."""
    wanted = directory / "list"
    wanted.write_text("".join(f"{line}\n" for line in lines if described(line).startswith(_ROWS)))
    argv = [programs["pg_restore"], f"--use-list={wanted}", "--file=-", str(directory)]
    with output(argv, "The dump cannot be read back", inherit=False) as stream:
        said = bytearray()
        while chunk := stream.read(1 << 20):
            said += chunk
            deadline.left()
    wanted.unlink()
    return bytes(said)


def _copies(printed: bytes, token: str, places: Mapping[str, BackupFile]) -> tuple[bytes, list[Copy]]:
    """What stands before the first entry, and the statement before each place."""
    first = _FIRST_ENTRY.search(printed)
    preamble = _RESTRICT.sub(b"", printed[: first.start()]) if first else b""
    place = re.compile(rb"^(COPY .*? FROM stdin;)\n%s (\S+)\n" % token.encode(), re.M | re.S)
    return preamble, [Copy(places[match[2].decode()], match[1]) for match in place.finditer(printed)]


def _decompress(backup: Path, directory: Path, files: Sequence[BackupFile]) -> None:
    needed, free = sum(file.plain_bytes for file in files), shutil.disk_usage(directory).free
    if files and free < needed + _SPARE_BYTES:
        raise OpsError(
            "There is too little room for the large objects of the dump, which are decompressed there",
            where=str(directory),
            cause=f"{free:,} bytes are free, {needed + _SPARE_BYTES:,} are needed",
            remedy="Make room there.",
        )
    for file in files:
        with (directory / _name(file)).open("wb") as stream:
            for chunk in compressed.opened(backup, file):
                stream.write(chunk)
