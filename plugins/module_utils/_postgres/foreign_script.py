# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statements of a dump as they stream by: what they need of a server, whether they go on to the end, and what psql is given of them.

A block begins with the end of the line before it, so that a statement is known by being at the beginning of a line, and holds whole lines
but for those that are longer than a block may be.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO

from .accounts import without_grantors
from .load import restricted

_LONGEST_BLOCK_BYTES = 1 << 22
_HEAD_BYTES = 8192
_TAIL_BYTES = 1024
_NAME = rb'(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)'
_NAMES = rb"(" + _NAME + rb"(?:, " + _NAME + rb")*)"
_HEADER = re.compile(rb"(?:\A|\n)-- PostgreSQL database (cluster )?dump\r?\n")
_TRAILER = re.compile(rb"\n-- PostgreSQL database (cluster )?dump complete\r?\n--\s*(?:\\unrestrict \w+\s*)?\Z")
_WORDS = re.compile(
    rb"\n((?:CREATE (?:EXTENSION|ROLE|POLICY|USER MAPPING|TABLESPACE|DATABASE|TABLE) |DROP |ALTER |GRANT |REVOKE |COPY |INSERT INTO "
    rb"|SET (?:default_tablespace|client_encoding|SESSION AUTHORIZATION) |-- Dumped from |-- (?:Data for )?Name: |\\connect )[^\n]*"
    rb"|\\\.(?=\r?\n|\r?\Z))"
)
_VERSION = re.compile(rb"-- Dumped from database version (\d+)")
_ENCODING = re.compile(rb"SET client_encoding = '([\w-]+)';")
_MADE = re.compile(rb"CREATE (ROLE|TABLESPACE|DATABASE) (" + _NAME + rb")")
_EXTENSION = re.compile(rb"CREATE EXTENSION (?:IF NOT EXISTS )?(" + _NAME + rb")")
_TABLESPACE = re.compile(rb"(?:SET default_tablespace = |CREATE DATABASE .* TABLESPACE = )(" + _NAME + rb");")
_OWNERS = re.compile(rb" (?:OWNER TO|USER MAPPING FOR|SESSION AUTHORIZATION) '?" + _NAMES + rb"|^ALTER ROLE (" + _NAME + rb") IN DATABASE")
_GRANTEES = re.compile(rb" (?:FOR ROLE|TO|FROM) " + _NAMES)
_COPY = re.compile(rb"COPY (\S+).* FROM stdin;")
# Of psql itself, as pg_dump writes them; a row begins with none of them, as only its first column could hold one and nothing else.
_COMMAND = re.compile(rb"\n\\(?:(?:un)?restrict \w+|encoding \S+|connect ([^\r\n]+))\r?(?=\n|\Z)")
_LOCATION = re.compile(rb"(\nCREATE TABLESPACE [^\n]*) LOCATION '(?:[^'\n]|'')*';")
_CONNECTION = re.compile(r"""-reuse-previous=on "dbname='((?:[^'\\]|\\.)*)'"\Z""")


