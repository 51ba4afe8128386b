# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory of backups of one database.

.endpoint-stats-backups.json     whose directory it is
.lock                            held while one is written or deleted
20261125T211700Z/                a backup: manifest.json, dump/, globals.sql, RESTORE.md
.incomplete-20261125T211700Z/    one that is being written, or was when its run was killed
.deleting-20261125T211700Z/      one that is being deleted, or was
records/20261125T211700Z.jsonl   what verifications said of it, one line each
records/deletions.jsonl          what was deleted, when and why
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .._errors import OpsError
from .._files import Wanted, sync_directory, write
from .._lock import claimed, held, in_use, refuse_held

MARKER = ".endpoint-stats-backups.json"
LOCK = ".lock"
RECORDS = "records"
PROVING_LEVELS = ("data", "constraints", "full")
_SCHEMA = "endpoint_stats.pg_backups"
_ID = re.compile(r"\d{8}T\d{6}Z\Z")
_LEFTOVER = re.compile(r"\.(?:incomplete|deleting)-\d{8}T\d{6}Z\Z")
_MADE_BY_FILE_SYSTEMS = {"lost+found"}
_CLOCK_SECONDS = 5


@dataclass(frozen=True)
class Repository:
    """Use `opened`, which refuses what is no directory of ours."""

    directory: Path
    database: str

    def backups(self) -> list[str]:
        """Names of the published backups, the oldest first."""
        return sorted(path.name for path in self._paths() if _ID.match(path.name))

    def leftovers(self) -> list[Path]:
        """What killed runs have left; only for who holds the lock, as a living run's looks the same."""
        return sorted(path for path in self._paths() if _LEFTOVER.match(path.name))

    def new_name(self) -> str:
        """The time, as a name that no backup has had; only for who holds the lock."""
        newest = max((*self.backups(), *(path.name[-16:] for path in self.leftovers()), *self._deleted()), default="")
        deadline = time.monotonic() + _CLOCK_SECONDS
        while (name := datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")) <= newest:
            if time.monotonic() > deadline:
                remedy = "Set the clock of the host, or move the backups with wrong names to another directory."
                cause = f"it is {name} by the clock, the newest backup is {newest}"
                raise OpsError("The newest backup is of the future", where=str(self.directory), cause=cause, remedy=remedy)
            time.sleep(0.1)
        return name

    def path(self, backup: str) -> Path:
        if not _ID.match(backup):
            raise OpsError(f"{backup!r} is no name of a backup", remedy=f"There are {', '.join(self.backups()) or 'none'}.")
        return self.directory / backup

    @contextmanager
    def reading(self, backup: str) -> Iterator[Path]:
        """The directory of a backup, which nobody deletes meanwhile."""
        path = self.path(backup)
        with ExitStack() as stack:
            try:
                stack.enter_context(in_use(path))
            except OSError as error:
                remedy = "Choose another one; a newer backup may just have taken its place."
                raise OpsError(f"The backup {backup} cannot be read", where=str(path), cause=str(error.strerror), remedy=remedy) from error
            yield path

    def incomplete(self, backup: str) -> Path:
        return self.directory / f".incomplete-{backup}"

    @contextmanager
    def locked(self, operation: str, wait_seconds: float = 0) -> Iterator[None]:
        """Nobody else writes or deletes."""
        with held(self.directory / LOCK, operation=operation, wait_seconds=wait_seconds):
            yield

    def refuse_locked(self, operation: str) -> None:
        """What `locked` would say now, without a trace on disk."""
        refuse_held(self.directory / LOCK, operation=operation)

    def publish(self, backup: str) -> Path:
        """Give a backup, whose files are on disk, its final name."""
        final = self.path(backup)
        self.incomplete(backup).rename(final)
        sync_directory(self.directory)
        return final

    def delete(self, backup: str, why: str) -> bool:
        """Delete a backup unless somebody reads it; the deletion is on record before it begins."""
        path = self.path(backup)
        with claimed(path) as free:
            if not free:
                return False
            self._append("deletions", {"backup": backup, "why": why, "at": now()})
            doomed = self.directory / f".deleting-{backup}"
            path.rename(doomed)
        sync_directory(self.directory)
        shutil.rmtree(doomed)
        return True

    def record(self, backup: str, verification: Mapping[str, Any]) -> None:
        """Keep what a verification said."""
        self._append(self.path(backup).name, verification)

    def verifications(self, backup: str) -> list[dict[str, Any]]:
        """What verifications said, the oldest first; a line that a killed run left half is passed over."""
        return self._records(self.path(backup).name)

    def is_proven(self, backup: str, manifest_sha256: str = "") -> bool:
        """Whether the newest verdict at a level that restores it was C(passed), and none after it says that it failed.

        With the SHA-256 of its manifest it also has to be the verdict on that one: a backup that was changed since has another.
        """
        judged = [entry for entry in self.verifications(backup) if entry.get("verdict") in ("passed", "failed")]
        restored = [entry for entry in judged if entry["verdict"] == "failed" or entry.get("level") in PROVING_LEVELS]
        passed = bool(restored) and restored[-1]["verdict"] == "passed"
        return passed and (not manifest_sha256 or restored[-1].get("manifest_sha256") == manifest_sha256)

    def _paths(self) -> Iterator[Path]:
        """None where a check looks at a directory that is made later."""
        if self.directory.exists():
            yield from self.directory.iterdir()

    def _deleted(self) -> list[str]:
        return [name for entry in self._records("deletions") if _ID.match(name := str(entry.get("backup")))]

    def _records(self, name: str) -> list[dict[str, Any]]:
        path = self.directory / RECORDS / f"{name}.jsonl"
        lines = path.read_bytes().split(b"\n") if path.exists() else []
        return [found for line in lines if isinstance(found := _parsed(line), dict)]

    def _append(self, name: str, entry: Mapping[str, Any]) -> None:
        records = self.directory / RECORDS
        records.mkdir(mode=0o700, exist_ok=True)
        line = json.dumps(entry, sort_keys=True, ensure_ascii=False) + "\n"
        descriptor = os.open(records / f"{name}.jsonl", os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "ab") as stream:
            # Half a line of a killed run must not swallow this one.
            length = os.fstat(descriptor).st_size
            if length and os.pread(descriptor, 1, length - 1) != b"\n":
                stream.write(b"\n")
            stream.write(line.encode())
            stream.flush()
            os.fsync(stream.fileno())
        sync_directory(records)


def opened(directory: str, database: str, *, create: bool = False, check: bool = False) -> Repository:
    """The backups of a database; `create` makes an empty or absent directory one of them, `check` only says whether that could be done."""
    path = Path(directory)
    try:
        names = {entry.name for entry in path.iterdir()} if path.exists() else set()
    except OSError as error:
        raise OpsError("The directory of backups could not be read", where=directory, cause=str(error.strerror)) from error
    if MARKER in names:
        _refuse_other(path, database)
    elif strangers := sorted(names - _MADE_BY_FILE_SYSTEMS - {LOCK}):
        shown = ", ".join(strangers[:5]) + (" …" if len(strangers) > 5 else "")
        remedy = "Name an empty directory, or one that pg_backup has made."
        raise OpsError(
            "The directory holds what is no backup of ours, so nothing was written there", where=directory, cause=shown, remedy=remedy
        )
    elif not create:
        raise OpsError(
            "There is no backup", where=directory, remedy="Run the playbook endpoint_stats.ops.backup, or name another directory."
        )
    elif not check:
        _make(path, database)
    if create:
        _refuse_unwritable(path)
    return Repository(path, database)


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _refuse_unwritable(path: Path) -> None:
    existing = path if path.exists() else path.parent
    if not existing.is_dir():
        raise OpsError("The directory of backups has no parent", where=str(path), remedy="Make its parent, or name another directory.")
    if not os.access(existing, os.W_OK | os.X_OK):
        remedy = "Give the user that runs the backup the right to write there."
        raise OpsError("The directory of backups is not writable", where=str(existing), remedy=remedy)


def _make(path: Path, database: str) -> None:
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        remedy = "Make its parent, or name another directory; it has to be writable."
        raise OpsError("The directory of backups could not be made", where=str(path), cause=str(error.strerror), remedy=remedy) from error
    document = {"schema": _SCHEMA, "schema_version": 1, "database": database}
    write(Wanted(path / MARKER, 0o600, (json.dumps(document, sort_keys=True) + "\n").encode()))


def _refuse_other(path: Path, database: str) -> None:
    found = _parsed((path / MARKER).read_bytes())
    if not isinstance(found, dict) or found.get("schema") != _SCHEMA:
        raise OpsError(
            "The directory's marker is damaged", where=str(path / MARKER), remedy="Look at the backups before you write it anew."
        )
    if found.get("database") != database:
        raise OpsError(
            f"The directory holds backups of {found.get('database')!r}, not of {database!r}",
            where=str(path),
            remedy="Name the directory of this database.",
        )


def _parsed(line: bytes) -> Any:
    """The document, or none where the bytes are not one."""
    try:
        return json.loads(line)
    except ValueError:
        return None
