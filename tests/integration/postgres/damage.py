# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can become of a backup: bytes that rot, hands that edit, dumps that lack something although every checksum agrees."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.endpoint_stats.ops.plugins.module_utils._deadline import Deadline
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import load, manifest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.backup_file import BackupFile, hash_file
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.compressed import SUFFIX
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.contents import entries
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.programs import found

from tests.integration.app import servers
from tests.integration.modules import Outcome
from tests.integration.postgres import support
from tests.integration.postgres.support import DATABASE, Place


@dataclass(frozen=True)
class Backup:
    """One backup that may be damaged; C(repository) is the directory it is in."""

    place: Place
    path: Path

    @property
    def repository(self) -> Path:
        return self.path.parent

    def verify(self, room: Path, *, programs: Path | None = None, **options: Any) -> Outcome:
        """The module's own word on it, after it has read all of it."""
        known: dict[str, Any] = {"directory": str(self.repository), "scratch_dir": str(room / "scratch"), "require_passed": False}
        known |= {"recorded_max_age_seconds": 0}
        return self.place.good(self.place.run("pg_backup_verify", {**known, **options}, programs=programs))

    @property
    def manifest(self) -> manifest.Manifest:
        return manifest.load(self.path)

    @property
    def busiest(self) -> str:
        """The table with the most rows: the partition of the month, mostly."""
        return max(self.manifest.tables, key=lambda table: table.rows).name

    def data_file(self, table: str) -> Path:
        """The file that holds the rows of a table."""
        argv = [str(servers.BINARIES / "pg_restore"), "--list", str(self.path / "dump")]
        listed = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
        number = next(line.split(";")[0] for line in listed.splitlines() if f" TABLE DATA public {table} " in line)
        return self.path / "dump" / f"{number}.dat.zst"

    def forge(self, **changes: Any) -> None:
        """A manifest that says something else, and agrees with itself."""
        write(self.path / manifest.FILE_NAME, replace(self.manifest, **changes).render())

    def forge_document(self, **changes: Any) -> None:
        """The same with what no manifest of ours can say."""
        document = json.loads((self.path / manifest.FILE_NAME).read_text()) | changes
        del document["sha256"]
        write(self.path / manifest.FILE_NAME, json.dumps({**document, "sha256": manifest._digest(document)}))

    def reseal(self) -> None:
        """A manifest that agrees with the files as they are now."""
        paths = sorted(path for path in self.path.rglob("*") if path.is_file() and path.name != manifest.FILE_NAME)
        self.forge(files=tuple(self._file(path) for path in paths))

    def _file(self, path: Path) -> BackupFile:
        known = (str(path.relative_to(self.path)), path.stat().st_size, hash_file(path))
        if path.suffix != SUFFIX:
            return BackupFile(*known)
        plain = decompressed(path, check=False)
        return BackupFile(*known, len(plain), hashlib.sha256(plain).hexdigest())

    def replace(self, name: str, change: Callable[[bytes], bytes], *, reseal: bool = False) -> None:
        """Other bytes in a file."""
        path = self.path / name
        before = path.read_bytes()
        after = change(before)
        assert before != after
        path.write_bytes(after)
        if reseal:
            self.reseal()

    def edit_rows(self, table: str, change: Callable[[list[bytes]], list[bytes]]) -> None:
        """Other rows in the dump, with checksums that agree."""
        self.edit_bytes(table, lambda data: b"".join(change(data.splitlines(keepends=True))))

    def edit_bytes(self, table: str, change: Callable[[bytes], bytes]) -> None:
        """Other bytes in what was compressed."""
        path = self.data_file(table)
        before = decompressed(path)
        after = change(before)
        assert before != after
        path.write_bytes(compressed(after))
        self.reseal()

    def graft(self, sql: str, *options: str) -> None:
        """The dump of a database that differs, under the manifest of the one that was backed up."""
        with copied(self.place, sql, self.manifest.database.name) as database:
            dump = self.path / "dump"
            shutil.rmtree(dump)
            where = [f"--host={self.place.directory / 'postgresql'}", f"--port={self.place.postgresql.port}", "--username=admin"]
            argv = [str(servers.BINARIES / "pg_dump"), "--format=directory", f"--file={dump}", "--compress=0", *where, *options, database]
            subprocess.run(argv, check=True, capture_output=True)
            subprocess.run(["zstd", "--quiet", "--rm", *dump.glob("[0-9]*.dat")], check=True)
        for path in (dump, *dump.iterdir()):
            support.own(path)
        self.reseal()

    def believe_dump(self) -> None:
        """A manifest that lists what the dump consists of now."""
        statements = load.statements(found(load.PROGRAMS, servers.MAJOR), self.path / "dump", Deadline(60))
        self.forge(entries=tuple(entries(statements)))


def copy_of(place: Place, repository: Path, room: Path) -> Backup:
    """The one backup of a directory, in a copy of that which may be damaged."""
    copy = room / "backups"
    shutil.copytree(repository, copy, symlinks=True)
    for path in (copy, *copy.rglob("*")):
        support.own(path)
    (path,) = copy.glob("2*")
    return Backup(place, path)


def compressed(data: bytes) -> bytes:
    return subprocess.run(["zstd"], input=data, check=True, capture_output=True).stdout


def decompressed(path: Path, *, check: bool = True) -> bytes:
    """What a file holds, as far as it can be read."""
    return subprocess.run(["zstd", "--decompress", "--stdout", "--quiet", str(path)], check=check, capture_output=True).stdout


def write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    support.own(path)


def flipped(position: int) -> Callable[[bytes], bytes]:
    """One bit of one byte is another."""
    return lambda data: data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


@contextlib.contextmanager
def copied(place: Place, statements: str, original: str = DATABASE) -> Iterator[str]:
    """A copy of the database in which something is otherwise."""
    name = f"{original}_copy"
    place.postgresql.sql(f"CREATE DATABASE {name} TEMPLATE {original} OWNER owner STRATEGY file_copy", "postgres")
    try:
        if statements:
            place.postgresql.sql(statements, name)
        yield name
    finally:
        place.postgresql.sql(f"DROP DATABASE {name} WITH (FORCE)", "postgres")
