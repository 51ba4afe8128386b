# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shards without a node: how many of which indices, by cause, with what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._report.finding import Finding, Severity
from .._report.words import plural
from .causes import BY_WORD, CAUSES, Reason

_EXPLAINED = 20


@dataclass(frozen=True)
class Kind:
    """Shards of one index that are alike: all its primaries or all its replicas without a node."""

    index: str
    primary: bool
    shards: tuple[int, ...]


def unassigned(rows: Iterable[Mapping[str, Any]]) -> list[Kind]:
    """The kinds among the lines of C(_cat/shards); primaries first, as without them there is no data."""
    found: dict[tuple[bool, str], list[int]] = {}
    for row in rows:
        if row["state"] == "UNASSIGNED":
            found.setdefault((row["prirep"] != "p", str(row["index"])), []).append(int(row["shard"]))
    return [Kind(index, not replica, tuple(sorted(numbers))) for (replica, index), numbers in sorted(found.items())]


def explained(kinds: Sequence[Kind], explain: Callable[[str, int, bool], Reason]) -> list[tuple[Kind, Reason]]:
    """Each kind with its reason; one shard stands for its kind, and only so many are asked for."""
    asked = [(kind, explain(kind.index, kind.shards[0], kind.primary)) for kind in kinds[:_EXPLAINED]]
    return [*asked, *((kind, Reason("unexplained")) for kind in kinds[_EXPLAINED:])]


def grouped(reasons: Sequence[tuple[Kind, Reason]], shown: int) -> list[dict[str, Any]]:
    """The kinds by cause, in the order of urgency, with as many names of indices as are shown."""
    groups = []
    for cause in CAUSES:
        alike = [(kind, reason) for kind, reason in reasons if reason.word == cause.word]
        if not alike:
            continue
        names = sorted({kind.index for kind, _reason in alike})
        groups.append(
            {
                "cause": cause.word,
                "text": cause.text,
                "primaries": sum(len(kind.shards) for kind, _reason in alike if kind.primary),
                "replicas": sum(len(kind.shards) for kind, _reason in alike if not kind.primary),
                "indices": names[:shown],
                "indices_left_out": max(0, len(names) - shown),
                "evidence": alike[0][1].evidence,
            }
        )
    return groups


def judge(subject: str, groups: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """One finding for each cause: primaries without a node are data nobody reads or writes."""
    return [
        Finding(
            id=f"search_shards_unassigned_{group['cause']}",
            severity=_severity(group),
            subject=subject,
            summary=f"shards have no node: {group['text']}",
            evidence=f"{counted(group)} of {listed(group)}" + (f"; {group['evidence']}" if group["evidence"] else ""),
            remedy=BY_WORD[group["cause"]].remedy,
        )
        for group in groups
    ]


def counted(group: Mapping[str, Any]) -> str:
    """How many shards of which sort."""
    amounts = ((group["primaries"], "primary", "primaries"), (group["replicas"], "replica", "replicas"))
    return " and ".join(f"{amount} {one if amount == 1 else many}" for amount, one, many in amounts if amount)


def listed(group: Mapping[str, Any]) -> str:
    """Names of indices, and how many more there are."""
    more = f" and {plural(group['indices_left_out'], 'more')}".removesuffix("s") if group["indices_left_out"] else ""
    return ", ".join(group["indices"]) + more


def _severity(group: Mapping[str, Any]) -> Severity:
    if group["primaries"]:
        return "critical"
    return "info" if BY_WORD[group["cause"]].waits else "warning"
