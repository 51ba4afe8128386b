# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory of backups of one database, all of the same part of it where they are not of all of it.

.endpoint-stats-backups.json     whose directory it is, and what was asked for of the database
.lock                            held while one is written or deleted
20261125T211700Z/                a backup: manifest.json, dump/, globals.sql, RESTORE.md
.incomplete-20261125T211700Z/    one that is being written, or was when its run was killed
.deleting-20261125T211700Z/      one that is being deleted, or was
records/                         what verifications said, what was deleted and why, in one chain: see chain.py
records/20261125T211700Z.pin     the reason why this backup is not deleted
"""

from __future__ import annotations

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
from . import chain
from .records import Records
from .selection import WHOLE, Selection

LOCK = ".lock"
RECORDS = "records"
PIN = ".pin"
_ID = re.compile(r"\d{8}T\d{6}Z\Z")
_LEFTOVER = re.compile(r"\.(?:incomplete|deleting)-\d{8}T\d{6}Z\Z")
_CLOCK_SECONDS = 5
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class Repository:
    """Use `opening.opened`, which refuses what is no directory of ours."""

    directory: Path
    database: str
    selection: Selection = WHOLE

    @property
    def labels(self) -> dict[str, str]:
        """Of its numbers: those of a part are never taken for those of the database."""
        return {"database": self.database, **({} if self.selection == WHOLE else {"selection": "partial"})}

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

    def delete(self, backup: str, why: str, **evidence: Any) -> str:
        """Delete a backup, which is on record before it begins, or say why it stays."""
        path = self.path(backup)
        with claimed(path) as free:
            if not free:
                return "somebody reads it"
            if backup in self.pins():
                return "somebody has pinned it"
            chain.append(self._records, "deletion", backup, {"why": why, **evidence})
            doomed = self.directory / f".deleting-{backup}"
            path.rename(doomed)
        sync_directory(self.directory)
        shutil.rmtree(doomed)
        return ""

    def pins(self) -> dict[str, str]:
        """Backups that nobody deletes, with the reason: the text of a file, which also a hand can write."""
        files = self._records.glob(f"*{PIN}") if self._records.is_dir() else ()
        return {path.name.removesuffix(PIN): _text(path) for path in sorted(files) if _ID.match(path.name.removesuffix(PIN))}

    def pin(self, backup: str, reason: str) -> None:
        """Keep a backup from being deleted, whatever the rules say."""
        with self.reading(backup):
            chain.append(self._records, "pin", backup, {"reason": reason})
            write(Wanted(self._records / f"{backup}{PIN}", 0o600, f"{reason}\n".encode()))

    def unpin(self, backup: str, reason: str) -> None:
        """Leave a backup to the rules again."""
        chain.append(self._records, "unpin", backup, {"reason": reason})
        (self._records / f"{backup}{PIN}").unlink(missing_ok=True)
        sync_directory(self._records)

    def record(self, backup: str, verification: Mapping[str, Any]) -> None:
        """Keep what a verification said."""
        chain.append(self._records, "verification", self.path(backup).name, verification)

    def record_offsite(self, backup: str, what: Mapping[str, Any]) -> None:
        """Keep what was done to the copy of a backup that is elsewhere."""
        chain.append(self._records, "offsite", self.path(backup).name, what)

    def note_restore(self, backup: str, seconds: Mapping[str, float]) -> None:
        """Keep how long a real restore took, for forecasts."""
        entry = {"duration_seconds": round(sum(seconds.values()), 3), "seconds": dict(seconds)}
        chain.append(self._records, "restore", self.path(backup).name, entry)

    def records(self) -> Records:
        """What happened to the backups. Who asks for many of them reads it once."""
        return chain.read(self._records)

    def is_proven(self, backup: str, manifest_sha256: str = "") -> bool:
        return self.records().is_proven(backup, manifest_sha256)

    def _paths(self) -> Iterator[Path]:
        """None where a check looks at a directory that is made later."""
        if self.directory.exists():
            yield from self.directory.iterdir()

    def _deleted(self) -> list[str]:
        return [name for entry in self.records().of("deletion") if _ID.match(name := str(entry.get("backup")))]

    @property
    def _records(self) -> Path:
        return self.directory / RECORDS


def is_name(text: str) -> bool:
    """Whether a backup may be called so."""
    return bool(_ID.match(text))


def _text(path: Path) -> str:
    """What a file says, whoever wrote it."""
    try:
        return " ".join(path.read_text(encoding="utf-8", errors="replace").split())[:_SHOWN_CHARACTERS] or "no reason is given"
    except OSError as error:
        return f"its reason could not be read: {error.strerror}"
