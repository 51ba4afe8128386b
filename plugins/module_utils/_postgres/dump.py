# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a backup, made by PostgreSQL's own programs and made to stay on the disk."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .._completed import Completed
from .._deadline import Deadline
from .._files import sync_directory
from .._process import run
from .._temporary import memory
from .._tls import Credentials
from . import compressed, silence
from .backup_file import BackupFile, hash_file
from .compressed import SUFFIX, Plain
from .compressor import Compressor
from .connection import Server, libpq_environment, named
from .contents import Entry, entries
from .programs import Programs
from .snapshot import Snapshot

DUMP = "dump"
GLOBALS = "globals.sql"
_ROWS = re.compile(r"\d+; \d+ \d+ (?:TABLE DATA|BLOBS|BLOB DATA) ")
_FULL = "No space left on device"
_MORE_ROOM = "Give the directory of backups more room."
# A lock that the main process waited for, and one that a worker would have had to wait for.
_LOCKED = ("Query was: LOCK TABLE", "could not obtain lock")


@dataclass(frozen=True)
class Dumped:
    """What pg_dump warned of, and what the compressed files hold, by their names."""

    warnings: list[str]
    plain: Mapping[str, Plain]


@dataclass(frozen=True)
class Dumper:
    """The programs, the database they read, how long each may take, and how much is compressed (1 to 19)."""

    programs: Programs
    server: Server
    who: Credentials
    timeout_seconds: float
    lock_timeout_seconds: float
    compression_level: int

    def globals(self, *, passwords: bool) -> bytes:
        """Roles, memberships and settings of the whole server, in the encoding of the database; they come by memory alone."""
        with memory() as held:
            argv = [self.programs["pg_dumpall"], "--globals-only", f"--file={held.path}", "--no-sync", "--no-password"]
            argv += [f"--database={named(self.server.database)}", *([] if passwords else ["--no-role-passwords"])]
            remedy = f"Where pg_dumpall does not say what it lacks: {silence.LOOK}"
            self._run(argv).check(f"The roles of the server {self.server.host}:{self.server.port} could not be read", remedy=remedy)
            return held.content()

    def dump(self, snapshot: Snapshot, directory: Path, *, jobs: int, advance: Callable[[float], None]) -> Dumped:
        """Write the database as the snapshot shows it, each file compressed as soon as it is finished."""
        argv = [self.programs["pg_dump"], "--format=directory", f"--file={directory}", f"--jobs={jobs}", f"--snapshot={snapshot.name}"]
        argv += [f"--dbname={named(self.server.database)}", f"--lock-wait-timeout={int(self.lock_timeout_seconds * 1000)}"]
        argv += ["--compress=0", "--no-sync", "--no-password"]
        argv += snapshot.cut.arguments
        deadline = Deadline(self.timeout_seconds, "dump_timeout_seconds")
        with Compressor(compressed.program(), directory, self.compression_level, jobs, deadline) as compressor:

            def watch() -> None:
                advance(compressor.look())

            done = self._run(argv, started=compressor.follow, while_running=watch)
            said = self._warned(done, snapshot)
            return Dumped(said, compressor.finish(watch))

    def _warned(self, done: Completed, snapshot: Snapshot) -> list[str]:
        """What pg_dump warns of; a dump that failed is an error."""
        if done.returncode and any(word in done.stderr for word in _LOCKED):
            raise snapshot.locked("The dump")
        remedy = _MORE_ROOM if _FULL in done.stderr else "What pg_dump says tells what it lacks."
        return warnings(done.check("The dump failed", remedy=remedy).stderr)

    def entries(self, directory: Path) -> tuple[Entry, ...]:
        """What the dump consists of, as pg_restore reads it back."""
        return tuple(entries(statements(self.programs, directory, self.timeout_seconds)))

    def _run(self, argv: list[str], **options: Any) -> Completed:
        return run(argv, timeout_seconds=self.timeout_seconds, environment=libpq_environment(self.server, self.who), **options)


def statements(programs: Programs, directory: Path, timeout_seconds: float) -> str:
    """The statements that a dump holds: everything but the rows of tables and the bytes of large objects."""
    summary, argv = "The dump cannot be read back", [programs["pg_restore"], str(directory)]
    listed = run([*argv, "--list"], timeout_seconds=timeout_seconds).check(summary).stdout
    wanted = "".join(line for line in listed.splitlines(keepends=True) if not _ROWS.match(line))
    return run([*argv, "--use-list=/dev/stdin", "--file=-"], timeout_seconds=timeout_seconds, input_text=wanted).check(summary).stdout


def without_restrict(sql: str) -> str:
    """SQL without the words that PostgreSQL draws anew for each output."""
    return "".join(line for line in sql.splitlines(keepends=True) if not line.startswith(("\\restrict ", "\\unrestrict ")))


def warnings(stderr: str) -> list[str]:
    """What a program warned of, each with the lines that belong to it."""
    found: list[str] = []
    for line in stderr.splitlines():
        text = line.partition(": ")[2] or line
        if text.startswith(("detail:", "hint:")) and found:
            found[-1] += f" ({text})"
        elif text.strip():
            found.append(text.removeprefix("warning: "))
    return found


def size(directory: Path, *, compressed: bool = True) -> int:
    """Bytes of all files below a directory, of those that are not compressed alone where it is said."""
    return sum(path.lstat().st_size for path in files(directory) if compressed or path.suffix != SUFFIX)


def files(directory: Path) -> Iterator[Path]:
    """All files below a directory, in the order of their names."""
    for path in sorted(directory.iterdir()) if directory.exists() else ():
        if path.is_dir():
            yield from files(path)
        else:
            yield path


def sealed(directory: Path, advance: Callable[[float], None], plain: Mapping[str, Plain]) -> tuple[BackupFile, ...]:
    """Every file with its SHA-256, and what a compressed one holds; each of them, and each directory, has reached the disk."""
    found, done = [], 0
    for path in files(directory):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        held = asdict(plain[path.name]) if path.name in plain else {}
        whole = {f"plain_{key}": value for key, value in held.items()}
        found.append(BackupFile(str(path.relative_to(directory)), path.stat().st_size, hash_file(path), **whole))
        done += found[-1].bytes
        advance(done)
    for path in (directory, *(path for path in directory.rglob("*") if path.is_dir())):
        sync_directory(path)
    return tuple(sorted(found))
