# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a manifest says of the content of one table, and of the server that told it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, order=True)
class Buckets:
    """Sums of the parts of a table, each as C(rows first second).

    A part goes from one of the C(bounds) of C(value) up to the next one; without bounds, C(value) is its number. All of it is SQL but
    C(key), the names of the columns that tell rows apart.
    """

    table: str
    key: tuple[str, ...]
    value: str
    type: str
    bounds: tuple[str, ...]
    query: str
    sums: tuple[str, ...]

    @classmethod
    def parsed(cls, item: Mapping[str, Any]) -> Buckets:
        return cls(**{**item, **{name: tuple(item[name]) for name in ("key", "bounds", "sums")}})


@dataclass(frozen=True, order=True)
class TableContent:
    """What one table holds in the snapshot, its children and partitions left out, and the SQL that told so.

    After a restore its rows may lie elsewhere within the C(group), which is mostly the table itself. C(generated_sums) are those of
    columns that a restore computes anew, empty where there are none; C(buckets) is null where the backup has no sums of parts.
    """

    schema: str
    name: str
    rows: int
    group: str
    query: str
    sums: tuple[str, ...]
    generated_sums: tuple[str, ...] = ()
    buckets: Buckets | None = None

    @property
    def identity(self) -> str:
        return f"{self.schema}.{self.name}"

    @classmethod
    def parsed(cls, item: Mapping[str, Any]) -> TableContent:
        sums = {name: tuple(item[name]) for name in ("sums", "generated_sums")}
        return cls(**{**item, **sums, "buckets": Buckets.parsed(item["buckets"]) if item["buckets"] else None})


@dataclass(frozen=True, order=True)
class KnownAnswer:
    """What the server made of a sample of a type: one that makes something else of it tells nothing of any table."""

    type: str
    query: str
    sums: tuple[str, ...]

    @classmethod
    def parsed(cls, item: Mapping[str, Any]) -> KnownAnswer:
        return cls(**{**item, "sums": tuple(item["sums"])})
