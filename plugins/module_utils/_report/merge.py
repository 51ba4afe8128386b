# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The document made of what the parts say, compared with the one before and held against the gate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from .._errors import OpsError
from .comparison import changes
from .document import PARTS, SCHEMA, SCHEMA_VERSION, SEVERITIES, Document, State
from .finding import Finding
from .gate import gate_reasons

Verdict = Literal["healthy", "warning", "could_not_check", "critical"]
_HISTORY_POINTS = 60


def merge(
    parts: Mapping[str, Mapping[str, Any]],
    *,
    taken_at: str,
    cluster: str,
    namespace: str,
    previous: Mapping[str, Any] | None = None,
    gate: str = "none",
) -> Document:
    """One document of all parts; a part nobody delivered could not be checked."""
    names = [*PARTS, *sorted(set(parts) - set(PARTS))]
    whole = {name: _part(name, parts.get(name)) for name in names}
    document: Document = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "taken_at": taken_at,
        "cluster": cluster,
        "namespace": namespace,
        "verdict": _verdict(whole.values()),
        "counts": _counts(whole.values()),
        "parts": whole,
    }
    document["changes"] = changes(document, previous)
    document["history"] = _history(previous)
    reasons = gate_reasons(gate, document)
    document["gate"] = {"name": gate, "passed": not reasons, "reasons": reasons}
    return document


def _part(name: str, given: Mapping[str, Any] | None) -> dict[str, Any]:
    if given is None:
        given = {"reason": "Nothing was delivered for this part"}
    try:
        found = [Finding(**finding).to_dict() for finding in given.get("findings") or []]
    except (TypeError, ValueError) as error:
        raise OpsError(f"The part {name} holds something that is no finding", cause=str(error)) from error
    findings = _sorted_once(found)
    reason = str(given.get("reason") or "")
    serious = any(finding["severity"] != "info" for finding in findings)
    state: State = "could_not_check" if reason else "findings" if serious else "healthy"
    return {
        "state": state,
        "reason": reason,
        "findings": findings,
        "seconds": given.get("seconds"),
        "data": given.get("data") or {},
    }


def _sorted_once(findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sorted, and each (id, subject) once, as bad as it was ever said to be."""
    ordered = sorted(findings, key=lambda finding: (SEVERITIES.index(finding["severity"]), finding["id"], finding["subject"]))
    once: dict[tuple[str, str], dict[str, Any]] = {}
    for finding in ordered:
        once.setdefault((finding["id"], finding["subject"]), finding)
    return list(once.values())


def _counts(parts: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    listed = list(parts)
    counts = {severity: sum(finding["severity"] == severity for part in listed for finding in part["findings"]) for severity in SEVERITIES}
    return {**counts, "could_not_check": sum(part["state"] == "could_not_check" for part in listed), "parts": len(listed)}


def _verdict(parts: Iterable[Mapping[str, Any]]) -> Verdict:
    counts = _counts(parts)
    if counts["critical"]:
        return "critical"
    if counts["could_not_check"]:
        return "could_not_check"
    return "warning" if counts["warning"] else "healthy"


def _history(previous: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Points of the reports before this one, the oldest first."""
    if not previous:
        return []
    point = {"taken_at": previous["taken_at"], "verdict": previous.get("verdict", ""), **previous.get("counts", {})}
    return [*previous.get("history", []), point][-_HISTORY_POINTS:]
