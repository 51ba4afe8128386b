# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page shows of the API as its users meet it: its answer, its log, the certificates that are presented."""

from __future__ import annotations

from .part import Data
from .tables import facts, table
from .words import UNKNOWN, moment, seconds, text


def show_api(data: Data) -> str:
    if "status_code" not in data:
        return facts([("Address", data["url"])])
    head = facts(
        [
            ("Address", data["url"]),
            ("HTTP status", str(data["status_code"])),
            ("It says", data["says"]),
            ("Time of the answer", seconds(data["seconds"])),
        ]
    )
    rows = [
        [
            text(name),
            text(check["status"]),
            UNKNOWN if check["duration_ms"] is None else seconds(check["duration_ms"] / 1000),
            text(check["reason"]),
        ]
        for name, check in sorted(data["checks"].items())
    ]
    return head + table(["Store", "Status", "#Time", "Reason"], rows)


def show_api_log(data: Data) -> str:
    rows = []
    for row in data["lines"]:
        context = " ".join(str(row[key]) for key in ("endpoint", "status_code", "request_id") if row.get(key) is not None)
        note = f"<small>{text(context)}</small>" if context else ""
        took = seconds(row["duration_ms"] / 1000) if row.get("duration_ms") is not None else ""
        rows.append([text(row["time"][:19].replace("T", " ")), text(row["level"]), text(row["message"]) + note, took, text(row["pod"])])
    return table(["!Time", "Level", "Message", "#Took", "!Pod"], rows, kind="log")


def show_certificates(data: Data) -> str:
    rows = [
        [text(row["where"]), text(row["subject"]), text(moment(row["not_after"])), f"{row['days_left']:.0f}"]
        for row in data["certificates"]
    ]
    return table(["Presented by", "Name", "!Ends", "#Days left"], rows)
