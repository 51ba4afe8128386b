# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup, loaded into a server by PostgreSQL's own programs."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .._completed import Completed, KilledError
from .._deadline import Deadline
from .._deps import declare
from .._errors import OpsError
from .._process import run
from .._tls import Credentials
from . import dump
from .archive import Archive
from .connection import Server, libpq_environment, named, session
from .dump import DUMP, GLOBALS, without_restrict
from .facts import DatabaseFacts
from .load_error import LoadError
from .manifest import Manifest
from .programs import Programs
from .streams import Streams

with declare("psycopg", minimum="3.1"):
    import psycopg
    import psycopg.sql

PROGRAMS = ("pg_restore", "pg_dump", "psql")
SCRIPT_OPTIONS = ("--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--output=/dev/null", "--file=-")
_LOCATION = re.compile(r"^(CREATE TABLESPACE .*) LOCATION '(?:[^']|'')*';$", re.M)
# What SET UNLOGGED does without rewriting each table, where no crash is survived anyway: it is not refused for partitioned tables, and
# afterwards everything is as the dump says.
_UNLOGGED = """
UPDATE pg_class SET relpersistence = 'u'
WHERE relpersistence = 'p' AND relkind IN ('r', 't', 'i') AND oid >= 16384 RETURNING oid::int8 AS oid
"""
_TEMPLATE = "template1"
_WORKER_KILLED = "a worker process died unexpectedly"
_LOGGED = "UPDATE pg_class SET relpersistence = 'p' WHERE oid = ANY(%s::oid[])"


@dataclass(frozen=True)
class How:
    """How a dump is loaded: by so many sessions, as a role where one is named; C(fleeting) is a server that is thrown away.

    C(twin) is the name of a copy that is made before there are rows; empty for none.
    """

    jobs: int
    while_running: Callable[[], None]
    role: str = ""
    fleeting: bool = False
    twin: str = ""


@dataclass(frozen=True)
class Loader:
    """The programs and the server they load into; they see nothing of our own environment."""

    programs: Programs
    server: Server
    who: Credentials
    deadline: Deadline

    def globals(self, sql: str) -> None:
        """Make roles, memberships and tablespaces; the first error ends it."""
        text = _LOCATION.sub(r"\1 LOCATION '';", without_restrict(sql))
        # psql obeys commands of its own in a file, also those that run programs, unless a word that nobody knows restricts it.
        guarded, argv = f"{restricted()}\n{text}", [self.programs["psql"], *SCRIPT_OPTIONS]
        self.run("roles", GLOBALS, argv, self.server.database, "The roles of the backup could not be made", input_text=guarded)

    def load(self, archive: Archive, database: str, how: How) -> None:
        """Load everything up to the rows into an empty database, and the rows; the first error ends it."""
        self._entries(archive, archive.structure, database, how)
        if how.twin:
            self._copy(database, how.twin)
        with self._unlogged(database) if how.fleeting else nullcontext():
            streams = Streams(archive, lambda: self._session(database), how.role, how.jobs, how.fleeting, self.deadline)
            streams.load(how.while_running)
        for lines in (archive.others, archive.grants):
            self._entries(archive, lines, database, how)

    def finish(self, archive: Archive, lines: Sequence[str], database: str, how: How) -> None:
        """Make these entries, of those that follow the rows."""
        self._entries(archive, lines, database, how, jobs=how.jobs)

    def _copy(self, database: str, twin: str) -> None:
        with self._session(_TEMPLATE) as connection:
            names = [psycopg.sql.Identifier(name) for name in (twin, database)]
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))

    def _entries(self, archive: Archive, lines: Sequence[str], database: str, how: How, *, jobs: int = 1) -> None:
        """Entries of the table of contents, by pg_restore."""
        if lines:
            acting, options = [f"--role={how.role}"] if how.role else [], ["--use-list=/dev/stdin", f"--jobs={jobs}"]
            argv = [self.programs["pg_restore"], "--exit-on-error", "--no-password", f"--dbname={named(database)}", *acting, *options]
            asked = {"input_text": "".join(f"{line}\n" for line in lines), "while_running": how.while_running}
            self.run("restore", DUMP, [*argv, str(archive.directory)], database, "The dump could not be restored", **asked)

    @contextmanager
    def _unlogged(self, database: str) -> Iterator[None]:
        """Rows that are loaded meanwhile are in no log of changes."""
        with self._session(database) as connection:
            changed = [row["oid"] for row in connection.execute(_UNLOGGED)]
        yield
        with self._session(database) as connection:
            connection.execute(_LOGGED, (changed,))

    def _session(self, database: str) -> AbstractContextManager[Any]:
        return session(replace(self.server, database=database), self.who)

    def structure(self, database: str) -> str:
        """The statements that make a database's structure."""
        argv = [self.programs["pg_dump"], "--schema-only", "--no-password", f"--dbname={named(database)}"]
        return self._run(argv, database).check("The structure of the restored database could not be read").stdout

    def run(self, kind: str, part: str, argv: list[str], database: str, summary: str, **options: Any) -> Completed:
        """Have a program load a part; where it does not take it, that is a difference of this kind."""
        return _check(kind, part, self._run(argv, database, **options), summary)

    def _run(self, argv: list[str], database: str, **options: Any) -> Completed:
        environment = {
            **libpq_environment(replace(self.server, database=database), self.who),
            "HOME": "/nonexistent",
            "PATH": "/usr/bin:/bin",
        }
        return run(argv, timeout_seconds=self.deadline.left(), environment=environment, inherit=False, **options)


