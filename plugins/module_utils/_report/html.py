# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one page that needs nothing else: the verdict first, what changed second, then everything that was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import plots, sections, tables
from .document import all_findings, title
from .page import Head, anchor, badge, findings, page
from .words import moment, plural, seconds, text

_VERDICTS = {"healthy": "Healthy", "warning": "Warnings", "could_not_check": "Not everything could be checked", "critical": "Critical"}


def render(document: Mapping[str, Any]) -> str:
    parts = document["parts"]
    main = [
        f'<nav class="tiles">{"".join(_tile(part, parts[part]) for part in parts)}</nav>',
        _changes(document),
        findings(all_findings(document), "Part", title),
        _history(document),
        *(_part(part, parts[part]) for part in parts),
        _timings(parts),
    ]
    return page(_head(document), main, _footer(document))


def _head(document: Mapping[str, Any]) -> Head:
    verdict, counts, gate = document["verdict"], document["counts"], document["gate"]
    said = [plural(counts[severity], f"{severity} finding") for severity in ("critical", "warning") if counts[severity]]
    if counts["could_not_check"]:
        said.append(f"{plural(counts['could_not_check'], 'part')} could not be checked")
    sentence = ", ".join(said) or f"All {counts['parts']} parts were checked and nothing is wrong"
    passed = f" · gate {gate['name']}: {'passed' if gate['passed'] else 'not passed'}" if gate["name"] != "none" else ""
    name = f"{document['cluster']}/{document['namespace']}"
    return Head(verdict, _VERDICTS[verdict], name, f"{moment(document['taken_at'])}{passed}", f"{sentence}.")


def _tile(name: str, part: Mapping[str, Any]) -> str:
    fact = sections.fact(name, part["data"])
    return (
        f'<a class="tile {_kind(part)}" href="#{anchor(name)}"><strong>{text(title(name))}</strong>'
        f'{badge(_kind(part))}<span class="fact">{text(fact)}</span></a>'
    )


def _kind(part: Mapping[str, Any]) -> str:
    """A part with findings looks like the worst of them, which comes first."""
    return str(part["findings"][0]["severity"] if part["state"] == "findings" else part["state"])


def _changes(document: Mapping[str, Any]) -> str:
    changes = document["changes"]
    if not changes["previous_taken_at"]:
        return '<section id="changes"><h2>What changed</h2><p class="quiet">There is no earlier report to compare with.</p></section>'
    groups = (
        ("New", changes["new"]),
        ("Resolved", changes["resolved"]),
        ("Cannot be compared, as it could not be checked then or now", changes["incomparable"]),
    )
    lists = "".join(f"<h3>{text(head)}</h3>{_short(found)}" for head, found in groups if found)
    blind = [
        f'<p class="reason could_not_check">{text(words)}: {text(", ".join(map(title, changes[key])))}.</p>'
        for key, words in (("lost", "Could be checked then and not now"), ("regained", "Could not be checked then and can now"))
        if changes[key]
    ]
    if not lists and not blind:
        lists = "<p>Nothing is new and nothing is gone.</p>"
    same = f'<p class="quiet">{plural(len(changes["unchanged"]), "finding")} as before.</p>' if changes["unchanged"] else ""
    since = f'<span class="quiet">since {text(moment(changes["previous_taken_at"]))}</span>'
    return f'<section id="changes"><h2>What changed {since}</h2>{lists}{"".join(blind)}{same}</section>'


def _short(found: Sequence[Mapping[str, Any]]) -> str:
    items = []
    for finding in found:
        before = finding.get("severity_before", finding["severity"])
        rose = f" <span class=quiet>(was {text(before)})</span>" if before != finding["severity"] else ""
        items.append(f"<li>{badge(finding['severity'])} <strong>{text(finding['subject'])}</strong> {text(finding['summary'])}{rose}</li>")
    return f'<ul class="changes">{"".join(items)}</ul>'


def _history(document: Mapping[str, Any]) -> str:
    now = {"taken_at": document["taken_at"], **document["counts"]}
    drawn = plots.history([*document["history"], now])
    return f'<section id="history"><h2>Findings of this and the reports before</h2>{drawn}</section>'


def _part(name: str, part: Mapping[str, Any]) -> str:
    reason = f'<p class="reason could_not_check">Could not be checked: {text(part["reason"])}</p>' if part["reason"] else ""
    found = _short(part["findings"]) if part["findings"] else ""
    body = sections.body(name, part["data"])
    return f'<section id="{anchor(name)}"><h2>{text(title(name))} {badge(_kind(part))}</h2>{reason}{found}{body}</section>'


def _timings(parts: Mapping[str, Mapping[str, Any]]) -> str:
    known = {name: part["seconds"] for name, part in parts.items() if part["seconds"] is not None}
    if not known:
        return ""
    longest = max([*known.values(), 0.001])
    rows = [[text(title(name)), plots.filled(taken / longest, seconds(taken))] for name, taken in known.items()]
    return f'<section id="timings"><h2>How long asking took</h2>{tables.table(["Part", "|Time"], rows)}</section>'


def _footer(document: Mapping[str, Any]) -> str:
    reasons = "".join(f"<li>{text(reason)}</li>" for reason in document["gate"]["reasons"])
    gate = f"<p>The gate {text(document['gate']['name'])} was not passed:</p><ul>{reasons}</ul>" if reasons else ""
    about = f"{document['schema']} version {document['schema_version']}. Secrets in messages and log lines are hidden."
    return f"{gate}<p>{text(about)}</p>"
