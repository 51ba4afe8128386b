# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup, restored on a server that is thrown away, and compared with what its manifest says."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from .._errors import OpsError
from .._progress import Progress
from . import accounts, amcheck, archive, compare, content, encryption, indexes, load, ranges, scratch, sequence_values, snapshot
from .connection import session
from .dump import DUMP, ENCRYPTED_GLOBALS, GLOBALS
from .examination import Examination
from .load_error import LoadError
from .manifest import Manifest
from .programs import Programs
from .reading import Opened
from .scratch_place import NoScratchError
from .verdict import CONSTRAINTS, DATA, EXACT, FULL, STRUCTURAL, Asked, Seen

# What pg_restore is told where indexes and constraints meet the rows.
_OF_ROWS = re.compile(r" violates |could not create unique index|conflicting key value|is violated by some row|contains null values")


@dataclass(frozen=True)
class Begun:
    """The server that a backup will be restored on, or what keeps from having one."""

    server: scratch.Making | None
    error: OpsError | None = None

    @property
    def making(self) -> scratch.Making:
        if self.server is None:
            raise self.error or NoScratchError("No scratch server was begun")
        return self.server


@contextmanager
def begun(examination: Examination) -> Iterator[Begun]:
    """Begin to make a server; what keeps from it is raised when the server is asked for: of a damaged backup nobody does."""
    with ExitStack() as stack:
        try:
            programs = examination.server_programs()
            examination.refuse()
            started = scratch.making(examination.scratch_directory, programs, examination.needs, examination.deadline)
            found = Begun(stack.enter_context(started))
        except OpsError as error:
            found = Begun(None, error)
        yield found


def restored(examination: Examination, statements: str, making: scratch.Making) -> None:
    """The backup restores on a server of its own, and what is there then is what was there."""
    programs = making.programs
    clients = examination.clients(programs.major)
    examination.seen.scratch_version = programs.version
    examination.seen.across = (programs.major, clients.major) != (examination.manifest.server.major, examination.manifest.dumped_by)
    examination.progress.phase("server")
    with scratch.running(making) as server:
        loader = load.Loader(clients, server.server, server.who, examination.deadline)
        trial = _Trial(examination, loader, statements)
        try:
            with archive.opened(examination.path, examination.manifest.files, clients, examination.deadline, server.log.parent) as opened:
                if trial.prepared():
                    trial.compared(trial.loaded(opened))
                    trial.located()
            if examination.then and not examination.seen.differences:
                examination.complete()
                examination.then(loader)
        except OpsError as error:
            lacking = (
                server.trouble()
                or trial.lost_with_the_roles(error)
                or trial.lost_with_the_release(error, programs)
                or (error.cause if isinstance(error, LoadError) and error.here else "")
            )
            if not lacking:
                raise
            raise NoScratchError("The scratch server cannot hold this backup", cause=lacking) from error


@dataclass(frozen=True)
class _Loaded:
    """Rows that were loaded, what follows them, and the name of the copy without rows, empty for none."""

    dump: archive.Archive
    following: indexes.Following
    twin: str


