# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every page of ours has: one file that needs nothing else, a head that says how it went, and findings with what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .style import CSS
from .words import text

_SIGNS = {"critical": "✕", "warning": "!", "info": "i", "healthy": "✓", "could_not_check": "?"}
_WORDS = {"could_not_check": "could not check"}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True)
class Head:
    """C(kind) is one of those that badges have; C(about) says of what and when, C(lead) is one sentence."""

    kind: str
    title: str
    name: str
    about: str
    lead: str


def page(head: Head, main: Sequence[str], footer: str) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><meta name="referrer" content="no-referrer">'
        f"<title>{text(head.title)}: {text(head.name)}</title><style>{CSS}</style></head>\n<body>"
        f'<header class="{head.kind}"><div><div class="verdict"><span class="badge big {head.kind}"><b>{_SIGNS[head.kind]}</b></span>'
        f'<div><h1>{text(head.title)}</h1><span class="quiet">{text(head.name)} · {text(head.about)}</span></div></div>'
        f'<p class="lead">{text(head.lead)}</p></div></header>'
        f"<main>{''.join(main)}</main>\n<footer>{footer}</footer></body></html>\n"
    )


def badge(kind: str, word: str = "") -> str:
    return f'<span class="badge {kind}"><b>{_SIGNS[kind]}</b>{text(word or _WORDS.get(kind, kind))}</span>'


def anchor(*names: str) -> str:
    return "-".join(re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") for name in names)


def findings(found: Sequence[Mapping[str, Any]], column: str, title: Callable[[str], str]) -> str:
    """A section of findings; each has its part, whose own section is linked."""
    if not found:
        return '<section id="findings"><h2>Findings</h2><p class="quiet">There are none.</p></section>'
    rows = "".join(
        f'<tr id="{anchor(finding["part"], finding["id"], finding["subject"])}"><td class="k">{badge(finding["severity"])}</td>'
        f"<td><strong>{text(finding['subject'])}</strong> {text(finding['summary'])}<small>{text(finding['evidence'])}</small></td>"
        f"<td>{text(finding['remedy'])}</td>"
        f'<td class="k"><a href="#{anchor(finding["part"])}">{text(title(finding["part"]))}</a></td></tr>'
        for finding in found
    )
    head = f"<tr><th></th><th>What</th><th>What to do</th><th>{text(column)}</th></tr>"
    return f'<section id="findings"><h2>Findings</h2><div class="scroll"><table>{head}{rows}</table></div></section>'
