# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every check of the collection reports."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

Severity = Literal["info", "warning", "critical"]


@dataclass(frozen=True)
class Finding:
    """One observation: about what, how bad, what was seen, and what to do."""

    id: str
    severity: Severity
    subject: str
    summary: str
    evidence: str
    remedy: str

    def __post_init__(self) -> None:
        if self.severity not in get_args(Severity):
            raise ValueError(f"{self.severity!r} is no severity; known are {', '.join(get_args(Severity))}.")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def id_word(text: str) -> str:
    """A word of somebody else as a part of an id."""
    return "".join(letter if letter.isalnum() else "_" for letter in text[:40])