def restricted() -> str:
    """The line after which psql obeys no command of its own that a file holds."""
    return f"\\restrict {secrets.token_hex(16)}"


def statements(programs: Programs, directory: Path, deadline: Deadline) -> str:
    """The statements that the dump holds, its rows left out."""
    try:
        return dump.statements(programs, directory, deadline.left())
    except OpsError as error:
        if "returncode" not in error.details:
            raise
        raise LoadError("dump_unreadable", DUMP, error) from error


def create_database(connection: Any, facts: DatabaseFacts, *, tablespace: str = "", closed: bool = False) -> None:
    """An empty database with owner, encoding and locale of the one that was backed up; C(closed) to everybody, if wanted."""
    literals = {"ENCODING": facts.encoding, "LC_COLLATE": facts.collation, "LC_CTYPE": facts.character_type}
    if facts.locale_provider != "libc":
        literals |= {"LOCALE_PROVIDER": facts.locale_provider, f"{facts.locale_provider.upper()}_LOCALE": facts.locale}
    options = [psycopg.sql.SQL(key) + psycopg.sql.SQL(" ") + psycopg.sql.Literal(value) for key, value in literals.items()]
    if tablespace:
        options.append(psycopg.sql.SQL("TABLESPACE {}").format(psycopg.sql.Identifier(tablespace)))
    if closed:
        options.append(psycopg.sql.SQL("ALLOW_CONNECTIONS false"))
    names = [psycopg.sql.Identifier(facts.name), psycopg.sql.Identifier(facts.owner), psycopg.sql.SQL(" ").join(options)]
    try:
        connection.execute(psycopg.sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 {}").format(*names))
    except psycopg.Error as error:
        raise OpsError(
            "A database like the one that was backed up could not be made",
            where=", ".join(f"{key} {value}" for key, value in literals.items()),
            cause=" ".join(str(error).split()),
            remedy="Where it names a locale, install that one on the host of the server.",
            sqlstate=error.sqlstate or "",
        ) from error


def stand_in(connection: Any, manifest: Manifest) -> None:
    """Roles by their names alone, so that objects have owners where nobody can read what the roles were."""
    wanted = {*manifest.roles, manifest.database.owner, *(account.name for account in manifest.accounts)}
    present = {row["name"] for row in connection.execute("SELECT rolname AS name FROM pg_roles")}
    for name in sorted(wanted - present):
        connection.execute(psycopg.sql.SQL("CREATE ROLE {}").format(psycopg.sql.Identifier(name)))


def missing_extensions(connection: Any, manifest: Manifest) -> list[str]:
    """Extensions of the backup that the server could not make."""
    available = {row["name"] for row in connection.execute("SELECT name FROM pg_available_extensions")}
    return sorted(set(manifest.extensions) - available)


def missing_roles(connection: Any, manifest: Manifest) -> list[str]:
    """Roles that the backup needs and the server does not have."""
    present = {row["name"] for row in connection.execute("SELECT rolname AS name FROM pg_roles")}
    return sorted({*manifest.roles, manifest.database.owner} - present)


def _check(kind: str, part: str, done: Completed, summary: str) -> Completed:
    """A program that was killed, by itself or one of its workers, has not refused the part."""
    try:
        return done.check(summary)
    except KilledError:
        raise
    except OpsError as error:
        # One that has refused something says so before it ends.
        said = [line for line in error.cause.splitlines() if "error: " in line]
        if said and all(_WORKER_KILLED in line for line in said):
            raise OpsError(error.summary, where=error.where, cause=error.cause, remedy=error.remedy) from error
        raise LoadError(kind, part, error) from error
