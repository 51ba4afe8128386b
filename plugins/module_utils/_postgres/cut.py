# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a selection leaves out of the tables there are.

pg_dump is told by exact names what to leave out, never what to take: of what it is to take it leaves the schemas, types, functions and
extensions behind without which no table restores. It passes over names to leave out that match nothing, so they are looked up here.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .._errors import OpsError
from .forms import quoted
from .selection import SHOWN_NAMES, WHOLE, Selected, Selection, few

_TABLES, _ANY = "rp", "rpvmfS"
_SCHEMAS = """
SELECT n.oid::int8 AS oid, n.nspname AS name FROM pg_namespace n WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE (d.classid, d.objid, d.deptype) = ('pg_namespace'::regclass, n.oid, 'e'))
"""
# Sizes are those of the last VACUUM or ANALYZE: to ask for others would wait for whoever has locked what is left out.
_RELATIONS = """
SELECT c.oid::int8 AS oid, n.nspname AS schema, c.relname AS name, c.relkind::text AS kind,
  ARRAY(SELECT a.relid::oid::int8 FROM pg_partition_ancestors(coalesce(s.refobjid, c.oid)) a UNION SELECT s.refobjid::int8) AS within,
  (c.relpages + coalesce(t.relpages, 0) + coalesce((
     SELECT sum(i.relpages) FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid WHERE x.indrelid IN (c.oid, t.oid)
   ), 0))::int8 * current_setting('block_size')::int8 AS bytes
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
LEFT JOIN pg_depend s ON c.relkind = 'S' AND s.classid = 'pg_class'::regclass AND s.objid = c.oid
  AND s.refclassid = 'pg_class'::regclass AND s.refobjsubid > 0 AND s.deptype IN ('a', 'i')
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't' AND n.nspname = ANY(%s)
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE (d.classid, d.objid, d.deptype) = ('pg_class'::regclass, c.oid, 'e'))
"""


@dataclass(frozen=True)
class Cut:
    """A selection against the catalog, whose OIDs these are; C(arguments) tell pg_dump."""

    selected: Selected | None = None
    schemas: tuple[int, ...] = ()
    gone: tuple[int, ...] = ()
    empty: tuple[int, ...] = ()
    stays: tuple[int, ...] = ()
    arguments: tuple[str, ...] = ()

    @property
    def oids(self) -> dict[str, list[int]]:
        """For questions."""
        return {name: list(getattr(self, name)) for name in ("schemas", "gone", "stays", "empty")}

    @property
    def left_out(self) -> list[str]:
        return self.selected.left_out if self.selected else []

    @property
    def bytes(self) -> int:
        return self.selected.bytes_left_out if self.selected else 0


def cut(connection: Any, selection: Selection, where: str) -> Cut:
    """What a selection leaves out now; a name that nothing has is refused."""
    if selection == WHOLE:
        return Cut()
    schemas = {row["name"]: row["oid"] for row in connection.execute(_SCHEMAS)}
    relations = sorted(_Relation(**row) for row in connection.execute(_RELATIONS, [list(schemas)]))
    _refuse_unknown(selection, schemas, relations, where)
    chooser = _Chooser(selection, relations)
    without = sorted(name for name in schemas if chooser.leaves_schema(name))
    gone = [one for one in relations if one.schema in without or chooser.leaves(one)]
    left = {one.oid for one in gone}
    stays = [one for one in relations if one.oid not in left]
    empty = [one for one in stays if one.oid in chooser.empty]
    if not any(one.kind in _TABLES for one in stays):
        raise OpsError("The selection leaves no table of the database", where=where, cause=str(selection), remedy="Leave less out.")
    single = [one for one in gone if one.schema not in without]
    bare = [one for one in empty if one.kind == "r"]
    selected = Selected(
        asked=selection,
        schemas_left_out=tuple(without),
        relations_left_out=tuple(one.identity for one in single),
        tables_without_rows=tuple(one.identity for one in bare),
        bytes_left_out=sum(one.bytes for one in [*gone, *bare]),
    )
    arguments = [f"--exclude-schema={quoted(name)}" for name in without]
    arguments += [f"--exclude-table={one.place}" for one in single]
    arguments += [f"--exclude-table-data={one.place}" for one in bare]
    oids = {name: tuple(one.oid for one in some) for name, some in (("gone", gone), ("empty", empty), ("stays", stays))}
    return Cut(selected, schemas=tuple(schemas[name] for name in without), arguments=tuple(arguments), **oids)


@dataclass(frozen=True, order=True)
class _Relation:
    """C(within) are itself, the tables it is a partition of, and those of the table whose column a sequence is for."""

    schema: str
    name: str
    oid: int
    kind: str
    within: Collection[int | None]
    bytes: int

    @property
    def identity(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def place(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.name)}"


class _Chooser:
    """Names come with the partitions of what they name, and with the sequences of its columns."""

    def __init__(self, selection: Selection, relations: Sequence[_Relation]) -> None:
        self._asked = selection
        self._schemas = {*selection.include_schemas, *_schemas_of(selection.include_tables, relations)}
        self._included = set(_named(selection.include_tables, relations))
        self._excluded = set(_named(selection.exclude_tables, relations))
        self.empty = set(_named(selection.exclude_table_data, relations, kinds=_TABLES))

    def leaves_schema(self, name: str) -> bool:
        return name in self._asked.exclude_schemas or (bool(self._schemas) and name not in self._schemas)

    def leaves(self, one: _Relation) -> bool:
        chosen = not self._schemas or one.schema in self._asked.include_schemas or one.oid in self._included
        return not chosen or one.oid in self._excluded


def _named(names: Collection[str], relations: Sequence[_Relation], kinds: str = _ANY) -> Iterator[int]:
    """What has one of the names, and what is within it."""
    named = {one.oid for one in relations if one.identity in names}
    yield from (one.oid for one in relations if one.kind in kinds and named & {one.oid, *one.within})


def _schemas_of(names: Collection[str], relations: Sequence[_Relation]) -> Iterator[str]:
    chosen = set(_named(names, relations))
    yield from (one.schema for one in relations if one.oid in chosen)


def _refuse_unknown(selection: Selection, schemas: Collection[str], relations: Sequence[_Relation], where: str) -> None:
    tables = [one.identity for one in relations if one.kind in _TABLES]
    for part, names in asdict(selection).items():
        known = schemas if part.endswith("schemas") else tables if part.endswith("data") else [one.identity for one in relations]
        if strange := sorted(set(names) - set(known)):
            near = difflib.get_close_matches(strange[0], known, SHOWN_NAMES) or list(known)
            remedy = f"Names are exact{'' if known is schemas else ', with their schema'}. There are {few(near) if near else 'none'}."
            raise OpsError(f"{part} names what the database does not have: {few(strange)}", where=where, remedy=remedy)
