# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database consists of, entry by entry, as pg_dump itself writes it: the same database gives the same entries."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# pg_restore and pg_dump head each entry of their plain output so; a name may hold a line break, which they write as a space.
_HEAD = re.compile(
    r"^--\n-- (?:Data for )?Name: (?P<name>.*); Type: (?P<kind>.*); Schema: (?P<schema>.*); Owner: (?P<owner>.*?)"
    r"(?:; Tablespace: (?P<tablespace>.*))?\n--\n",
    re.M,
)
# Random in each output, against a dump that would leave psql's restricted mode.
_RESTRICT = re.compile(r"^\\(?:un)?restrict .*\n", re.M)
# Printed where it changes, before the head of the entry it is for; the tablespace stands in the head as well.
_STATE = re.compile(r"(?:^SET default_(?:tablespace|table_access_method) = .*;\n+)+\Z", re.M)
_ACCESS_METHOD = re.compile(r"^SET default_table_access_method = (.*);$", re.M)
_NAME = r'(?:"[^"]+"|\w+)'
_TYPE = rf"(?:character varying|double precision|bit varying|time(?:stamp)?(?:\(\d\))? with(?:out)? time zone|(?:{_NAME}\.)?{_NAME})"
_CAST = re.compile(rf"::{_TYPE}(?:\([\d,]+\))?(?:\[\])*")
_BRACKETS = re.compile(r"[()\s]")
_INHERITS = "\nINHERITS ("
_SHOWN = 3
_USUAL_METHOD = "heap"
# The kind of the object stands in the head; releases before 17 write TABLE for all of these.
_OWNED = re.compile(r"^ALTER (?:SEQUENCE|VIEW|MATERIALIZED VIEW) (?=.* OWNER TO .*;$)", re.M)
_STORED = ("TABLE", "MATERIALIZED VIEW")


@dataclass(frozen=True, order=True)
class Entry:
    """One object, grant, comment or default; C(sha256) is that of the statements that make it."""

    kind: str
    schema: str
    name: str
    owner: str
    sha256: str

    @property
    def identity(self) -> str:
        """How people and differences name it."""
        schema = "" if self.schema == "-" else f"{self.schema}."
        return f"{self.kind} {schema}{self.name}"


@dataclass(frozen=True)
class RowRange:
    """Rows of a table of which some differ: in words, how many there were and are, and a query that shows them."""

    rows: str
    expected_rows: int
    found_rows: int
    query: str

    @property
    def line(self) -> str:
        """In one line."""
        if self.expected_rows != self.found_rows:
            return f"{self.rows}: {self.expected_rows} rows expected, {self.found_rows} found"
        return f"{self.rows}: {self.found_rows} rows, content differs"


@dataclass(frozen=True)
class EntryDifference:
    """An entry that is missing, was not expected, or is otherwise; C(ranges) are those of the rows of a table, where they are known."""

    kind: str
    subject: str
    expected: str
    found: str
    ranges: tuple[RowRange, ...] = ()

    @property
    def line(self) -> str:
        """In one line."""
        more = f", and {len(self.ranges) - _SHOWN} more ranges" if len(self.ranges) > _SHOWN else ""
        where = f" ({'; '.join(part.line for part in self.ranges[:_SHOWN])}{more})" if self.ranges else ""
        return f"{self.kind} {self.subject}: expected {self.expected}, found {self.found}{where}"


def entries(sql: str, *, exact: bool = True) -> list[Entry]:
    """The entries of what C(pg_restore --schema-only --file=-) prints, sorted.

    Without `exact` they do not differ where PostgreSQL itself writes otherwise what it has read back: in casts and brackets alone, as in
    C(name IN ('a', 'b')) on a column of varchar, and in the place of columns that a child has from its parents, which come first then.
    """
    return sorted(_entries(_RESTRICT.sub("", sql), exact))


def _entries(text: str, exact: bool) -> Iterator[Entry]:
    heads = list(_HEAD.finditer(text))
    if not heads:
        return
    ends = [head.start() for head in heads[1:]] + [_end(text)]
    before, access_method = text[: heads[0].start()], _USUAL_METHOD
    for head, end in zip(heads, ends, strict=True):
        access_method = _set_before(before) or access_method
        before = text[head.end() : end]
        body = _OWNED.sub("ALTER TABLE ", _STATE.sub("", before).strip())
        if not exact:
            body = _BRACKETS.sub("", _CAST.sub("", _in_any_order(body) if _INHERITS in body else body))
        if head["tablespace"]:
            body += f"\n-- in {head['tablespace']}"
        if head["kind"] in _STORED and access_method != _USUAL_METHOD:
            body += f"\n-- by {access_method}"
        yield _entry(head, body)


def _in_any_order(body: str) -> str:
    return "\n".join(sorted(line.rstrip(",") for line in body.splitlines()))


def _set_before(text: str) -> str:
    """The access method that is chosen for what follows, empty where it stays."""
    chosen = _STATE.search(text)
    return _ACCESS_METHOD.findall(chosen[0])[-1] if chosen and "access_method" in chosen[0] else ""


def differences(expected: Sequence[Entry], found: Sequence[Entry]) -> list[EntryDifference]:
    """How two databases differ; entries of one name (several grants, say) are compared as a group."""
    before, after = _grouped(expected), _grouped(found)
    return list(_differences(before, after))


def _differences(before: dict[str, list[Entry]], after: dict[str, list[Entry]]) -> Iterator[EntryDifference]:
    for identity in sorted(before.keys() | after.keys()):
        old, new = before.get(identity), after.get(identity)
        if old == new:
            continue
        if old is None:
            yield EntryDifference("entry_unexpected", identity, "none", _described(new))
        elif new is None:
            yield EntryDifference("entry_missing", identity, _described(old), "none")
        else:
            yield EntryDifference("entry_changed", identity, _described(old), _described(new))


def _grouped(all_entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    groups: dict[str, list[Entry]] = {}
    for entry in sorted(all_entries):
        groups.setdefault(entry.identity, []).append(entry)
    return groups


def _described(group: Sequence[Entry] | None) -> str:
    return "; ".join(f"owner {entry.owner}, definition {entry.sha256[:12]}" for entry in group or ())


def _entry(head: re.Match[str], body: str) -> Entry:
    digest = hashlib.sha256(body.encode()).hexdigest()
    return Entry(head["kind"], head["schema"], head["name"], head["owner"], digest)


def _end(text: str) -> int:
    """The trailer is no part of the last entry."""
    trailer = text.rfind("--\n-- PostgreSQL database dump complete\n--\n")
    return trailer if trailer >= 0 else len(text)
