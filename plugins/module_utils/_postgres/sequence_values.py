# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the sequences of a restored database stand: where the dump puts them, beyond their columns, and not before the snapshot."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .._deps import declare
from .compare import Comparison
from .contents import EntryDifference
from .manifest import Manifest

with declare("psycopg", minimum="3.1"):
    import psycopg
    import psycopg.sql

_SET = re.compile(r"^SELECT pg_catalog\.setval\('((?:[^']|'')+)', (-?\d+), (true|false)\);$", re.M)
_SEQUENCES = """
SELECT sn.nspname AS schema, s.relname AS name, tn.nspname AS table_schema, t.relname AS table_name, a.attname AS column_name,
       q.seqincrement AS increment
FROM pg_sequence q JOIN pg_class s ON s.oid = q.seqrelid JOIN pg_namespace sn ON sn.oid = s.relnamespace
JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.oid AND d.refclassid = 'pg_class'::regclass
  AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
JOIN pg_class t ON t.oid = d.refobjid JOIN pg_namespace tn ON tn.oid = t.relnamespace
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
WHERE NOT q.seqcycle ORDER BY 1, 2
"""


def sequences(connection: Any, statements: str, advance: Callable[[float], None]) -> Comparison:
    """Every sequence stands where the dump puts it."""
    found, values = [], _SET.findall(statements)
    for done, (literal, value, called) in enumerate(values):
        advance(done)
        # The name stands in the statement as an identifier within a literal.
        name = literal.replace("''", "'")
        state = connection.execute(f"SELECT last_value, is_called FROM {name}").fetchone()  # noqa: S608
        before, after = _position(int(value), called == "true"), _position(state["last_value"], state["is_called"])
        if before != after:
            found.append(EntryDifference("sequence", name, before, after))
    return Comparison(tuple(found), len(values))


def behind(connection: Any, advance: Callable[[float], None]) -> list[EntryDifference]:
    """Sequences that will give numbers which their columns have passed already, as they did in the database that was backed up."""
    found = []
    for done, sequence in enumerate(connection.execute(_SEQUENCES).fetchall()):
        advance(done)
        reached, extreme = _reached(connection, sequence), _extreme(connection, sequence)
        if extreme is not None and (reached - extreme) * sequence["increment"] < 0:
            column = f"{sequence['table_schema']}.{sequence['table_name']}.{sequence['column_name']}"
            name = f"{sequence['schema']}.{sequence['name']}"
            found.append(EntryDifference("sequence_behind", name, f"at {extreme} or beyond, as {column} is", f"at {reached}"))
    return found


def since_snapshot(manifest: Manifest, statements: str) -> list[EntryDifference]:
    """Sequences that the dump has before where they were at its snapshot: somebody set them back in between."""
    values = {literal.replace("''", "'"): (int(value), called == "true") for literal, value, called in _SET.findall(statements)}
    found = []
    for sequence in manifest.sequences:
        after, called = values.get(sequence.name, (0, False))
        if sequence.value is None or sequence.cycles or sequence.name not in values:
            continue
        if not called or (after - sequence.value) * sequence.increment < 0:
            said = f"at {after}" if called else "never asked"
            found.append(EntryDifference("sequence_back", sequence.name, f"at {sequence.value} or beyond, as at the snapshot", said))
    return found


def _position(value: int, called: bool) -> str:
    return f"{value} given" if called else f"{value} next"


def _reached(connection: Any, sequence: dict[str, Any]) -> int:
    """The last number it gave, or the one before its first."""
    name = psycopg.sql.Identifier(sequence["schema"], sequence["name"])
    state = connection.execute(psycopg.sql.SQL("SELECT last_value, is_called FROM {}").format(name)).fetchone()
    return int(state["last_value"]) - (0 if state["is_called"] else int(sequence["increment"]))


def _extreme(connection: Any, sequence: dict[str, Any]) -> int | None:
    """The number of the column that the sequence has to be beyond."""
    names = [psycopg.sql.Identifier(sequence["column_name"]), psycopg.sql.Identifier(sequence["table_schema"], sequence["table_name"])]
    query = "SELECT max({})::numeric AS number FROM {}" if sequence["increment"] > 0 else "SELECT min({})::numeric AS number FROM {}"
    row = connection.execute(psycopg.sql.SQL(query).format(*names)).fetchone()
    return None if row["number"] is None else int(row["number"])
