# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a run as one page: how it ended and why, what to do, then each step with its numbers and where the time went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import plots, tables
from .operation import Document, all_findings, value
from .page import Head, anchor, badge, findings, page
from .words import moment, plural, seconds, text

_KINDS = {"succeeded": "healthy", "could_not_verify": "could_not_check", "failed": "critical", "skipped": "info", "not_reached": "info"}
_WORDS = {
    "succeeded": "succeeded",
    "could_not_verify": "could not verify",
    "failed": "failed",
    "skipped": "skipped",
    "not_reached": "not reached",
}


def render(document: Document) -> str:
    steps = document["steps"]
    main = [
        f'<nav class="tiles">{"".join(map(_tile, steps))}</nav>',
        _why(document),
        findings(all_findings(document), "Step", str),
        _differences(document),
        _ranges(document),
        *map(_step, steps),
        _time(document),
        _history(document),
    ]
    about = f"{document['schema']} version {document['schema_version']}. Secrets in messages are hidden."
    return page(_head(document), main, f"<p>{text(about)}</p>")


def _title(operation: str) -> str:
    return operation.replace("_", " ").capitalize()


def _head(document: Document) -> Head:
    verdict, counts = document["verdict"], document["counts"]
    said = [plural(counts[severity], f"{severity} finding") for severity in ("critical", "warning") if counts[severity]]
    if counts["differences"]:
        said.append(plural(counts["differences"], "difference"))
    done = sum(step["state"] == "succeeded" for step in document["steps"])
    lead = f"{done} of {plural(len(document['steps']), 'step')} succeeded in {seconds(document['duration_seconds'])}"
    name = f"{document['cluster']}/{document['subject']}"
    title = f"{_title(document['operation'])} {_WORDS[verdict]}"
    return Head(_KINDS[verdict], title, name, f"began {moment(document['begun_at'])}", f"{', '.join([lead, *said])}.")


def _tile(step: Mapping[str, Any]) -> str:
    kind = _KINDS[step["state"]]
    first = next((f"{fact['label']}: {value(fact)}" for fact in step["facts"]), "")
    inner = f'<strong>{text(step["name"])}</strong>{badge(kind, _WORDS[step["state"]])}<span class="fact">{text(first)}</span>'
    if not _has_section(step):
        return f'<div class="tile {kind}">{inner}</div>'
    return f'<a class="tile {kind}" href="#{anchor(step["name"])}">{inner}</a>'


def _why(document: Document) -> str:
    """Only where it did not succeed."""
    told = [_reason(step) for step in document["steps"] if step["state"] in ("failed", "could_not_verify")]
    advice = "".join(f"<p>{text(line)}</p>" for line in document["advice"])
    if not told and not advice:
        return ""
    head = "<h3>How things stand, and what to run next</h3>" if advice else ""
    return f'<section id="why"><h2>Why, and what to do</h2>{"".join(told)}{head}{advice}</section>'


def _reason(step: Mapping[str, Any]) -> str:
    failure = step["failure"]
    head = (
        f'<p class="reason {_KINDS[step["state"]]}"><strong>{text(step["name"])}:</strong> {text(failure["summary"] or step["reason"])}</p>'
    )
    known = [(label, failure[key]) for label, key in (("Where", "where"), ("Cause", "cause"), ("What to do", "remedy")) if failure[key]]
    return head + (tables.table(["!", ""], [[text(label), text(value)] for label, value in known]) if known else "")


def _differences(document: Document) -> str:
    rows = [{"step": step["name"], **difference} for step in document["steps"] for difference in step["differences"]]
    if not rows:
        return ""
    more = document["counts"]["differences"] - len(rows)
    columns = list(dict.fromkeys(key for key in ("subject", "kind", "expected", "found") if any(key in row for row in rows)))
    columns += sorted({key for row in rows for key in row} - {*columns, "step", "ranges", "ranges_total"})
    table = tables.table(
        [*(column.capitalize() for column in columns), "!Step"],
        [[*(text(row.get(column, "")) for column in columns), text(row["step"])] for row in rows],
    )
    left = f'<p class="quiet">and {plural(more, "more")}</p>' if more else ""
    return f'<section id="differences"><h2>Differences</h2>{table}{left}</section>'


def _ranges(document: Document) -> str:
    """Which rows differ, with what is typed to see them."""
    differing = [one for step in document["steps"] for one in step["differences"] if one.get("ranges")]
    if not differing:
        return ""
    return f'<section id="rows"><h2>Rows that differ</h2>{"".join(map(_ranges_of, differing))}</section>'


def _ranges_of(difference: Mapping[str, Any]) -> str:
    rows = [
        [text(part["rows"]), text(part["expected_rows"]), text(part["found_rows"]), f"<code>{text(part['query'])}</code>"]
        for part in difference["ranges"]
    ]
    more = difference["ranges_total"] - len(rows)
    left = f'<p class="quiet">and {plural(more, "more range")}</p>' if more else ""
    head = f"<h3>{text(difference['subject'])}</h3>"
    return f"{head}{tables.table(['Rows', '#Expected', '#Found', 'To see them'], rows)}{left}"


def _has_section(step: Mapping[str, Any]) -> bool:
    """Findings link to it."""
    return bool(step["reason"] or step["facts"] or step["findings"])


def _step(step: Mapping[str, Any]) -> str:
    if not _has_section(step):
        return ""
    kind = _KINDS[step["state"]]
    reason = f'<p class="reason {kind}">{text(step["reason"])}</p>' if step["reason"] else ""
    facts = tables.facts((fact["label"], value(fact)) for fact in step["facts"]) if step["facts"] else ""
    noted = f'<p class="quiet">{plural(len(step["findings"]), "finding")}</p>' if step["findings"] and not (reason or facts) else ""
    head = f"<h2>{text(step['name'])} {badge(kind, _WORDS[step['state']])}</h2>"
    return f'<section id="{anchor(step["name"])}">{head}{reason}{facts}{noted}</section>'


def _time(document: Document) -> str:
    phases = [(step["name"], phase["name"], phase["seconds"]) for step in document["steps"] for phase in step["phases"]]
    if not phases:
        return ""
    longest = max([taken for _step, _phase, taken in phases] + [0.001])
    rows = [[text(name), text(phase.replace("_", " ")), plots.filled(taken / longest, seconds(taken))] for name, phase, taken in phases]
    return f'<section id="time"><h2>Where the time went</h2>{tables.table(["!Step", "!Phase", "|Time"], rows)}</section>'


def _history(document: Document) -> str:
    this = {name: document[name] for name in ("begun_at", "verdict", "duration_seconds")}
    runs: Sequence[Mapping[str, Any]] = [*document["history"], this]
    if len(runs) < 2:
        return ""
    longest = max([run["duration_seconds"] for run in runs] + [0.001])
    rows = [
        [
            text(moment(run["begun_at"])),
            badge(_KINDS[run["verdict"]], _WORDS[run["verdict"]]),
            plots.filled(run["duration_seconds"] / longest, seconds(run["duration_seconds"])),
        ]
        for run in reversed(runs)
    ]
    return f'<section id="history"><h2>This run and those before</h2>{tables.table(["!Began", "!Verdict", "|Time"], rows)}</section>'
