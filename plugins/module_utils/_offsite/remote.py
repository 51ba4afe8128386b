# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory elsewhere, laid out as the local one is: whoever has only it can copy it back and has a directory of backups.

.endpoint-stats-backups.json     whose directory it is
20261125T211700Z/                a copy; its manifest.json comes last, so that one without it is known to be half
records/                         the chain of records and its head
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._errors import OpsError
from .._postgres.chain import CHAIN, HEAD
from .._postgres.manifest import FILE_NAME, Manifest, parse
from .._postgres.opening import MARKER, SCHEMA
from .._postgres.records import Head
from .._postgres.repository import RECORDS, Repository, is_name
from .._postgres.selection import Selection
from .difference import WITHOUT_MANIFEST
from .rclone import Rclone


@dataclass(frozen=True)
class Seen:
    """What lies there; C(copies) are the sizes of the files of each."""

    has_marker: bool = False
    copies: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    records: Mapping[str, int] = field(default_factory=dict)
    strangers: tuple[str, ...] = ()

    @property
    def published(self) -> list[str]:
        """Those with a manifest, the oldest first."""
        return sorted(name for name, files in self.copies.items() if FILE_NAME in files)

    def is_whole(self, name: str, manifest: Manifest) -> bool:
        """Whether all files are there with their sizes, and the manifest."""
        files = self.copies.get(name, {})
        return FILE_NAME in files and all(files.get(file.path) == file.bytes for file in manifest.files)


@dataclass(frozen=True)
class Remote:
    """One directory of copies of one database's backups."""

    rclone: Rclone
    database: str
    owner: str
    selection: Selection | None = None

    def look(self) -> Seen:
        """One question for all of it, and one for whose it is."""
        listed = self.rclone.run(
            "lsjson", "--recursive", "--files-only", "--no-modtime", "--no-mimetype", "--fast-list", self.rclone.path()
        )
        copies: dict[str, dict[str, int]] = {}
        records: dict[str, int] = {}
        others: set[str] = set()
        for entry in json.loads(listed.stdout or "[]"):
            first, _slash, rest = str(entry["Path"]).partition("/")
            if rest and is_name(first):
                copies.setdefault(first, {})[rest] = int(entry["Size"])
            elif rest and first == RECORDS:
                records[rest] = int(entry["Size"])
            else:
                others.add(first)
        seen = Seen(MARKER in others, copies, records, tuple(sorted(others - {MARKER})))
        self._refuse_foreign(seen)
        return seen

    def claim(self, seen: Seen) -> None:
        """Make an empty directory ours."""
        if not seen.has_marker:
            part = {"selection": self.selection.asked} if self.selection and self.selection.asked else {}
            document = {"schema": SCHEMA, "schema_version": 1, "database": self.database, "owner": self.owner, **part}
            self._put(MARKER, (json.dumps(document, sort_keys=True) + "\n").encode())

    def upload(self, path: Path, name: str, *, again: bool = False, advance: Callable[[float], None] | None = None) -> int:
        """All files but the manifest; what is there whole is not sent twice unless `again` says so. Gives the bytes that were sent."""
        words = ["copy", str(path), self.rclone.path(name), WITHOUT_MANIFEST, *(["--ignore-times"] if again else [])]
        return self.rclone.run(*words, advance=advance).bytes

    def publish(self, path: Path, name: str) -> None:
        """The manifest, read back as it arrived."""
        self._put(f"{name}/{FILE_NAME}", (path / FILE_NAME).read_bytes())

    def manifest(self, name: str) -> Manifest:
        """That of a copy; one that cannot be relied on is a ManifestError."""
        return parse(self.text(f"{name}/{FILE_NAME}"), self.rclone.path(name, FILE_NAME))

    def delete(self, name: str) -> None:
        """The manifest first: what is left when this is interrupted is half, and known to be so.

        Not C(purge), which on S3 takes the old versions too: where the bucket keeps them, a deletion can be taken back.
        """
        self.rclone.run("delete", self.rclone.path(name), f"--include=/{FILE_NAME}")
        self.rclone.run("delete", "--rmdirs", self.rclone.path(name), accept=(0, 3))

    def fetch(self, name: str, target: Path, *, advance: Callable[[float], None] | None = None) -> int:
        return self.rclone.run("copy", self.rclone.path(name), str(target), advance=advance).bytes

    def head(self, seen: Seen) -> Head | None:
        """Where the chain of records ended when it was copied last."""
        if HEAD not in seen.records:
            return None
        try:
            said = json.loads(self.text(f"{RECORDS}/{HEAD}"))
            return Head(int(said["length"]), str(said["sha256"]))
        except (ValueError, KeyError, TypeError) as error:
            remedy = "Find out who writes there. Delete it, and the next run puts the records there anew."
            raise OpsError("The head of the records off-site is damaged", where=self.rclone.path(RECORDS, HEAD), remedy=remedy) from error

    def send_records(self, repository: Repository) -> None:
        """The head is read first and sent last: it is never ahead of the chain that is there."""
        records = repository.directory / RECORDS
        contents = {HEAD: (records / HEAD).read_bytes(), CHAIN: (records / CHAIN).read_bytes()}
        for name in (CHAIN, HEAD):
            self._put(f"{RECORDS}/{name}", contents[name])

    def text(self, path: str) -> str:
        return self.rclone.run("cat", self.rclone.path(path)).stdout

    def _put(self, path: str, content: bytes) -> None:
        self.rclone.send(content, self.rclone.path(path))
        if self.text(path).encode() != content:
            remedy = "Run it again; if it stays so, look at the service."
            raise OpsError("What was sent off-site reads otherwise there", where=self.rclone.path(path), remedy=remedy)

    def _refuse_foreign(self, seen: Seen) -> None:
        where = self.rclone.path()
        if not seen.has_marker:
            strangers = [*seen.strangers, *seen.copies, *([RECORDS] if seen.records else [])]
            if strangers:
                remedy = "Name an empty directory, or one that backup_offsite has made."
                summary = "The off-site directory holds what is no copy of ours, so nothing was written there"
                raise OpsError(summary, where=where, cause=_some(strangers), remedy=remedy)
            return
        try:
            said = json.loads(self.text(MARKER))
        except ValueError:
            said = None
        if not isinstance(said, dict) or said.get("schema") != SCHEMA or "owner" not in said:
            remedy = "Look at the copies before you write it anew."
            summary = "The marker of the off-site directory is damaged, or that of a directory of backups themselves"
            raise OpsError(summary, where=self.rclone.path(MARKER), remedy=remedy)
        for word, mine in (("database", self.database), ("owner", self.owner)):
            if mine and said.get(word) != mine:
                summary = f"The off-site directory is of the {word} {said.get(word)!r}, not of {mine!r}"
                raise OpsError(summary, where=where, remedy="Name the directory of this one.")
        found = Selection.parsed(said.get("selection") or {})
        if self.selection is not None and found != self.selection:
            summary, cause = "The off-site directory is of another part of the database", f"there: {found}; here: {self.selection}"
            raise OpsError(summary, where=where, cause=cause, remedy="Name another directory for these.")


def _some(names: Iterable[Any]) -> str:
    shown = sorted(map(str, names))
    return ", ".join(shown[:5]) + (" …" if len(shown) > 5 else "")
