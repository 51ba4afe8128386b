# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plots as inline SVG: no script, colours by the page's variables, the numbers in words for those who do not see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .words import moment, text

_ROWS = ("critical", "warning", "info", "could_not_check")
_WORDS = {"critical": "critical", "warning": "warning", "info": "info", "could_not_check": "could not check"}
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 720, 150, 28, 22, 8


def filled(fraction: float | None, label: str, *, limits: Mapping[str, float] | None = None) -> str:
    """A share of a whole; with limits (in percent) ticks stand where it becomes a finding, and it is coloured by them."""
    if fraction is None:
        return f'<span class="bar none">{text(label)}</span>'
    percent = 100 * fraction
    limits = limits or {}
    level = "plain"
    if limits:
        level = "critical" if percent >= limits["critical"] else "warning" if percent >= limits["warning"] else "healthy"
    ticks = "".join(f'<rect class="tick" x="{value:.2f}%" width="1" height="100%"/>' for value in limits.values())
    return (
        f'<span class="bar"><svg role="img" aria-label="{text(label)}: {percent:.0f} %">'
        f'<rect class="track" width="100%" height="100%" rx="3"/>'
        f'<rect class="fill {level}" width="{min(max(percent, 0.5), 100):.2f}%" height="100%" rx="3"/>{ticks}</svg>'
        f"<span>{text(label)}</span></span>"
    )


def stack(parts: Sequence[tuple[str, float]], whole: float, label: str, *, limits: Mapping[str, float]) -> str:
    """Several amounts in one bar, with the names below it."""
    x, drawn, names = 0.0, [], []
    for index, (name, amount) in enumerate(parts):
        width = 100 * amount / whole if whole else 0
        hint = f"<title>{text(name)}: {amount:g}</title>"
        drawn.append(f'<rect class="series s{index % 6}" x="{x:.2f}%" width="{width:.2f}%" height="100%">{hint}</rect>')
        names.append(f'<span class="key"><i class="s{index % 6}"></i>{text(name)} {amount:g}</span>')
        x += width
    ticks = "".join(f'<rect class="tick" x="{value:.2f}%" width="1" height="100%"/>' for value in limits.values())
    return (
        f'<span class="bar wide"><svg role="img" aria-label="{text(label)}"><rect class="track" width="100%" height="100%" rx="3"/>'
        f'{"".join(drawn)}{ticks}</svg><span>{text(label)}</span></span><p class="keys">{"".join(names)}</p>'
    )


def history(points: Sequence[Mapping[str, Any]]) -> str:
    """A column for each report, its findings by severity."""
    highest = max([sum(int(point.get(row, 0)) for row in _ROWS) for point in points] + [1])
    step = next(size for size in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if highest / size <= 4)
    top = -(-highest // step) * step
    unit = (_HEIGHT - _BOTTOM - _TOP) / top
    column = (_WIDTH - _LEFT) / max(len(points), 12)
    grid = "".join(
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH}" y1="{_y(value, unit):.1f}" y2="{_y(value, unit):.1f}"/>'
        f'<text x="{_LEFT - 6}" y="{_y(value, unit) + 3.5:.1f}" text-anchor="end">{value}</text>'
        for value in range(0, top + 1, step)
    )
    columns = "".join(_column(point, _LEFT + index * column, column, unit) for index, point in enumerate(points))
    ends = f'<text x="{_LEFT}" y="{_HEIGHT - 5}">{text(moment(points[0]["taken_at"]))}</text>'
    if len(points) > 1:
        x = max(_LEFT + len(points) * column, 300)
        ends += f'<text x="{x:.1f}" y="{_HEIGHT - 5}" text-anchor="end">{text(moment(points[-1]["taken_at"]))}</text>'
    keys = "".join(f'<span class="key"><i class="{row}"></i>{_WORDS[row]}</span>' for row in _ROWS)
    label = f"Findings of the last {len(points)} reports"
    drawn = f'<svg class="plot" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{grid}{columns}{ends}</svg>'
    return f'{drawn}<p class="keys">{keys}</p>'


def _y(value: float, unit: float) -> float:
    return _HEIGHT - _BOTTOM - value * unit


def _column(point: Mapping[str, Any], x: float, width: float, unit: float) -> str:
    words = ", ".join(f"{point.get(row, 0)} {_WORDS[row]}" for row in _ROWS)
    drawn, base = [], 0
    for row in _ROWS:
        amount = int(point.get(row, 0))
        if amount:
            y, height = _y(base + amount, unit), amount * unit
            drawn.append(f'<rect class="{row}" x="{x + width * 0.15:.1f}" y="{y:.1f}" width="{width * 0.7:.1f}" height="{height:.1f}"/>')
        base += amount
    if not drawn:
        drawn.append(f'<rect class="healthy" x="{x + width * 0.15:.1f}" y="{_y(0, unit) - 2:.1f}" width="{width * 0.7:.1f}" height="2"/>')
    return f"<g><title>{text(moment(point['taken_at']))}: {words}</title>{''.join(drawn)}</g>"
