# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a backup good? Looked at byte by byte, restored on a server that is thrown away, compared, judged."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .._deadline import Deadline
from .._errors import OpsError, of_system
from .._progress import Progress
from . import (
    accounts,
    amcheck,
    archive,
    compare,
    compressed,
    content,
    encryption,
    files,
    indexes,
    load,
    manifest,
    ranges,
    scratch,
    sequence_values,
    signing,
    snapshot,
)
from .compare import Comparison
from .compressed import DamagedFileError
from .connection import session
from .contents import EntryDifference
from .dump import DUMP, ENCRYPTED_GLOBALS, GLOBALS
from .load_error import LoadError
from .manifest import Manifest, ManifestError
from .programs import NEWEST_KNOWN, Programs, nearest
from .reading import Opened
from .selection import Selection

LEVELS = CHECKSUM, DATA, CONSTRAINTS, FULL = ("checksum", "data", "constraints", "full")
_MOST_NICENESS = 19
# What pg_restore is told where indexes and constraints meet the rows.
_OF_ROWS = re.compile(r" violates |could not create unique index|conflicting key value|is violated by some row|contains null values")
VERDICTS = PASSED, FAILED, UNKNOWN = ("passed", "failed", "could_not_verify")
STRUCTURES = EXACT, STRUCTURAL = ("exact", "structural")
COUNTED = ("files", "bytes", "entries", "tables", "rows", "views", "sequences", "indexes_parsed", "relations_examined")


@dataclass(frozen=True)
class Asked:
    """How a backup is looked at; the names are those of the module's options, C(selection) is that of the directory."""

    level: str
    database: str
    expected_system_identifier: str
    scratch_dir: str
    jobs: int
    timeout_seconds: float
    manifest_key_file: str = ""
    accept_unsigned: bool = False
    amcheck: bool = False
    scratch_max_bytes: int = 0
    globals_identity_file: str = ""
    scratch_niceness: int = 0
    selection: Selection | None = None
    accept_newer_server: bool = False

    def __post_init__(self) -> None:
        for name in ("jobs", "timeout_seconds"):
            if getattr(self, name) < 1:
                raise OpsError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0 <= self.scratch_niceness <= _MOST_NICENESS:
            raise OpsError(f"scratch_niceness must be between 0 and {_MOST_NICENESS}, not {self.scratch_niceness}")
        if self.scratch_max_bytes < 0:
            raise OpsError(f"scratch_max_bytes must be at least 0, not {self.scratch_max_bytes}")
        if self.amcheck and self.level != FULL:
            raise OpsError(f"amcheck looks at the indexes of level {FULL}", remedy=f"Verify at level {FULL}, or without amcheck.")


@dataclass
class Seen:
    """What was seen of a backup. Without differences and without a reason, and with all of it looked at, it is good.

    C(odd) is what deserves a word and speaks against the database rather than the backup, C(note) is what may explain differences.
    C(rewritten) is what another release of PostgreSQL writes in other words, C(scratch_version) the one that it was restored on.
    """

    verdict: str = ""
    reason: str = ""
    differences: list[EntryDifference] = field(default_factory=list)
    checked: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))
    manifest: Manifest | None = None
    odd: list[EntryDifference] = field(default_factory=list)
    note: str = ""
    roles_unseen: bool = False
    scratch_version: str = ""
    across: bool = False
    structure: str = ""
    rewritten: list[EntryDifference] = field(default_factory=list)

    def add(self, comparison: Comparison, what: str) -> None:
        self.differences += comparison.differences
        self.checked[what] += comparison.checked

    def differ(self, kind: str, subject: str, expected: str, found: str) -> None:
        self.differences.append(EntryDifference(kind, subject, expected, found))


def examine(path: Path, asked: Asked, progress: Progress, then: Callable[[load.Loader], None] | None = None) -> Seen:
    """Look at a backup and judge it; C(then) gets the server while it is there, once everything in it was found to be as it was."""
    return _judged(path, asked, progress, lambda examination: _look(replace(examination, then=then)))


def foresee(path: Path, asked: Asked, progress: Progress) -> Seen:
    """What can be said of a backup, and of the chance to examine it, without reading or starting much: no verdict where all is well."""
    return _judged(path, asked, progress, _glance)


