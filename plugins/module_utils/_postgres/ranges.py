# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rows of a table differ, as far as the sums of its parts tell it, and the query that shows them.

Only tables that are known to differ are asked, so that a good backup costs nothing, and what is found here changes no verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from .answer import Answer, ask_parts, pin
from .buckets import WHOLE
from .contents import EntryDifference, RowRange
from .forms import quoted
from .reading import Opened
from .table_content import Buckets, TableContent

_NAMED = ("rows", "content")
_SHOWN_CHARACTERS = 60
_KEYS = """
SELECT bucket, left(min(key COLLATE "C"), {most}) AS least, left(max(key COLLATE "C"), {most}) AS greatest
FROM (SELECT {value} AS bucket, concat_ws(', ', {key}) AS key FROM ONLY {table} AS r) AS keyed GROUP BY bucket
"""


def located(differences: Sequence[EntryDifference], tables: Sequence[TableContent], opened: Opened) -> list[EntryDifference]:
    """The same differences, those of tables with the ranges of rows that differ where the backup has sums of parts."""
    parts = {table.identity: table.buckets for table in tables if table.buckets}
    if not any(_has_parts(difference, parts) for difference in differences):
        return list(differences)
    with opened() as connection:
        pin(connection)
        return [
            replace(difference, ranges=tuple(_ranges(connection, parts[difference.subject])))
            if _has_parts(difference, parts)
            else difference
            for difference in differences
        ]


def _has_parts(difference: EntryDifference, parts: Mapping[str, Buckets]) -> bool:
    return difference.kind in _NAMED and difference.subject in parts


@dataclass(frozen=True)
class _Part:
    """Neighbours that differ, from the first to the last of them, and how many rows they had and have."""

    first: int
    last: int
    before: int
    after: int


def _ranges(connection: Any, buckets: Buckets) -> Iterator[RowRange]:
    found = ask_parts(connection, buckets.query)
    parts = list(_differing(buckets, found))
    if not parts:
        whole = _Part(0, 0, sum(_read(line).rows for line in buckets.sums), sum(part.rows for part in found.values()))
        yield _told(buckets, "all rows, as no part of them differs, which contradicts the sums of the table", whole, "")
    named = _by_bounds if buckets.type else _by_hash
    yield from named(connection, buckets, parts)


def _differing(buckets: Buckets, found: Mapping[int, Answer]) -> Iterator[_Part]:
    """Ranges that lie beside each other are one; what has another hash lies nowhere."""
    none = Answer(0, ("0", "0"))
    pairs = [(number, _read(line), found.get(number, none)) for number, line in enumerate(buckets.sums)]
    others = [
        (number, before.rows, after.rows) for number, before, after in pairs if (before.rows, before.sums) != (after.rows, after.sums)
    ]
    for _run, group in groupby(enumerate(others), lambda item: item[1][0] - (item[0] if buckets.type else 0)):
        parts = [part for _place, part in group]
        yield _Part(parts[0][0], parts[-1][0], sum(part[1] for part in parts), sum(part[2] for part in parts))


def _by_bounds(_connection: Any, buckets: Buckets, parts: Sequence[_Part]) -> Iterator[RowRange]:
    column = f"r.{quoted(buckets.key[0])}"
    for part in parts:
        lower = buckets.bounds[part.first - 1] if part.first else None
        upper = buckets.bounds[part.last] if part.last < len(buckets.bounds) else None
        bounds = ((sign, bound if buckets.type == WHOLE else f"'{bound}'") for sign, bound in ((">=", lower), ("<", upper)) if bound)
        conditions = [f"{column} {sign} {bound}" for sign, bound in bounds]
        yield _told(buckets, _in_words(buckets, lower, upper), part, " AND ".join(conditions))


def _by_hash(connection: Any, buckets: Buckets, parts: Sequence[_Part]) -> Iterator[RowRange]:
    key = ", ".join(f"r.{quoted(name)}" for name in buckets.key)
    query = _KEYS.format(most=_SHOWN_CHARACTERS, value=buckets.value, key=key, table=buckets.table)
    there = {row["bucket"]: f", with keys from {row['least']} to {row['greatest']}" for row in connection.execute(query)}
    for part in parts:
        words = f"part {part.first + 1} of {len(buckets.sums)} by hash of {', '.join(buckets.key)}{there.get(part.first, '')}"
        yield _told(buckets, words, part, f"{buckets.value} = {part.first}")


def _told(buckets: Buckets, words: str, part: _Part, condition: str) -> RowRange:
    where = f" WHERE {condition}" if condition else ""
    order = ", ".join(f"r.{quoted(name)}" for name in buckets.key)
    query = f"SELECT * FROM ONLY {buckets.table} AS r{where} ORDER BY {order}"  # noqa: S608 - shown, and run by nobody here
    return RowRange(words, part.before, part.after, query)


def _in_words(buckets: Buckets, lower: str | None, upper: str | None) -> str:
    name, whole = buckets.key[0], buckets.type == WHOLE
    if lower is None and upper is None:
        return "all rows"
    last = "" if upper is None else str(int(upper) - 1) if whole else f"before {upper}"
    if lower is None:
        return f"{name} up to {last}" if whole else f"{name} {last}"
    if upper is None:
        return f"{name} from {lower}"
    if whole:
        return f"{name} {lower} to {last}" if lower != last else f"{name} {lower}"
    return f"{name} from {lower} to {last}"


def _read(line: str) -> Answer:
    rows, *sums = line.split()
    return Answer(int(rows), tuple(sums))
