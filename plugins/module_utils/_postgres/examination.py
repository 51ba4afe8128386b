# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One backup being examined: its manifest, its files, what its dump consists of, and what a restore of it would need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .._deadline import Deadline
from .._errors import OpsError
from .._progress import Progress
from . import compare, compressed, encryption, files, load, manifest, scratch, scratch_place, sealing, signing
from .dump import DUMP, GLOBALS
from .load_error import LoadError
from .manifest import Manifest, ManifestError
from .programs import NEWEST_KNOWN, Programs, nearest
from .verdict import CHECKSUM, FULL, PASSED, Asked, Seen


@dataclass(frozen=True)
class Examination:
    """One backup being examined."""

    path: Path
    asked: Asked
    progress: Progress
    deadline: Deadline
    seen: Seen
    then: Callable[[load.Loader], None] | None = None

    @property
    def manifest(self) -> Manifest:
        if self.seen.manifest is None:
            raise ManifestError("The manifest was not read")
        return self.seen.manifest

    @property
    def needs(self) -> scratch_place.Needs:
        asked, size = self.asked, self.manifest.database_bytes
        return scratch_place.Needs(size, len(self.manifest.entries), asked.jobs, asked.scratch_max_bytes, asked.scratch_niceness)

    @property
    def scratch_directory(self) -> Path:
        return scratch_place.place(self.asked.scratch_dir, self.needs)

    def identity(self) -> None:
        """The manifest can be relied on, and is of the backup, the database and the server that it should be of."""
        self.progress.phase("manifest")
        found = self.seen.manifest = manifest.load(self.path)
        trusted = signing.key(self.asked.manifest_key_file)
        self.seen.differences += signing.differences(found, trusted, accept_unsigned=self.asked.accept_unsigned)
        if found.id != self.path.name:
            self.seen.differ("other_backup", manifest.FILE_NAME, self.path.name, found.id)
        if found.database.name != self.asked.database:
            self.seen.differ("other_database", manifest.FILE_NAME, self.asked.database, found.database.name)
        if self.asked.selection is not None and found.asked != self.asked.selection:
            self.seen.differ("other_selection", manifest.FILE_NAME, str(self.asked.selection), str(found.asked))
        identifier = self.asked.expected_system_identifier
        if identifier and found.server.system_identifier != identifier:
            self.seen.differ("other_server", manifest.FILE_NAME, identifier, found.server.system_identifier)

    def roles(self) -> str | None:
        """The statements that make the roles; none where they are encrypted and nobody gave what opens them."""
        encrypted, keys = sealing.sealed(self.path), self.asked.keys
        if encrypted is None:
            return (self.path / GLOBALS).read_text(encoding="utf-8", errors="replace")
        self.seen.roles_unseen = not keys.of(encrypted.name)
        try:
            return None if self.seen.roles_unseen else keys.decrypt(encrypted).decode(errors="replace")
        except encryption.DamagedError as error:
            raise LoadError("roles", encrypted.name, error) from error

    def files(self, *, read: bool) -> None:
        """Every file is there, whole, and no other one; `read` also reads them."""
        self.progress.phase("files", self.manifest.bytes, "bytes")
        found = files.compare(self.path, self.manifest, self.advance if read else None)
        self.seen.differences += found.differences
        self.seen.checked.update(files=found.files, bytes=found.bytes)

    def clients(self, server: int = 0) -> Programs:
        """The programs of the version that made the dump, or newer ones where there are none, which read it alike.

        Another one may write the same structure in other words, and one that is older than the C(server) does not read it."""
        return nearest(load.PROGRAMS, max(self.manifest.dumped_by, server), newest=NEWEST_KNOWN)

    def server_programs(self) -> Programs:
        """Those of the release of the server that was backed up; newer ones where there are none, if that is accepted."""
        compressed.program()
        major = self.manifest.server.major
        try:
            return nearest(scratch.PROGRAMS, major, newest=NEWEST_KNOWN if self.asked.accept_newer_server else major)
        except OpsError as error:
            error.remedy += "" if self.asked.accept_newer_server else " With accept_newer_server a newer release does."
            raise

    def statements(self, clients: Programs) -> str:
        """The dump consists of what the manifest says."""
        self.progress.phase("contents")
        text = load.statements(clients, self.path / DUMP, self.deadline)
        self.seen.add(compare.dumped(self.manifest, text), "entries")
        if clients.version != self.manifest.pg_dump_version:
            self.seen.note = f" (dumped by version {self.manifest.pg_dump_version}, read by {clients.version})"
        return text

    def refuse(self) -> None:
        if refused := scratch_place.refusal(self.scratch_directory, self.needs):
            raise refused

    def complete(self) -> None:
        """What was not looked at is not good."""
        wanted = {"files": len(self.manifest.files), "bytes": self.manifest.bytes, "entries": len(self.manifest.entries)}
        if self.asked.level != CHECKSUM:
            wanted |= {"tables": len(self.manifest.tables), "rows": self.manifest.rows}
        lacking = [f"{self.seen.checked[what]} of {number} {what}" for what, number in wanted.items() if self.seen.checked[what] != number]
        if lacking and not self.seen.differences:
            raise OpsError("Not everything was looked at", cause=", ".join(lacking))
        if self.seen.roles_unseen and self.asked.level == FULL and not self.seen.differences:
            encrypted = sealing.named(file.path for file in self.manifest.files)
            cause, remedy = f"{encrypted} is encrypted", sealing.remedy(encrypted)
            raise OpsError("The roles were not looked at; everything else is as it should be", cause=cause, remedy=remedy)
        self.seen.verdict = PASSED

    def advance(self, done: float) -> None:
        self.deadline.left()
        self.progress.advance(done)