def _judged(path: Path, asked: Asked, progress: Progress, look: Callable[[_Examination], None]) -> Seen:
    return judged(progress, lambda seen: look(_Examination(path, asked, progress, Deadline(asked.timeout_seconds), seen)))


def judged(progress: Progress, look: Callable[[Seen], None]) -> Seen:
    """What was seen with its verdict: what differs has failed, what kept from looking leaves it unknown."""
    seen = Seen()
    try:
        look(seen)
    except ManifestError as error:
        seen.differ("manifest", manifest.FILE_NAME, "one that can be relied on", _told(error))
    except LoadError as error:
        seen.differ(error.kind, error.part, "no error", _told(error))
    except DamagedFileError as error:
        seen.differ(error.kind, error.path, error.expected, error.found)
    except OpsError as error:
        seen.reason = str(error)
    except OSError as error:
        seen.reason = str(of_system(error))
    finally:
        progress.end()
    if seen.differences:
        seen.verdict, seen.reason = FAILED, _first(seen.differences) + seen.note
    elif seen.reason:
        seen.verdict = UNKNOWN
    return seen


@dataclass(frozen=True)
class _Loaded:
    """Rows that were loaded, what follows them, and the name of the copy without rows, empty for none."""

    dump: archive.Archive
    following: indexes.Following
    twin: str


