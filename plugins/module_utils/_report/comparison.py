# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changed since the report before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .document import SEVERITIES, all_findings


def changes(document: Mapping[str, Any], previous: Mapping[str, Any] | None) -> dict[str, Any]:
    """What is new, gone or the same since the previous report.

    What was not looked at, then or now, cannot be compared: a finding that is not seen any more because its part could not be checked
    is not resolved, and one that is seen after its part could not be checked is not new.
    """
    answer: dict[str, Any] = {"previous_taken_at": previous["taken_at"] if previous else None}
    answer.update({"new": [], "resolved": [], "unchanged": [], "incomparable": [], "lost": [], "regained": []})
    now, before = _by_identity(document), _by_identity(previous) if previous else {}
    blind_now, blind_before = unseen_parts(document, document), unseen_parts(previous, document)
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


def identity_of(finding: Mapping[str, Any]) -> tuple[str, str, str]:
    return finding["part"], finding["id"], finding["subject"]


def _by_identity(document: Mapping[str, Any]) -> dict[tuple[str, str, str], dict[str, Any]]:
    return {identity_of(finding): finding for finding in all_findings(document)}


def unseen_parts(document: Mapping[str, Any] | None, reference: Mapping[str, Any]) -> set[str]:
    """Parts a document says nothing final about: not checked, not there, cut short, or no document at all."""
    parts: Mapping[str, Any] = document["parts"] if document else {}
    absent = set(reference["parts"]) - set(parts)
    return absent | {name for name, part in parts.items() if part["state"] == "could_not_check" or part.get("findings_left_out")}
