# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which part of a database is backed up: what is asked for, and what is not in the backup by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

SHOWN_NAMES = 5


@dataclass(frozen=True)
class Selection:
    """What is asked for; the names are those of the option's parts. Empty ones include everything and exclude nothing."""

    include_schemas: tuple[str, ...] = ()
    include_tables: tuple[str, ...] = ()
    exclude_schemas: tuple[str, ...] = ()
    exclude_tables: tuple[str, ...] = ()
    exclude_table_data: tuple[str, ...] = ()

    @classmethod
    def parsed(cls, said: Mapping[str, Sequence[str]]) -> Selection:
        """In any order, each once."""
        return cls(**{part.name: tuple(sorted(set(said.get(part.name) or ()))) for part in fields(cls)})

    @property
    def asked(self) -> dict[str, list[str]]:
        """The parts that say something."""
        return {part: list(names) for part, names in asdict(self).items() if names}

    def __str__(self) -> str:
        return "; ".join(f"{part}: {', '.join(names)}" for part, names in self.asked.items()) or "all of the database"


WHOLE = Selection()


@dataclass(frozen=True)
class Selected:
    """What was asked for, and what is not in the backup by it; C(relations_left_out) are those of schemas that are."""

    asked: Selection
    schemas_left_out: tuple[str, ...]
    relations_left_out: tuple[str, ...]
    tables_without_rows: tuple[str, ...]
    bytes_left_out: int

    @classmethod
    def parsed(cls, said: Mapping[str, Any]) -> Selected:
        names = {part: tuple(said[part]) for part in ("schemas_left_out", "relations_left_out", "tables_without_rows")}
        return cls(asked=Selection.parsed(said["asked"]), bytes_left_out=said["bytes_left_out"], **names)

    @property
    def left_out(self) -> list[str]:
        """A line for each thing that a restore would not bring back."""
        rows = [f"rows of {name}" for name in self.tables_without_rows]
        return [*(f"schema {name}" for name in self.schemas_left_out), *self.relations_left_out, *rows]

    @property
    def few(self) -> str:
        return few(self.left_out)


def few(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN_NAMES]) + (f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else "")