@dataclass(frozen=True)
class _Examination:
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
    def needs(self) -> scratch.Needs:
        asked, size = self.asked, self.manifest.database_bytes
        return scratch.Needs(size, len(self.manifest.entries), asked.jobs, asked.scratch_max_bytes, asked.scratch_niceness)

    @property
    def scratch_directory(self) -> Path:
        return scratch.place(self.asked.scratch_dir, self.needs)

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

    def files(self, *, read: bool) -> None:
        """Every file is there, whole, and no other one; `read` also reads them."""
        self.progress.phase("files", self.manifest.bytes, "bytes")
        found = files.compare(self.path, self.manifest, self._advance if read else None)
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
        if refused := scratch.refusal(self.scratch_directory, self.needs):
            raise refused

    def restored(self, statements: str) -> None:
        """The backup restores on a server of its own, and what is there then is what was there."""
        programs = self.server_programs()
        clients = self.clients(programs.major)
        self.refuse()
        self.seen.scratch_version = programs.version
        self.seen.across = (programs.major, clients.major) != (self.manifest.server.major, self.manifest.dumped_by)
        self.progress.phase("server")
        with scratch.running(self.scratch_directory, programs, self.needs, self.deadline) as server:
            loader = load.Loader(clients, server.server, server.who, self.deadline)
            try:
                with archive.opened(self.path, self.manifest.files, clients, self.deadline, server.log.parent) as opened:
                    if self._prepared(loader):
                        self._compared(loader, statements, self._loaded(loader, opened))
                        self._located(loader)
                if self.then and not self.seen.differences:
                    self.complete()
                    self.then(loader)
            except OpsError as error:
                lacking = (
                    server.trouble()
                    or self._lost_with_the_roles(error)
                    or self._lost_with_the_release(error, programs)
                    or (error.cause if isinstance(error, LoadError) and error.here else "")
                )
                if not lacking:
                    raise
                raise scratch.NoScratchError("The scratch server cannot hold this backup", cause=lacking) from error

    def _lost_with_the_roles(self, error: OpsError) -> str:
        """Tablespaces are made together with the roles: without those, a restore into one fails and says nothing."""
        return error.cause if self.seen.roles_unseen and "tablespace" in error.cause else ""

    def _lost_with_the_release(self, error: OpsError, programs: Programs) -> str:
        """Statements that a newer release no longer takes, its own may; rows that contradict each other do so on any."""
        is_newer = programs.major > self.manifest.server.major
        told = is_newer and isinstance(error, LoadError) and error.part in (DUMP, GLOBALS) and not _OF_ROWS.search(error.cause)
        return error.cause if told else ""

    def _prepared(self, loader: load.Loader) -> bool:
        """Roles first, as objects and grants name them; without them a restore is not begun."""
        facts = self.manifest.database
        self.progress.phase("roles")
        sql = self._roles()
        if sql is not None:
            loader.globals(sql)
        with self._session(loader, "template1") as connection:
            if sql is None:
                load.stand_in(connection, self.manifest)
            else:
                made = [account for account in accounts.accounts(connection) if account.name != loader.who.username]
                self.seen.differences += accounts.differences(self.manifest.accounts, made)
            if extensions := load.missing_extensions(connection, self.manifest):
                remedy = f"Install what postgresql-{self.manifest.server.major} needs for them where the verification runs."
                raise scratch.NoScratchError("The scratch server lacks extensions", cause=", ".join(extensions), remedy=remedy)
            if self.seen.differences:
                return False
            # The server is new: the only database that may be there is the one that every server has.
            connection.execute("DROP DATABASE postgres")
            load.create_database(connection, facts)
        return True

    def _loaded(self, loader: load.Loader, opened: archive.Archive) -> _Loaded:
        """The rows, and a copy that has none of them where the level wants one."""
        self.progress.phase("restore", self.manifest.database_bytes, "bytes")
        following = self._following(loader, opened)
        twin = f"twin_{secrets.token_hex(4)}" if following.parsed else ""
        with self._session(loader, "template1") as connection:
            how = load.How(self.asked.jobs, self._growing(connection), fleeting=True, twin=twin)
            loader.load(opened, self.manifest.database.name, how)
        return _Loaded(opened, following, twin)

    def _indexed(self, loader: load.Loader, loaded: _Loaded, connection: Any) -> compare.Twin:
        """As far as the level says; gives what was made in a copy that has no rows."""
        self.progress.phase("indexes", self.manifest.database_bytes, "bytes")
        how, following = load.How(self.asked.jobs, self._growing(connection)), loaded.following
        for lines in following.stages:
            loader.finish(loaded.dump, lines, self.manifest.database.name, how)
        loader.finish(loaded.dump, following.parsed, loaded.twin, how)
        self.seen.checked["indexes_parsed"] = following.parsed_indexes
        return compare.Twin(following.parsed_entries, loader.structure(loaded.twin) if loaded.twin else "")

    def _growing(self, connection: Any) -> Callable[[], None]:
        """Tells how far it is by the size of the database."""
        name, expected = self.manifest.database.name, self.manifest.database_bytes

        def watch() -> None:
            size = connection.execute("SELECT pg_database_size(%s) AS bytes", [name]).fetchone()["bytes"]
            self._advance(min(size, expected))

        return watch

    def _roles(self) -> str | None:
        """The statements that make the roles; none where they are encrypted and nobody gave the identity."""
        encrypted, identity = self.path / ENCRYPTED_GLOBALS, self.asked.globals_identity_file
        if not encrypted.exists():
            return (self.path / GLOBALS).read_text(encoding="utf-8", errors="replace")
        self.seen.roles_unseen = not identity
        try:
            return encryption.decrypt(encrypted, identity).decode(errors="replace") if identity else None
        except encryption.DamagedError as error:
            raise LoadError("roles", ENCRYPTED_GLOBALS, error) from error

    def _following(self, loader: load.Loader, opened: archive.Archive) -> indexes.Following:
        if self.asked.level == CONSTRAINTS:
            return indexes.breakable(opened, loader.programs, self.deadline)
        return indexes.everything(opened) if self.asked.level == FULL else indexes.Following(())

    def _compared(self, loader: load.Loader, statements: str, loaded: _Loaded) -> None:
        """Rows are read while indexes are made, as neither uses all of a machine."""

        def opened() -> AbstractContextManager[Any]:
            return self._session(loader, self.manifest.database.name)

        with opened() as connection:
            if otherwise := compare.known_answers(connection, self.manifest.known_answers):
                cause = f"samples of {', '.join(otherwise)}"
                raise scratch.NoScratchError("The scratch server computes otherwise than the one that was backed up", cause=cause)
        with opened() as connection:
            twin = self._content(loader, loaded, connection, opened)
            self.progress.phase("sequences")
            self.seen.add(sequence_values.sequences(connection, statements, self._advance), "sequences")
            self.seen.odd += sequence_values.since_snapshot(self.manifest, statements)
            if self.asked.level != DATA:
                # Without their indexes, tables would be read once more for it.
                self.seen.odd += sequence_values.behind(connection, self._advance)
        if self.asked.level == DATA:
            return
        self.progress.phase("structure")
        structure = compare.structure(statements, loader.structure(self.manifest.database.name), twin, across=self.seen.across)
        self.seen.differences += structure.differences
        self.seen.structure, self.seen.rewritten = STRUCTURAL if self.seen.across else EXACT, list(structure.odd)
        if self.asked.amcheck:
            self.progress.phase("amcheck")
            with opened() as connection:
                self.seen.add(amcheck.examined(connection, self._advance), "relations_examined")

    def _content(self, loader: load.Loader, loaded: _Loaded, connection: Any, opened: Opened) -> compare.Twin:
        twins: list[compare.Twin] = []
        present = snapshot.asked(connection)

        def meanwhile() -> None:
            twins.append(self._indexed(loader, loaded, connection))
            self.progress.phase("rows", sum(question.bytes for question in present.all), "bytes")

        tables = compare.tables(self.manifest.tables, present.tables, opened, self.asked.jobs, self._advance, meanwhile=meanwhile)
        self.seen.add(tables, "tables")
        self.seen.checked["rows"] += tables.rows
        self.seen.odd += tables.odd
        what = [content.LARGE_OBJECTS, *([] if self.asked.level == DATA else [content.LARGE_OBJECT_RIGHTS])]
        self.seen.differences += compare.large_objects(self.manifest, present, opened, what).differences
        if self.asked.level == FULL:
            self.seen.add(compare.views(connection, self.manifest), "views")
        return twins[0]

    def _located(self, loader: load.Loader) -> None:
        """Which rows of the tables that differ; that they do is known already, whatever becomes of this."""
        try:
            tables, database = self.manifest.tables, self.manifest.database.name
            self.seen.differences = ranges.located(self.seen.differences, tables, lambda: self._session(loader, database))
        except OpsError as error:
            self.seen.note += f" (which rows, could not be told: {error.summary})"

    def complete(self) -> None:
        """What was not looked at is not good."""
        wanted = {"files": len(self.manifest.files), "bytes": self.manifest.bytes, "entries": len(self.manifest.entries)}
        if self.asked.level != CHECKSUM:
            wanted |= {"tables": len(self.manifest.tables), "rows": self.manifest.rows}
        lacking = [f"{self.seen.checked[what]} of {number} {what}" for what, number in wanted.items() if self.seen.checked[what] != number]
        if lacking and not self.seen.differences:
            raise OpsError("Not everything was looked at", cause=", ".join(lacking))
        if self.seen.roles_unseen and self.asked.level == FULL and not self.seen.differences:
            cause, remedy = f"{ENCRYPTED_GLOBALS} is encrypted", "Name the identity with globals_identity_file."
            raise OpsError("The roles were not looked at; everything else is as it should be", cause=cause, remedy=remedy)
        self.seen.verdict = PASSED

    def _session(self, loader: load.Loader, database: str) -> AbstractContextManager[Any]:
        return session(replace(loader.server, database=database, timeout_seconds=scratch.timeout(self.deadline)), loader.who)

    def _advance(self, done: float) -> None:
        self.deadline.left()
        self.progress.advance(done)


def _look(examination: _Examination) -> None:
    examination.identity()
    examination.files(read=True)
    if examination.seen.differences:
        return
    statements = examination.statements(examination.clients())
    if examination.asked.level != CHECKSUM and not examination.seen.differences:
        examination.restored(statements)
    examination.complete()


def _glance(examination: _Examination) -> None:
    examination.identity()
    examination.files(read=False)
    if examination.seen.differences:
        return
    examination.clients()
    if examination.asked.level != CHECKSUM:
        examination.server_programs()
        examination.refuse()


def _first(differences: list[EntryDifference]) -> str:
    first = differences[0]
    others = f", and {len(differences) - 1} more" if len(differences) > 1 else ""
    return f"{first.line}{others}"


def _told(error: OpsError) -> str:
    return f"{error.summary}: {error.cause}" if error.cause else error.summary
