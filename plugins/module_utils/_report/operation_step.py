# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A step of an operation, made of what Ansible registered of its task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from .._errors import OpsError
from .finding import Finding
from .redact import clean

State = Literal["succeeded", "could_not_verify", "failed", "skipped", "not_reached"]
Unit = Literal["text", "count", "bytes", "seconds", "time"]
UNITS: tuple[str, ...] = get_args(Unit)
_VERDICTS: Mapping[str, State] = {"passed": "succeeded", "failed": "failed", "could_not_verify": "could_not_verify"}
LONGEST_CHARACTERS = 2000
_MOST_DIFFERENCES = 200
_MOST_RANGES = 20
Result = Mapping[str, Any]


def spread(steps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Steps whose task looped over several, as one for each of them; one that was not come to has no result."""
    found = []
    for step in steps:
        names: Sequence[str] = step.get("each") or []
        told = [f"{step['name']} {name}" for name in names] if len(names) > 1 else [step["name"]]
        # A task that failed before it came to the first has one result for all.
        results: Sequence[Result] = (step["result"].get("results") if names else None) or [step["result"]] * len(told)
        results = [*results, *[{}] * len(told)]
        found += [{**step, "name": name, "result": one} for name, one in zip(told, results, strict=False)]
    return found


def told_step(name: str, result: Result, facts: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """A step from what Ansible registered of its task: done, failed, not reached, skipped or without an answer of its host."""
    failure = result.get("failure") or {}
    given = result.get("differences") or (failure.get("details") or {}).get("differences") or []
    differences = [_difference(difference) for difference in given]
    return {
        "name": name,
        "state": _state(result),
        "reason": clean(_reason(result), LONGEST_CHARACTERS),
        "failure": {key: clean(failure.get(key) or "", LONGEST_CHARACTERS) for key in ("summary", "where", "cause", "remedy")},
        "facts": [
            {"label": fact["label"], "value": _kept(result[fact["key"]], fact["unit"]), "unit": fact["unit"]}
            for fact in facts
            if result.get(fact["key"]) not in (None, "") and (result[fact["key"]] != [] or fact["unit"] == "count")
        ],
        "phases": [{"name": phase, "seconds": taken} for phase, taken in _seconds(result).items()],
        "findings": [_finding(finding) for finding in result.get("findings") or []],
        "differences": differences[:_MOST_DIFFERENCES],
        "differences_total": len(differences),
    }


def _difference(difference: Mapping[str, Any]) -> dict[str, Any]:
    """With the ranges of rows where they are known, of which the query is what is run."""
    told: dict[str, Any] = {key: clean(text) for key, text in sorted(difference.items()) if key != "ranges"}
    ranges = difference.get("ranges") or []
    if ranges:
        shown = [{key: clean(value, LONGEST_CHARACTERS) for key, value in part.items()} for part in ranges[:_MOST_RANGES]]
        told |= {"ranges": shown, "ranges_total": len(ranges)}
    return told


def _state(result: Result) -> State:
    if not result:
        return "not_reached"
    if result.get("failed") or result.get("unreachable"):
        return "failed"
    if result.get("skipped") is True:
        return "skipped"
    return _VERDICTS.get(str(result.get("verdict", "")), "succeeded")


def _reason(result: Result) -> str:
    if not (result.get("failed") or result.get("unreachable")):
        return str(result.get("reason") or "")
    items = [str(item["msg"]) for item in result.get("results") or [] if item.get("failed") and item.get("msg")]
    return "; ".join(items) or str(result.get("msg") or "it failed without a word")


def _seconds(result: Result) -> Mapping[str, float]:
    given = result.get("seconds")
    return given if isinstance(given, Mapping) else {}


def _kept(value: Any, unit: str) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and unit == "count":
        return len(value)
    if isinstance(value, list):
        return clean(", ".join(map(_item, value)), LONGEST_CHARACTERS)
    return value if isinstance(value, (int, float)) else clean(value, LONGEST_CHARACTERS)


def _item(value: Any) -> str:
    return (
        " ".join(f"({part})" if number else str(part) for number, part in enumerate(value.values()))
        if isinstance(value, dict)
        else str(value)
    )


def _finding(given: Mapping[str, Any]) -> dict[str, Any]:
    try:
        told = Finding(**given).to_dict()
    except (TypeError, ValueError) as error:
        raise OpsError("A step holds something that is no finding", cause=str(error)) from error
    return {key: clean(value) for key, value in told.items()}
