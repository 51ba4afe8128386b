# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dump without a manifest, loaded into a server that is thrown away, and its rows counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from .._completed import Completed
from .._deps import declare
from . import sequence_values
from .connection import session
from .contents import EntryDifference
from .foreign_script import Part, Survey, pieces
from .foreign_source import PLAIN, TAR, Source
from .load import SCRIPT_OPTIONS, Loader
from .scratch import timeout
from .scratch_place import NoScratchError
from .table_locks import TABLES
from .verified import Rows

with declare("psycopg", minimum="3.1"):
    import psycopg.sql

# Of the database that a dump is loaded into which makes none.
_NAME = "restored"
_FIRST = "template1"
_AVAILABLE = "SELECT name FROM pg_available_extensions"
_ROLES = "SELECT rolname AS name FROM pg_roles"
_DATABASES = "SELECT datname AS name FROM pg_database WHERE NOT datistemplate ORDER BY 1"


@dataclass
class Looked:
    """What was found, and not compared with anything."""

    tables: list[Rows] = field(default_factory=list)
    roles_made: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Restoring:
    """One dump and the server it is loaded into."""

    loader: Loader
    source: Source
    survey: Survey
    looked: Looked
    advance: Callable[[float], None]

    @property
    def _makes_databases(self) -> bool:
        return self.source.form != PLAIN or self.survey.connects

    def prepare(self) -> None:
        """What it needs and does not make."""
        with self._session(_FIRST) as connection:
            if missing := sorted(self.survey.extensions - _names(connection, _AVAILABLE)):
                remedy = f"Install what postgresql-{self.survey.major} needs for them where the verification runs."
                raise NoScratchError("The scratch server lacks extensions", cause=", ".join(missing), remedy=remedy)
            self.looked.roles_made += self.survey.lacking("ROLE", self.survey.roles - _names(connection, _ROLES))
            for role in self.looked.roles_made:
                _make(connection, "CREATE ROLE {} NOLOGIN", role)
            for tablespace in self.survey.lacking("TABLESPACE", self.survey.tablespaces - {"pg_default", "pg_global"}):
                _make(connection, "CREATE TABLESPACE {} LOCATION ''", tablespace)
            if "postgres" in self.survey.made["DATABASE"]:
                _make(connection, "DROP DATABASE {}", "postgres")
            if not self._makes_databases:
                encoding = self.survey.encoding
                locale = "C.UTF-8" if encoding == "UTF8" else "C"
                _make(connection, "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LOCALE {}", _NAME, encoding, locale)

    def load(self, jobs: int) -> None:
        """The first error ends it."""
        programs = self.loader.programs
        if self.source.form != PLAIN:
            argv = [programs["pg_restore"], "--create", "--exit-on-error", "--no-password", f"--dbname={_FIRST}"]
            parallel = self.source.seekable and self.source.form != TAR
            archived(self.source, [*argv, f"--jobs={jobs}"] if parallel else argv, self._into(_FIRST))
            return
        database = _FIRST if self.survey.connects else _NAME
        with self.source.chunks(self.advance) as chunks:
            rest = pieces(chunks)
            while database:
                part = Part(rest)
                self._into(database)([programs["psql"], *SCRIPT_OPTIONS], feed=part.feed)
                database = part.next_database

    def count(self) -> list[EntryDifference]:
        """The rows of every table; and the sequences that are behind their columns."""
        with self._session(_FIRST) as connection:
            databases = sorted(_names(connection, _DATABASES))
        behind = []
        for database in databases:
            with self._session(database) as connection:
                for table in [row for row in connection.execute(TABLES).fetchall() if row["counted"]]:
                    name = psycopg.sql.Identifier(table["schema"], table["name"])
                    rows = connection.execute(psycopg.sql.SQL("SELECT count(*) AS rows FROM ONLY {}").format(name)).fetchone()["rows"]
                    named = database if self._makes_databases else ""
                    self.looked.tables.append(Rows(named, f"{table['schema']}.{table['name']}", rows))
                behind += sequence_values.behind(connection, lambda _: None)
        return behind

    def _into(self, database: str) -> Callable[..., Completed]:
        """A program that loads."""
        name, summary = self.source.path.name, "The dump could not be restored"
        return lambda argv, **how: self.loader.run("restore", name, argv, database, summary, **how)

    def _session(self, database: str) -> Any:
        server, deadline = self.loader.server, self.loader.deadline
        return session(replace(server, database=database, timeout_seconds=timeout(deadline)), self.loader.who)


def archived(source: Source, argv: list[str], start: Callable[..., Completed]) -> Completed:
    """By pg_restore, which reads what is compressed from its standard input."""
    if source.seekable:
        return start([*argv, str(source.path)])
    with source.chunks(lambda _: None) as chunks:
        return start(argv, feed=lambda stream: stream.writelines(chunks))


def _names(connection: Any, query: str) -> set[str]:
    return {row["name"] for row in connection.execute(query)}


def _make(connection: Any, statement: str, name: str, *values: str) -> None:
    parts = [psycopg.sql.Identifier(name), *map(psycopg.sql.Literal, values)]
    connection.execute(psycopg.sql.SQL(statement).format(*parts))
