# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restored database, compared with what the manifest of its backup says of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._deps import declare
from .answer import Answer
from .content import Question, Questions
from .contents import Entry, EntryDifference, differences, entries
from .manifest import Manifest
from .reading import Opened, known, reading
from .table_content import KnownAnswer, TableContent

with declare("psycopg", minimum="3.1"):
    pass

_VIEW_ROWS = "MATERIALIZED VIEW DATA"
_SEQUENCE_VALUE = "SEQUENCE SET"
_VIEWS = """
SELECT n.nspname AS schema, c.relname AS name, c.relispopulated AS populated
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'm'
"""


@dataclass(frozen=True)
class Comparison:
    """What differs, how many were looked at, and how many rows those have; C(odd) is what differs and may.

    Columns that are generated are computed anew by a restore: where their function is another one since, the database has the old values.
    """

    differences: tuple[EntryDifference, ...]
    checked: int
    rows: int = 0
    odd: tuple[EntryDifference, ...] = ()


def tables(
    expected: Sequence[TableContent],
    present: Sequence[Question],
    opened: Opened,
    jobs: int,
    advance: Callable[[float], None],
    *,
    meanwhile: Callable[[], None] = lambda: None,
) -> Comparison:
    """The content of every table that is present, by the query that its backup was asked with; C(meanwhile) is done while they are read."""
    there = {question.identity: question for question in present}
    wanted = {table.identity: table for table in expected}
    asked = [replace(there[table.identity], query=table.query) for table in expected if table.identity in there]
    with reading(asked, opened, jobs) as running:
        meanwhile()
        found = running.finished(advance)
    strangers = sorted(there.keys() - wanted.keys())
    differing = [
        EntryDifference("table_missing", name, f"{wanted[name].rows} rows", "no such table") for name in wanted if name not in found
    ]
    differing += [EntryDifference("table_unexpected", name, "no such table", "a table") for name in strangers]
    odd = []
    for group, before, after in _groups([table for table in expected if table.identity in found], found):
        if before.rows != after.rows:
            differing.append(EntryDifference("rows", group, f"{before.rows} rows", f"{after.rows} rows"))
        elif before.sums != after.sums:
            differing.append(EntryDifference("content", group, _described(before), _described(after)))
        elif before.generated != after.generated:
            odd.append(EntryDifference("generated", group, ", ".join(before.generated), ", ".join(after.generated)))
    return Comparison(tuple(differing), len(found), sum(answer.rows for answer in found.values()), tuple(odd))


def large_objects(manifest: Manifest, present: Questions, opened: Opened, what: Sequence[str]) -> Comparison:
    """Large objects, their bytes or rights, as far as the role of the backup could read them."""
    expected = [one for one in manifest.large_objects if one.name in what]
    names = {one.name for one in expected}
    return tables(expected, [one for one in present.large_objects if one.name in names], opened, 1, lambda _: None)


def ours(expected: Sequence[TableContent], present: Sequence[Question]) -> tuple[list[TableContent], list[str]]:
    """What a manifest says, with the queries that this release derives here, and the tables for which it has others: those are not run."""
    derived = {question.identity: question.query for question in present}
    same = [replace(table, query=derived.get(table.identity, table.query)) for table in expected]
    return same, [table.identity for table, here in zip(expected, same, strict=True) if table.query != here.query]


def known_answers(connection: Any, expected: Sequence[KnownAnswer]) -> list[str]:
    """The types whose samples this server makes something else of than the one that was backed up did."""
    found = known(connection, {answer.type: answer.query for answer in expected})
    return [answer.type for answer, before in zip(found, sorted(expected), strict=True) if answer != before]


def dumped(manifest: Manifest, statements: str) -> Comparison:
    """What the dump consists of."""
    found = entries(statements)
    return Comparison(tuple(differences(manifest.entries, found)), len(found))


@dataclass(frozen=True)
class Twin:
    """Of these entries, what was made in a copy of the database instead."""

    entries: Collection[str] = ()
    restored: str = ""

    def found(self, *, exact: bool = True) -> list[Entry]:
        return [entry for entry in entries(self.restored, exact=exact) if entry.identity in self.entries]


def structure(statements: str, restored: str, twin: Twin | None = None, *, across: bool = False) -> Comparison:
    """What the dump's statements have made, as the same program reads it back.

    C(across) releases of PostgreSQL the same object is written in other words: there it has to be there with its owner, nothing else may
    be, and what is written otherwise is odd.
    """
    twin = twin or Twin()
    before, after = _kept(entries(statements)), _kept([*entries(restored), *twin.found()])
    suspects = differences(before, after)
    if suspects:
        loose = differences(_kept(entries(statements, exact=False)), _kept([*entries(restored, exact=False), *twin.found(exact=False)]))
        real = {difference.subject for difference in loose}
        suspects = [difference for difference in suspects if difference.subject in real]
    rewritten = [difference for difference in suspects if across and _is_rewritten(difference.subject, before, after)]
    return Comparison(tuple(one for one in suspects if one not in rewritten), len(after), odd=tuple(rewritten))


def _is_rewritten(subject: str, before: Sequence[Entry], after: Sequence[Entry]) -> bool:
    """Whether the entries of a name are the same on both sides but for their statements."""
    owners = [sorted(entry.owner for entry in side if entry.identity == subject) for side in (before, after)]
    return owners[0] == owners[1]


def views(connection: Any, manifest: Manifest) -> Comparison:
    """Materialized views that had rows have rows again."""
    expected = {(entry.schema, entry.name) for entry in manifest.entries if entry.kind == _VIEW_ROWS}
    filled = {(row["schema"], row["name"]) for row in connection.execute(_VIEWS) if row["populated"]}
    lacking = sorted(expected - filled)
    found = [EntryDifference("view_not_populated", f"{schema}.{name}", "populated", "not populated") for schema, name in lacking]
    return Comparison(tuple(found), len(expected))


def _groups(expected: Sequence[TableContent], found: Mapping[str, Answer]) -> Iterator[tuple[str, Answer, Answer]]:
    """The tables, those added up whose rows may lie otherwise among them."""
    before: dict[str, Answer] = {}
    after: dict[str, Answer] = {}
    for table in expected:
        said, seen = Answer(table.rows, table.sums, table.generated_sums), found[table.identity]
        before[table.group] = before[table.group] + said if table.group in before else said
        after[table.group] = after[table.group] + seen if table.group in after else seen
    yield from ((group, before[group], after[group]) for group in before)


def _described(answer: Answer) -> str:
    return f"{answer.rows} rows with sums {' and '.join(answer.sums)}"


def _kept(all_entries: Sequence[Entry]) -> list[Entry]:
    """A dump of the structure alone has no values of sequences, no large objects, and does not say whether a view holds rows."""
    return [entry for entry in all_entries if not _is_content(entry)]


def _is_content(entry: Entry) -> bool:
    return entry.kind in (_VIEW_ROWS, _SEQUENCE_VALUE) or entry.kind.startswith("BLOB") or entry.name.startswith("LARGE OBJECT ")
