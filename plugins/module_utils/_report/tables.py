# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables and lists of facts, as every section of the page has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .words import text

_COLUMNS = {"#": "n", "|": "w", "!": "k"}


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, kind: str = "") -> str:
    """Cells are ready for the page; a head begins with # for numbers, with | for plots, with ! for what stays on one line."""
    classes = [_COLUMNS.get(head[:1], "") for head in heads]
    top = "".join(f'<th class="{mark}">{text(head.lstrip("#|!"))}</th>' for head, mark in zip(heads, classes, strict=True))
    lines = ["".join(f'<td class="{mark}">{cell}</td>' for cell, mark in zip(row, classes, strict=True)) for row in rows]
    if not lines:
        return '<p class="quiet">There are none.</p>'
    return f'<div class="scroll"><table class="{kind}"><tr>{top}</tr>{"".join(f"<tr>{line}</tr>" for line in lines)}</table></div>'


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in pairs) + "</dl>"
