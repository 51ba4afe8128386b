# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one run of an operation did, step by step, as one document: also of a run that failed, so that the reason can be read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

from .._clock import written
from .document import SEVERITIES
from .operation_step import LONGEST_CHARACTERS, told_step
from .redact import clean
from .store import reports
from .words import moment, number, seconds, size

SCHEMA = "endpoint_stats.operation_report"
SCHEMA_VERSION = 1
Verdict = Literal["succeeded", "could_not_verify", "failed"]
_HISTORY_RUNS = 20
_SUMMARY_FACTS = 4
_WRITTEN: Mapping[str, Callable[[Any], str]] = {"bytes": size, "seconds": seconds, "count": number, "time": moment, "text": str}

Document = dict[str, Any]


def compose(
    steps: Sequence[Mapping[str, Any]],
    *,
    operation: str,
    cluster: str,
    subject: str,
    begun: datetime,
    ended: datetime,
    advice: Sequence[str] = (),
    history: Sequence[Mapping[str, Any]] = (),
) -> Document:
    """The document of a run; C(advice) is for one that did not succeed."""
    told = [told_step(step["name"], step["result"], step["facts"]) for step in steps]
    verdict = _verdict(told)
    found = [finding for step in told for finding in step["findings"]]
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "operation": operation,
        "cluster": cluster,
        "subject": subject,
        "verdict": verdict,
        "begun_at": written(begun),
        "ended_at": written(ended),
        "duration_seconds": round((ended - begun).total_seconds(), 3),
        "counts": {
            **{severity: sum(finding["severity"] == severity for finding in found) for severity in SEVERITIES},
            "differences": sum(step["differences_total"] for step in told),
        },
        "steps": told,
        "advice": [clean(line, LONGEST_CHARACTERS) for line in advice] if verdict != "succeeded" else [],
        "history": list(history),
    }


def all_findings(document: Document) -> list[dict[str, Any]]:
    """Every finding with the name of its step, the worst first."""
    found = [{"part": step["name"], **finding} for step in document["steps"] for finding in step["findings"]]
    return sorted(found, key=lambda finding: SEVERITIES.index(finding["severity"]))


def reasons(document: Document) -> list[str]:
    """Why the run did not succeed."""
    return [f"{step['name']}: {step['reason']}" for step in document["steps"] if step["state"] in ("failed", "could_not_verify")]


def summary(document: Document) -> str:
    """One line for whoever reads the end of a log."""
    first = next(iter(reasons(document)), "")
    noted = ", ".join(f"{document['counts'][severity]} {severity}" for severity in ("critical", "warning") if document["counts"][severity])
    head = f"{document['operation']} of {document['subject']}: {document['verdict']} after {document['duration_seconds']:.1f} s"
    known = [fact for step in document["steps"] for fact in step["facts"]][:_SUMMARY_FACTS]
    told = ", ".join(f"{fact['label'].lower()} {value(fact)}" for fact in known)
    shown = f" ({told})" if told else ""
    return ". ".join(part for part in (f"{head}{f', {noted}' if noted else ''}{shown}", first) if part)


def value(fact: Mapping[str, Any]) -> str:
    """The value of a fact as people read it."""
    return _WRITTEN[fact["unit"]](fact["value"])


def earlier(directory: str, before: datetime) -> list[dict[str, Any]]:
    """How the runs before ended, the oldest first; what is no report of ours says nothing."""
    found = []
    for path in sorted(reports(directory))[-_HISTORY_RUNS:]:
        told = _read(path)
        if told and told["begun_at"] < written(before):
            found.append({name: told[name] for name in ("begun_at", "verdict", "duration_seconds")})
    return found


def _read(path: Path) -> Document | None:
    try:
        told: Document = json.loads(path.read_text(encoding="utf-8"))
        known = told["schema"] == SCHEMA and told["verdict"] in get_args(Verdict)
        return told if known and isinstance(told["begun_at"], str) and isinstance(told["duration_seconds"], (int, float)) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _verdict(steps: Iterable[Mapping[str, Any]]) -> Verdict:
    """A step that was not reached has one before it that failed, or the run did not begin at all."""
    states = {step["state"] for step in steps}
    if "failed" in states or not states & {"succeeded", "skipped", "could_not_verify"}:
        return "failed"
    return "could_not_verify" if "could_not_verify" in states else "succeeded"