@dataclass
class Survey:
    """What was seen of the statements."""

    read_bytes: int = -1
    entries: int = 0
    major: int = 0
    encoding: str = "UTF8"
    roles: set[str] = field(default_factory=set)
    extensions: set[str] = field(default_factory=set)
    tablespaces: set[str] = field(default_factory=set)
    made: dict[str, set[str]] = field(default_factory=lambda: {"ROLE": set(), "TABLESPACE": set(), "DATABASE": set()})
    connects: bool = False
    builds: bool = False
    drops_first: bool = False
    within: str = ""
    head: bytes = b""
    tail: bytes = b""

    def read(self, chunks: Iterable[bytes]) -> Survey:
        """All of it."""
        for block in blocks(chunks):
            self.read_bytes += len(block)
            self.head += block[: _HEAD_BYTES - len(self.head)]
            self.tail = (self.tail + block)[-_TAIL_BYTES:]
            for match in _WORDS.finditer(block):
                self._see(match[1].rstrip(b"\r"))
        return self

    @property
    def begun(self) -> bool:
        return bool(_HEADER.search(self.head))

    @property
    def complete(self) -> bool:
        """Whether it ends as it began: all databases of a server, or one."""
        begun, ended = _HEADER.search(self.head), _TRAILER.search(self.tail)
        return bool(begun and ended and begun[1] == ended[1])

    def lacking(self, what: str, needed: set[str]) -> list[str]:
        """What it needs and does not make itself."""
        return sorted(needed - self.made[what])

    def _see(self, line: bytes) -> None:
        if line == b"\\.":
            self.within = ""
        elif self.within:
            return
        elif line.startswith(b"--"):
            self.entries += line.startswith((b"-- Name", b"-- Data"))
            self.major = int(found[1]) if (found := _VERSION.match(line)) else self.major
        elif line.startswith(b"COPY "):
            self.within = found[1].decode(errors="replace") if (found := _COPY.match(line)) else ""
        elif line.startswith(b"\\connect "):
            self.connects = True
        elif line.startswith(b"DROP ") or b" DROP CONSTRAINT " in line:
            self.drops_first |= not self.builds and b" IF EXISTS " not in line
        else:
            self.builds |= line.startswith((b"CREATE ", b"INSERT "))
            self._need(line)

    def _need(self, line: bytes) -> None:
        if found := _MADE.match(line):
            self.made[found[1].decode()].add(_unquoted(found[2]))
        if found := _ENCODING.match(line):
            self.encoding = found[1].decode()
        if found := _EXTENSION.match(line):
            self.extensions.add(_unquoted(found[1]))
        if found := _TABLESPACE.match(line):
            self.tablespaces.add(_unquoted(found[1]))
        named = [match[1] or match[2] for match in _OWNERS.finditer(line)]
        if line.startswith((b"GRANT ", b"REVOKE ", b"CREATE POLICY ", b"ALTER DEFAULT PRIVILEGES ")):
            named += [match[1] for match in _GRANTEES.finditer(line)]
        self.roles |= {_unquoted(name) for names in named for name in re.findall(_NAME, names)}


@dataclass
class Part:
    """What psql is given in one database; C(next_database) is where the dump goes on, empty where it does not."""

    pieces: Iterator[bytes | str]
    next_database: str = ""

    def feed(self, stream: IO[bytes]) -> None:
        """Behind the line that keeps psql from obeying commands."""
        stream.write(restricted().encode())
        for piece in self.pieces:
            if isinstance(piece, str):
                self.next_database = piece
                break
            stream.write(piece)
        stream.write(b"\n")


def pieces(chunks: Iterable[bytes]) -> Iterator[bytes | str]:
    """The dump without the commands of psql that pg_dump writes, and a name where it changes to another database."""
    for block in blocks(chunks):
        done = 0
        for command in _COMMAND.finditer(block):
            yield _movable(block[done : command.start()])
            done = command.end()
            if command[1]:
                yield _database(command[1].decode(errors="replace"))
        yield _movable(block[done:])


def blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines, each behind the end of the one before it."""
    rest = b"\n"
    for chunk in chunks:
        rest += chunk
        end = rest.rfind(b"\n")
        if end > 0:
            yield rest[:end]
            rest = rest[end:]
        elif len(rest) > _LONGEST_BLOCK_BYTES:
            yield rest
            rest = b""
    yield rest


def _movable(text: bytes) -> bytes:
    """Tablespaces are made where the server is that is thrown away, and memberships are granted by its superuser."""
    text = _LOCATION.sub(rb"\1 LOCATION '';", text) if b"\nCREATE TABLESPACE " in text else text
    return without_grantors(text) if b" GRANTED BY " in text else text


def _database(argument: str) -> str:
    """The name in what follows a C(connect)."""
    found = _CONNECTION.match(argument)
    return re.sub(r"\\(.)", r"\1", found[1].replace('""', '"')) if found else argument.strip('"')


def _unquoted(name: bytes) -> str:
    text = name.decode(errors="replace")
    return text[1:-1].replace('""', '"') if text.startswith('"') else text
