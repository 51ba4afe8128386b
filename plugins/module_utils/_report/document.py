# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one document: what the parts say, what changed since the one before, and whether it passes the gate."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

from .._errors import OpsError
from .finding import Finding

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
Verdict = Literal["healthy", "warning", "could_not_check", "critical"]
Gate = Literal["none", "warning", "critical", "new-critical"]
GATES: tuple[str, ...] = get_args(Gate)
_HISTORY_POINTS = 60
_SUMMARY_FINDINGS = 100

Document = dict[str, Any]


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


def changes(document: Mapping[str, Any], previous: Mapping[str, Any] | None) -> dict[str, Any]:
    """What is new, gone or the same since the previous report.

    What was not looked at, then or now, cannot be compared: a finding that is not seen any more because its part could not be checked
    is not resolved, and one that is seen after its part could not be checked is not new.
    """
    answer: dict[str, Any] = {"previous_taken_at": previous["taken_at"] if previous else None}
    answer.update({"new": [], "resolved": [], "unchanged": [], "incomparable": [], "lost": [], "regained": []})
    now, before = _by_identity(document), _by_identity(previous) if previous else {}
    blind_now, blind_before = _blind(document, document), _blind(previous, document)
    for identity, finding in now.items():
        earlier = before.get(identity)
        if earlier is None:
            answer["incomparable" if identity[0] in blind_before else "new"].append(finding)
        else:
            worse = SEVERITIES.index(finding["severity"]) < SEVERITIES.index(earlier["severity"])
            answer["new" if worse else "unchanged"].append({**finding, "severity_before": earlier["severity"]})
    for identity, finding in before.items():
        if identity not in now:
            answer["incomparable" if identity[0] in blind_now else "resolved"].append(finding)
    if previous:
        answer["lost"] = sorted(blind_now - blind_before)
        answer["regained"] = sorted(blind_before - blind_now)
    return answer


def gate_reasons(gate: str, document: Mapping[str, Any]) -> list[str]:
    """Why the report does not pass; what could not be checked never passes a gate, as nobody knows what it hides."""
    if gate not in GATES:
        raise OpsError(f"{gate!r} is no gate", remedy=f"Known are {', '.join(GATES)}.")
    if gate == "none":
        return []
    if gate == "new-critical":
        compared = document["changes"]
        # With nothing to compare with nobody knows that a critical finding is old.
        shown = [finding for finding in [*compared["new"], *compared["incomparable"]] if finding["severity"] == "critical"]
        present = {_identity(finding) for finding in all_findings(document)}
        found = [finding for finding in shown if _identity(finding) in present]
        blind = compared["lost"] if compared["previous_taken_at"] else sorted(_blind(document, document))
    else:
        refused = ("critical", "warning") if gate == "warning" else ("critical",)
        found = [finding for finding in all_findings(document) if finding["severity"] in refused]
        blind = sorted(_blind(document, document))
    return [
        *(f"{finding['severity']}: {finding['subject']}: {finding['summary']}" for finding in found),
        *(f"could not check: {title(name)}: {document['parts'][name]['reason']}" for name in blind),
    ]


def title(part: str) -> str:
    return {**PARTS, **_OTHERS}.get(part, part.replace("_", " ").capitalize())


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


def _rank_of(findings: list[dict[str, Any]]) -> int:
    return min((SEVERITIES.index(finding["severity"]) for finding in findings), default=len(SEVERITIES))


def _identity(finding: Mapping[str, Any]) -> tuple[str, str, str]:
    return finding["part"], finding["id"], finding["subject"]


def _by_identity(document: Mapping[str, Any]) -> dict[tuple[str, str, str], dict[str, Any]]:
    return {_identity(finding): finding for finding in all_findings(document)}


def _blind(document: Mapping[str, Any] | None, reference: Mapping[str, Any]) -> set[str]:
    """Parts a document says nothing final about: not checked, not there, cut short, or no document at all."""
    parts: Mapping[str, Any] = document["parts"] if document else {}
    absent = set(reference["parts"]) - set(parts)
    return absent | {name for name, part in parts.items() if part["state"] == "could_not_check" or part.get("findings_left_out")}


def _history(previous: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Points of the reports before this one, the oldest first."""
    if not previous:
        return []
    point = {"taken_at": previous["taken_at"], "verdict": previous.get("verdict", ""), **previous.get("counts", {})}
    return [*previous.get("history", []), point][-_HISTORY_POINTS:]
