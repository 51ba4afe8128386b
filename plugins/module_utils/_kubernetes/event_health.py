# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Kubernetes warned of in a namespace."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from .._report.finding import Finding
from .._report.part import Part
from .._report.redact import clean
from .limits import Limits
from .objects import Object, name_of, time_of

_BAD_EVENTS = frozenset(
    {
        *("BackOff", "Evicted", "Failed", "FailedAttachVolume", "FailedBinding", "FailedCreate", "FailedCreatePodSandBox", "FailedMount"),
        *("FailedScheduling", "NodeNotReady", "OOMKilling", "ProvisioningFailed", "VolumeResizeFailed"),
    }
)


def events(listed: Sequence[Object], shown: int, now: datetime, limits: Limits) -> Part:
    """The last events, and the bad ones of the last hour by reason and object."""
    newest = sorted(listed, key=lambda event: (_event_time(event), name_of(event)), reverse=True)
    rows = [_event_row(event) for event in newest[:shown]]
    since = now - timedelta(minutes=limits.event_window_minutes)
    recent = [event for event in newest if event.get("type") == "Warning" and time_of(_event_time(event), now) >= since]
    groups: dict[tuple[str, str], list[Object]] = {}
    for event in recent:
        groups.setdefault((str(event.get("reason")), _stable(event.get("involvedObject", {}))), []).append(event)
    found = [
        Finding(
            id=f"event_{_snake(reason)}",
            severity="warning" if reason in _BAD_EVENTS else "info",
            subject=subject,
            summary=f"Kubernetes warned of {reason} within the last {limits.event_window_minutes:g} minutes",
            evidence=clean(group[0].get("message", "")),
            remedy=f"Read them: kubectl get events --field-selector reason={reason}",
        )
        for (reason, subject), group in groups.items()
    ]
    return Part({"events": rows, "total": len(newest)}, found)


def _snake(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower()).strip("_")


def _event_time(event: Object) -> str:
    series = event.get("series") or {}
    stamps = (
        series.get("lastObservedTime"),
        event.get("lastTimestamp"),
        event.get("eventTime"),
        event["metadata"].get("creationTimestamp"),
    )
    return str(next((stamp for stamp in stamps if stamp), ""))


def _event_row(event: Object) -> dict[str, Any]:
    about = event.get("involvedObject", {})
    return {
        "time": _event_time(event),
        "type": event.get("type", ""),
        "reason": event.get("reason", ""),
        "object": f"{about.get('kind', '')}/{about.get('name', '')}",
        "count": (event.get("series") or {}).get("count") or event.get("count") or 1,
        "message": clean(event.get("message", "")),
    }


def _stable(about: Mapping[str, Any]) -> str:
    """The workload an event is about, as far as a name tells."""
    kind, name = str(about.get("kind", "")), str(about.get("name", ""))
    for of, pattern, owner in (
        ("Pod", r"-[0-9]{8,}-[a-z0-9]{5}$", "Job"),
        ("Pod", r"-[a-z0-9]{6,10}-[a-z0-9]{5}$", "Deployment"),
        ("ReplicaSet", r"-[a-z0-9]{6,10}$", "Deployment"),
        ("Job", r"-[0-9]{8,}$", "Job"),
    ):
        if kind == of and re.search(pattern, name):
            return f"{owner}/{re.sub(pattern, '', name)}"
    return f"{kind}/{name}"