@dataclass(frozen=True)
class _Trial:
    """One restore; C(statements) are those of the dump."""

    examination: Examination
    loader: load.Loader
    statements: str

    @property
    def asked(self) -> Asked:
        return self.examination.asked

    @property
    def manifest(self) -> Manifest:
        return self.examination.manifest

    @property
    def progress(self) -> Progress:
        return self.examination.progress

    @property
    def seen(self) -> Seen:
        return self.examination.seen

    def lost_with_the_roles(self, error: OpsError) -> str:
        """Tablespaces are made together with the roles: without those, a restore into one fails and says nothing."""
        return error.cause if self.seen.roles_unseen and "tablespace" in error.cause else ""

    def lost_with_the_release(self, error: OpsError, programs: Programs) -> str:
        """Statements that a newer release no longer takes, its own may; rows that contradict each other do so on any."""
        is_newer = programs.major > self.manifest.server.major
        told = is_newer and isinstance(error, LoadError) and error.part in (DUMP, GLOBALS) and not _OF_ROWS.search(error.cause)
        return error.cause if told else ""

    def prepared(self) -> bool:
        """Roles first, as objects and grants name them; without them a restore is not begun."""
        facts = self.manifest.database
        self.progress.phase("roles")
        sql = self._roles()
        if sql is not None:
            self.loader.globals(sql)
        with self._session("template1") as connection:
            if sql is None:
                load.stand_in(connection, self.manifest)
            else:
                made = [account for account in accounts.accounts(connection) if account.name != self.loader.who.username]
                self.seen.differences += accounts.differences(self.manifest.accounts, made)
            if extensions := load.missing_extensions(connection, self.manifest):
                remedy = f"Install what postgresql-{self.manifest.server.major} needs for them where the verification runs."
                raise NoScratchError("The scratch server lacks extensions", cause=", ".join(extensions), remedy=remedy)
            if self.seen.differences:
                return False
            # The server is new: the only database that may be there is the one that every server has.
            connection.execute("DROP DATABASE postgres")
            load.create_database(connection, facts)
        return True

    def loaded(self, opened: archive.Archive) -> _Loaded:
        """The rows, and a copy that has none of them where the level wants one."""
        self.progress.phase("restore", self.manifest.database_bytes, "bytes")
        following = self._following(opened)
        twin = f"twin_{secrets.token_hex(4)}" if following.parsed else ""
        with self._session("template1") as connection:
            how = load.How(self.asked.jobs, self._growing(connection), fleeting=True, twin=twin)
            self.loader.load(opened, self.manifest.database.name, how)
        return _Loaded(opened, following, twin)

    def _indexed(self, loaded: _Loaded, connection: Any) -> compare.Twin:
        """As far as the level says; gives what was made in a copy that has no rows."""
        self.progress.phase("indexes", self.manifest.database_bytes, "bytes")
        how, following = load.How(self.asked.jobs, self._growing(connection)), loaded.following
        for lines in following.stages:
            self.loader.finish(loaded.dump, lines, self.manifest.database.name, how)
        self.loader.finish(loaded.dump, following.parsed, loaded.twin, how)
        self.seen.checked["indexes_parsed"] = following.parsed_indexes
        return compare.Twin(following.parsed_entries, self.loader.structure(loaded.twin) if loaded.twin else "")

    def _growing(self, connection: Any) -> Callable[[], None]:
        """Tells how far it is by the size of the database."""
        name, expected = self.manifest.database.name, self.manifest.database_bytes

        def watch() -> None:
            size = connection.execute("SELECT pg_database_size(%s) AS bytes", [name]).fetchone()["bytes"]
            self.examination.advance(min(size, expected))

        return watch

    def _roles(self) -> str | None:
        """The statements that make the roles; none where they are encrypted and nobody gave the identity."""
        encrypted, identity = self.examination.path / ENCRYPTED_GLOBALS, self.asked.globals_identity_file
        if not encrypted.exists():
            return (self.examination.path / GLOBALS).read_text(encoding="utf-8", errors="replace")
        self.seen.roles_unseen = not identity
        try:
            return encryption.decrypt(encrypted, identity).decode(errors="replace") if identity else None
        except encryption.DamagedError as error:
            raise LoadError("roles", ENCRYPTED_GLOBALS, error) from error

    def _following(self, opened: archive.Archive) -> indexes.Following:
        if self.asked.level == CONSTRAINTS:
            return indexes.breakable(opened, self.loader.programs, self.loader.deadline)
        return indexes.everything(opened) if self.asked.level == FULL else indexes.Following(())

    def compared(self, loaded: _Loaded) -> None:
        """Rows are read while indexes are made, as neither uses all of a machine."""

        def opened() -> AbstractContextManager[Any]:
            return self._session(self.manifest.database.name)

        with opened() as connection:
            if otherwise := compare.known_answers(connection, self.manifest.known_answers):
                cause = f"samples of {', '.join(otherwise)}"
                raise NoScratchError("The scratch server computes otherwise than the one that was backed up", cause=cause)
        with opened() as connection:
            twin = self._content(loaded, connection, opened)
            self.progress.phase("sequences")
            self.seen.add(sequence_values.sequences(connection, self.statements, self.examination.advance), "sequences")
            self.seen.odd += sequence_values.since_snapshot(self.manifest, self.statements)
            if self.asked.level != DATA:
                # Without their indexes, tables would be read once more for it.
                self.seen.odd += sequence_values.behind(connection, self.examination.advance)
        if self.asked.level == DATA:
            return
        self.progress.phase("structure")
        structure = compare.structure(self.statements, self.loader.structure(self.manifest.database.name), twin, across=self.seen.across)
        self.seen.differences += structure.differences
        self.seen.structure, self.seen.rewritten = STRUCTURAL if self.seen.across else EXACT, list(structure.odd)
        if self.asked.amcheck:
            self.progress.phase("amcheck")
            with opened() as connection:
                self.seen.add(amcheck.examined(connection, self.examination.advance), "relations_examined")

    def _content(self, loaded: _Loaded, connection: Any, opened: Opened) -> compare.Twin:
        twins: list[compare.Twin] = []
        present = snapshot.asked(connection)

        def meanwhile() -> None:
            twins.append(self._indexed(loaded, connection))
            self.progress.phase("rows", sum(question.bytes for question in present.all), "bytes")

        tables = compare.tables(
            self.manifest.tables, present.tables, opened, self.asked.jobs, self.examination.advance, meanwhile=meanwhile
        )
        self.seen.add(tables, "tables")
        self.seen.checked["rows"] += tables.rows
        self.seen.odd += tables.odd
        what = [content.LARGE_OBJECTS, *([] if self.asked.level == DATA else [content.LARGE_OBJECT_RIGHTS])]
        self.seen.differences += compare.large_objects(self.manifest, present, opened, what).differences
        if self.asked.level == FULL:
            self.seen.add(compare.views(connection, self.manifest), "views")
        return twins[0]

    def located(self) -> None:
        """Which rows of the tables that differ; that they do is known already, whatever becomes of this."""
        try:
            tables, database = self.manifest.tables, self.manifest.database.name
            self.seen.differences = ranges.located(self.seen.differences, tables, lambda: self._session(database))
        except OpsError as error:
            self.seen.note += f" (which rows, could not be told: {error.summary})"

    def _session(self, database: str) -> AbstractContextManager[Any]:
        return session(
            replace(self.loader.server, database=database, timeout_seconds=scratch.timeout(self.loader.deadline)), self.loader.who
        )
