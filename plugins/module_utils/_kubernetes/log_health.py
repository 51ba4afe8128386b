# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the application logged last."""

from __future__ import annotations

from collections.abc import Mapping

from .._report.finding import Finding
from .._report.part import Part
from .._report.redact import log_line

_LOG_LINES = 20


def api_log(texts: Mapping[str, str]) -> Part:
    """The last lines of all pods of the API in the order of their times, without secrets."""
    lines = [(stamp, pod, log_line(text)) for pod, log in texts.items() for stamp, text in _stamped(log)]
    ordered = sorted(lines, key=lambda line: (line[0], line[1]))
    rows = [{"time": stamp, "pod": pod, **entry} for stamp, pod, entry in ordered[-_LOG_LINES:]]
    bad = [entry for _stamp, _pod, entry in ordered if entry["level"].upper() in ("ERROR", "CRITICAL")]
    found = []
    if bad:
        found.append(
            Finding(
                id="api_log_errors",
                severity="warning",
                subject="Deployment/flask-api",
                summary="the application logged errors",
                evidence=f"{len(bad)} of the last {len(ordered)} lines, the newest: {bad[-1]['message']}",
                remedy="Read them: kubectl logs deployment/flask-api --all-pods --tail=500",
            )
        )
    return Part({"lines": rows, "looked_at": len(ordered), "errors": len(bad)}, found)


def _stamped(log: str) -> list[tuple[str, str]]:
    """Lines of a log that was asked for with timestamps=true."""
    return [(stamp, text) for line in log.splitlines() for stamp, _space, text in [line.partition(" ")] if text]
