# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine's own health report says, besides what is found here in more detail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._report.finding import Finding, Severity, id_word
from .._report.redact import clean

_INDICATOR_SEVERITIES: dict[str, Severity] = {"yellow": "warning", "red": "critical"}
# What our own findings already say, in more detail.
_TOLD_BY = {
    "shards_availability": ("search_shards_unassigned_",),
    "disk": ("search_disk_", "search_indices_read_only"),
    "master_is_stable": ("search_no_elected_master",),
}
_INDICATORS_SHOWN_CHARACTERS = 300


def indicators(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The indicators of C(_health_report), each with its causes and what to do."""
    return [
        {
            "name": clean(name, 60),
            "status": str(indicator["status"]),
            "symptom": clean(indicator.get("symptom") or "", _INDICATORS_SHOWN_CHARACTERS),
            "causes": [clean(entry.get("cause") or "", _INDICATORS_SHOWN_CHARACTERS) for entry in indicator.get("diagnosis") or []],
            "actions": [clean(entry.get("action") or "", _INDICATORS_SHOWN_CHARACTERS) for entry in indicator.get("diagnosis") or []],
        }
        for name, indicator in sorted(document["indicators"].items())
    ]


def judge_indicators(subject: str, seen: Sequence[Mapping[str, Any]], told: Sequence[str]) -> list[Finding]:
    """What the engine complains of and none of our findings, C(told) by their ids, says in more detail."""
    return [
        Finding(
            id=f"search_indicator_{id_word(indicator['name'])}",
            severity=_INDICATOR_SEVERITIES[indicator["status"]],
            subject=subject,
            summary=f"its own health report says {indicator['status']} of {indicator['name'].replace('_', ' ')}",
            evidence=" ".join(filter(None, [indicator["symptom"], *indicator["causes"][:1]])),
            remedy=next(iter(indicator["actions"]), "") or f"GET /_health_report/{indicator['name']} tells more.",
        )
        for indicator in seen
        if indicator["status"] in _INDICATOR_SEVERITIES and not _told(indicator["name"], told)
    ]


def undecided(seen: Sequence[Mapping[str, Any]]) -> str:
    """Indicators that are neither well nor unwell: the engine does not know, and then neither do we."""
    known = ("green", *_INDICATOR_SEVERITIES)
    open_ones = [f"{indicator['name']} is {clean(indicator['status'], 20)}" for indicator in seen if indicator["status"] not in known]
    return f"of its indicators {', '.join(open_ones)}" if open_ones else ""


def _told(name: str, identities: Sequence[str]) -> bool:
    return any(identity.startswith(_TOLD_BY.get(name, ())) for identity in identities)
