# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page shows of backups: how old the newest, the newest proven and the newest copy are, and what verifications have said."""

from __future__ import annotations

from .part import Data
from .tables import facts, table
from .words import UNKNOWN, moment, number, plural, seconds, text

_VERDICTS = {"passed": "passed", "failed": "failed", "could_not_verify": "could not verify"}
_BASES = {"restores": "forecast by real restores", "scratch": "measured on a server that was thrown away, at least"}


def fact(data: Data) -> str:
    """The one thing to know."""
    if not data.get("newest"):
        return "there is none"
    proven = data["proven"]
    return f"{plural(data['backups'], 'backup')}, the newest proven is {seconds(proven['age_seconds'])} old" if proven else "none is proven"


def body(data: Data) -> str:
    """Of a directory without backups the finding above says all there is."""
    if not data.get("newest"):
        return ""
    basis = _BASES.get(data["forecast_basis"], "")
    head = facts(
        [
            ("Backups", number(data["backups"])),
            ("Pinned", number(data["pinned"])),
            ("Newest", _dated(data["newest"])),
            ("Newest proven by a restore", _dated(data["proven"])),
            (f"Newest copy in {data['offsite_remote']}" if data["offsite_remote"] else "Copies elsewhere", _offsite(data)),
            ("A restore takes", f"{seconds(data['forecast_restore_seconds'])}, {basis}" if basis else UNKNOWN),
            ("Records", f"{number(data['records']['length'])}, {'intact' if data['records']['intact'] else 'damaged'}"),
            ("Failed", ", ".join(data["failed"]) or "none"),
        ]
    )
    rows = [
        [
            text(row["backup"]),
            text(moment(str(row["at"] or ""))),
            text(row["level"]),
            text(_VERDICTS.get(row["verdict"], str(row["verdict"]))) + (f"<small>{text(row['reason'])}</small>" if row["reason"] else ""),
            seconds(row["restore_seconds"]),
        ]
        for row in reversed(data["verdicts"])
    ]
    return f"{head}<h3>Verifications</h3>{table(['!Backup', '!At', 'Level', 'Verdict', '#Restored in'], rows)}"


def _offsite(data: Data) -> str:
    return _dated(data["offsite"]) if data["offsite_remote"] else "not configured"


def _dated(dated: Data | None) -> str:
    return f"{dated['backup']}, {seconds(dated['age_seconds'])} old" if dated else "none"
