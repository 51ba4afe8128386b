# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers as people read them."""

from __future__ import annotations

from html import escape
from typing import Any

UNKNOWN = "\u2013"


def text(value: Any) -> str:
    """Anything, safe inside a page."""
    return escape(str(value), quote=True)


def size(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    amount, unit = float(value), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if abs(amount) < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.0f} {unit}" if amount >= 100 or unit == "B" else f"{amount:.1f} {unit}"


def cores(value: float | None) -> str:
    return UNKNOWN if value is None else f"{1000 * value:.0f} m"


def seconds(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    if value < 1:
        return f"{1000 * value:.{0 if value >= 0.01 else 1}f} ms"
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if value >= 2 * length:
            return f"{value / length:.1f} {unit}"
    return f"{value:.1f} s"


def number(value: Any) -> str:
    return UNKNOWN if value is None else f"{value:,}".replace(",", "\u202f")


def moment(value: str) -> str:
    """C(2026-11-24T06:00:00Z) for reading."""
    return value.replace("T", " ").replace("Z", " UTC") if value else UNKNOWN


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def share(used: float | None, whole: float | None) -> float | None:
    return used / whole if used is not None and whole else None
