# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gauges as Prometheus text, in a file that a collector reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ._files import Wanted, write

_PREFIX = "endpoint_stats_"


@dataclass(frozen=True)
class Gauge:
    """A value under labels of its own; the name goes without the collection's prefix."""

    name: str
    help: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


def render(gauges: Sequence[Gauge], common: Mapping[str, str] | None = None) -> str:
    """The text; gauges of one name stand together, in the order in which the names came first."""
    families: dict[str, list[Gauge]] = {}
    for gauge in gauges:
        families.setdefault(_PREFIX + gauge.name, []).append(gauge)
    lines = []
    for name, members in families.items():
        lines += [f"# HELP {name} {members[0].help}", f"# TYPE {name} gauge"]
        lines += [f"{name}{_labels({**(common or {}), **gauge.labels})} {gauge.value}" for gauge in members]
    return "\n".join(lines) + "\n"


def write_metrics(path: str, gauges: Sequence[Gauge], common: Mapping[str, str] | None = None) -> None:
    """Write the file, whole or not at all; an empty path writes none."""
    if path:
        write(Wanted(Path(path), 0o644, render(gauges, common).encode()))


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(labels.items())) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
