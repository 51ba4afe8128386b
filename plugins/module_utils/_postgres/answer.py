# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a session of a server answers, the same everywhere: sums over the hashes of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .table_content import Buckets

# Everything that the text of a value depends on; it never leaves the server, so the encoding of the client does not matter.
SETTINGS = {
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "quote_all_identifiers": "off",
    "search_path": "",
    "row_security": "off",
    "jit": "off",
    # It ends when we are killed.
    "client_connection_check_interval": "5s",
}
_PIN = "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) s(name, value)"


@dataclass(frozen=True)
class Answer:
    """Rows and the sums of their hashes; C(generated) are those of the columns that a restore computes anew."""

    rows: int
    sums: tuple[str, ...]
    generated: tuple[str, ...] = ()
    buckets: Buckets | None = None

    def __add__(self, other: Answer) -> Answer:
        """Of two parts of a table."""
        return Answer(self.rows + other.rows, _added(self.sums, other.sums), _added(self.generated, other.generated))


def ask(connection: Any, query: str) -> Answer:
    """One table's answer, in a session that is pinned."""
    return _read(connection.execute(query).fetchone())


def ask_parts(connection: Any, query: str) -> dict[int, Answer]:
    """The answers of the parts of a table that have rows, by their numbers."""
    return {int(row["bucket"]): _read(row) for row in connection.execute(query)}


def pin(connection: Any) -> None:
    """Make a session's answers the same everywhere."""
    connection.execute(_PIN, [list(SETTINGS), list(SETTINGS.values())])


def _read(row: Mapping[str, Any]) -> Answer:
    sums = [tuple(str(int(row[f"{of}{which}"])) for which in ("first", "second")) for of in ("", "generated_") if f"{of}first" in row]
    return Answer(int(row["rows"]), sums[0], sums[1] if len(sums) > 1 else ())


def _added(one: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(int(a) + int(b)) for a, b in zip(one, other, strict=False))
