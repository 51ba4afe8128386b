# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one page that needs nothing else: the verdict first, what changed second, then everything that was seen."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from . import plots, sections
from .document import all_findings, title
from .style import CSS
from .words import moment, plural, seconds, text

_SIGNS = {"critical": "✕", "warning": "!", "findings": "!", "info": "i", "healthy": "✓", "could_not_check": "?"}
_WORDS = {"findings": "findings", "could_not_check": "could not check"}
_VERDICTS = {"healthy": "Healthy", "warning": "Warnings", "could_not_check": "Not everything could be checked", "critical": "Critical"}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def render(document: Mapping[str, Any]) -> str:
    name = f"{document['cluster']}/{document['namespace']}"
    parts = document["parts"]
    main = [
        f'<nav class="tiles">{"".join(_tile(part, parts[part]) for part in parts)}</nav>',
        _changes(document),
        _findings(document),
        _history(document),
        *(_part(part, parts[part]) for part in parts),
        _timings(parts),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><meta name="referrer" content="no-referrer">'
        f"<title>{text(_VERDICTS[document['verdict']])}: {text(name)}</title><style>{CSS}</style></head>\n<body>"
        f"{_header(document, name)}<main>{''.join(main)}</main>\n{_footer(document)}</body></html>\n"
    )


def badge(kind: str, word: str = "") -> str:
    return f'<span class="badge {kind}"><b>{_SIGNS[kind]}</b>{text(word or _WORDS.get(kind, kind))}</span>'


def _anchor(*names: str) -> str:
    return "-".join(re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") for name in names)


def _header(document: Mapping[str, Any], name: str) -> str:
    verdict, counts = document["verdict"], document["counts"]
    said = [plural(counts[severity], f"{severity} finding") for severity in ("critical", "warning") if counts[severity]]
    if counts["could_not_check"]:
        said.append(f"{plural(counts['could_not_check'], 'part')} could not be checked")
    sentence = ", ".join(said) or f"All {counts['parts']} parts were checked and nothing is wrong"
    gate = document["gate"]
    passed = f" · gate {text(gate['name'])}: {'passed' if gate['passed'] else 'not passed'}" if gate["name"] != "none" else ""
    return (
        f'<header class="{verdict}"><div><div class="verdict"><span class="badge big {verdict}"><b>{_SIGNS[verdict]}</b></span>'
        f"<div><h1>{text(_VERDICTS[verdict])}</h1>"
        f'<span class="quiet">{text(name)} · {text(moment(document["taken_at"]))}{passed}</span></div></div>'
        f'<p class="lead">{text(sentence)}.</p></div></header>'
    )


def _tile(name: str, part: Mapping[str, Any]) -> str:
    fact = sections.fact(name, part["data"])
    return (
        f'<a class="tile {part["state"]}" href="#{_anchor(name)}"><strong>{text(title(name))}</strong>'
        f'{badge(part["state"])}<span class="fact">{text(fact)}</span></a>'
    )


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


def _findings(document: Mapping[str, Any]) -> str:
    found = all_findings(document)
    if not found:
        return '<section id="findings"><h2>Findings</h2><p class="quiet">There are none.</p></section>'
    rows = "".join(
        f'<tr id="{_anchor(finding["part"], finding["id"], finding["subject"])}"><td class="k">{badge(finding["severity"])}</td>'
        f"<td><strong>{text(finding['subject'])}</strong> {text(finding['summary'])}<small>{text(finding['evidence'])}</small></td>"
        f"<td>{text(finding['remedy'])}</td>"
        f'<td class="k"><a href="#{_anchor(finding["part"])}">{text(title(finding["part"]))}</a></td></tr>'
        for finding in found
    )
    head = "<tr><th></th><th>What</th><th>What to do</th><th>Part</th></tr>"
    return f'<section id="findings"><h2>Findings</h2><div class="scroll"><table>{head}{rows}</table></div></section>'


def _history(document: Mapping[str, Any]) -> str:
    now = {"taken_at": document["taken_at"], **document["counts"]}
    drawn = plots.history([*document["history"], now])
    return f'<section id="history"><h2>Findings of this and the reports before</h2>{drawn}</section>'


def _part(name: str, part: Mapping[str, Any]) -> str:
    reason = f'<p class="reason could_not_check">Could not be checked: {text(part["reason"])}</p>' if part["reason"] else ""
    found = _short(part["findings"]) if part["findings"] else ""
    body = sections.body(name, part["data"])
    return f'<section id="{_anchor(name)}"><h2>{text(title(name))} {badge(part["state"])}</h2>{reason}{found}{body}</section>'


def _timings(parts: Mapping[str, Mapping[str, Any]]) -> str:
    known = {name: part["seconds"] for name, part in parts.items() if part["seconds"] is not None}
    if not known:
        return ""
    longest = max([*known.values(), 0.001])
    rows = [[text(title(name)), plots.filled(taken / longest, seconds(taken))] for name, taken in known.items()]
    return f'<section id="timings"><h2>How long asking took</h2>{sections.table(["Part", "|Time"], rows)}</section>'


def _footer(document: Mapping[str, Any]) -> str:
    reasons = "".join(f"<li>{text(reason)}</li>" for reason in document["gate"]["reasons"])
    gate = f"<p>The gate {text(document['gate']['name'])} was not passed:</p><ul>{reasons}</ul>" if reasons else ""
    about = f"{document['schema']} version {document['schema_version']}. Secrets in messages and log lines are hidden."
    return f"<footer>{gate}<p>{text(about)}</p></footer>"
