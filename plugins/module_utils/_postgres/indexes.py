# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows the rows of a dump, at the levels of a verification: everything, or what rows can break.

An index of plain columns that is not unique takes whatever rows there are. Its statement is still run, on an empty copy of its table:
parsed, not built. All others are built, as a duplicate, an expression or a reference without its row shows only there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .._deadline import Deadline
from .._process import run
from .archive import POST_DATA, Archive, described
from .programs import Programs

_ENTRY = re.compile(
    r"^--\n-- TOC entry (?P<id>\d+) \(class \d+ OID \d+\)\n(?:-- Dependencies:(?P<needed>[ \d]*)\n)?"
    r"-- Name: (?P<name>.*); Type: (?P<kind>.*); Schema: (?P<schema>.*); Owner: .*\n--\n",
    re.M,
)
_NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)'
# Anything in brackets or with a schema of its own may run code on the rows.
_COLUMNS = r"\((?:[^().]|pg_catalog\.)+\)"
_PLAIN = re.compile(
    rf"CREATE INDEX {_NAME} ON (?:ONLY )?{_NAME}\.{_NAME} USING \w+ {_COLUMNS}(?: INCLUDE {_COLUMNS})?(?: WITH \([^()]+\))?;"
    rf"(?:\n\nALTER TABLE (?:ONLY )?{_NAME}\.{_NAME} CLUSTER ON {_NAME};)?"
)
_INDEX, _ATTACHED, _COMMENT, _VIEW_ROWS = "INDEX", "INDEX ATTACH", "COMMENT", "MATERIALIZED VIEW DATA"


@dataclass(frozen=True)
class Following:
    """Lines of the table of contents that are run on the rows, and those that are run on an empty copy, with how people name them."""

    built: Sequence[str]
    parsed: Sequence[str] = ()
    parsed_entries: frozenset[str] = frozenset()
    parsed_indexes: int = 0

    @property
    def stages(self) -> Sequence[Sequence[str]]:
        """What is built, one after the other: indexes, which leave their tables to readers, then what keeps readers away."""
        first = [line for line in self.built if described(line).startswith(f"{_INDEX} ") and not described(line).startswith(_ATTACHED)]
        known = set(first)
        return first, [line for line in self.built if line not in known]


@dataclass(frozen=True)
class _Entry:
    id: str
    kind: str
    identity: str
    needed: frozenset[str]
    statement: str


def everything(archive: Archive) -> Following:
    return Following(archive.listed[POST_DATA])


def breakable(archive: Archive, programs: Programs, deadline: Deadline) -> Following:
    """What rows can break, and the rest."""
    argv = [programs["pg_restore"], "--verbose", "--use-list=/dev/stdin", "--file=-", str(archive.directory)]
    asked = "".join(f"{line}\n" for line in archive.listed[POST_DATA])
    said = run(argv, timeout_seconds=deadline.left(), input_text=asked, inherit=False).check("The dump cannot be read back").stdout
    return divided(archive.listed[POST_DATA], said)


def divided(lines: Sequence[str], said: str) -> Following:
    """The same from what pg_restore prints of these lines, with the number of each entry."""
    entries = list(_entries(said))
    indexes = {entry.id for entry in entries if entry.kind == _INDEX}
    plain = {entry.id for entry in entries if entry.kind == _INDEX and _PLAIN.fullmatch(entry.statement)}
    while blocked := {one for entry in entries if entry.id not in plain for one in _held(entry, indexes, plain)}:
        plain -= blocked
    parsed = [entry for entry in entries if entry.id in plain or entry.needed & plain]
    numbers = {entry.id for entry in parsed}
    rest = {entry.id for entry in entries if entry.kind == _VIEW_ROWS} | numbers
    return Following(
        built=[line for line in lines if _number(line) not in rest],
        parsed=[line for line in lines if _number(line) in numbers],
        parsed_entries=frozenset(entry.identity for entry in parsed),
        parsed_indexes=len(plain),
    )


def _held(entry: _Entry, indexes: set[str], plain: set[str]) -> frozenset[str]:
    """Plain indexes that an entry cannot do without; a comment, and the tie to an index that is plain as well, go along with them."""
    goes_along = entry.kind == _COMMENT or (entry.kind == _ATTACHED and entry.needed & indexes <= plain)
    return frozenset() if goes_along else entry.needed & plain


def _entries(said: str) -> Iterator[_Entry]:
    heads = list(_ENTRY.finditer(said))
    ends = [*[head.start() for head in heads], len(said)][1:]
    for head, end in zip(heads, ends, strict=True):
        schema = "" if head["schema"] == "-" else f"{head['schema']}."
        needed = frozenset((head["needed"] or "").split())
        statement = said[head.end() : end].partition("\n\n\n")[0].strip()
        yield _Entry(head["id"], head["kind"], f"{head['kind']} {schema}{head['name']}", needed, statement)


def _number(line: str) -> str:
    return line.partition(";")[0]
