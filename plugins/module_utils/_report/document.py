# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one document: its parts, its findings, its text, and the summary that the next one is compared with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from .._errors import OpsError

SCHEMA = "endpoint_stats.health_report"
SCHEMA_VERSION = 1
PARTS = {
    "pods": "Pods",
    "events": "Last events",
    "usage": "CPU and memory",
    "api": "API",
    "postgresql": "PostgreSQL",
    "redis": "Redis",
    "claims": "Claims",
    "api_log": "Log of the API",
    "jobs": "Scheduled jobs",
    "certificates": "Certificates",
}
# Parts that not every stack has; one that is not given is not missed.
_OTHERS = {"backups": "Backups", "search": "Search engine"}
SEVERITIES = ("critical", "warning", "info")
State = Literal["healthy", "findings", "could_not_check"]
_SUMMARY_FINDINGS = 100

Document = dict[str, Any]


def canonical(document: Mapping[str, Any]) -> str:
    """The same document is the same bytes, always."""
    return json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read(text: str) -> Document:
    """A document that was written before, refused when it is not one of these."""
    try:
        found = json.loads(text)
        known = found["schema"] == SCHEMA and found["schema_version"] == SCHEMA_VERSION
        usable = (
            known and isinstance(found["taken_at"], str) and all("state" in part and "findings" in part for part in found["parts"].values())
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OpsError("The previous report could not be read", cause=f"{type(error).__name__}: {error}") from error
    if not usable:
        raise OpsError("The previous report could not be read", cause=f"it is not of {SCHEMA} version {SCHEMA_VERSION}")
    return dict(found)


def summary(document: Mapping[str, Any]) -> Document:
    """The document without its data: small enough for a ConfigMap, and enough to compare the next one with."""
    left = _SUMMARY_FINDINGS
    parts: dict[str, Any] = {}
    worst_first = sorted(document["parts"].items(), key=lambda item: _rank_of(item[1]["findings"]))
    for name, part in worst_first:
        kept = part["findings"][:left]
        left -= len(kept)
        parts[name] = {
            "state": part["state"],
            "reason": part["reason"],
            "findings": kept,
            "findings_left_out": len(part["findings"]) - len(kept),
        }
    counted = {key: len(value) for key, value in document["changes"].items() if isinstance(value, list)}
    whole = {key: value for key, value in document.items() if key not in ("parts", "changes")}
    return {**whole, "change_counts": counted, "parts": parts}


def all_findings(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every finding with the name of its part, the worst first."""
    found = [{"part": name, **finding} for name, part in document["parts"].items() for finding in part["findings"]]
    return sorted(found, key=lambda finding: (SEVERITIES.index(finding["severity"]), finding["part"], finding["id"], finding["subject"]))


def title(part: str) -> str:
    """Of C(backups/audit) it is C(Backups of audit)."""
    kind, _separator, one = part.partition("/")
    shown = {**PARTS, **_OTHERS}.get(kind, kind.replace("_", " ").capitalize())
    return f"{shown} of {one}" if one else shown


def _rank_of(findings: list[dict[str, Any]]) -> int:
    return min((SEVERITIES.index(finding["severity"]) for finding in findings), default=len(SEVERITIES))
