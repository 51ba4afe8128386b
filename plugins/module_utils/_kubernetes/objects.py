# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every object of the API tells of itself: its name, its times, and which workload a pod belongs to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from .quantity import quantity

Object = Mapping[str, Any]
_METRICS_LATE = timedelta(seconds=120)


def workload_of(pod: Object) -> str:
    """C(Deployment/flask-api) for any pod of it."""
    owner = next(iter(pod["metadata"].get("ownerReferences", [])), None)
    if owner is None:
        return f"Pod/{name_of(pod)}"
    if owner["kind"] == "ReplicaSet":
        return f"Deployment/{owner['name'].rpartition('-')[0] or owner['name']}"
    if owner["kind"] == "Job":
        return f"Job/{re.sub(r'-[0-9]{8,}$', '', owner['name'])}"
    return f"{owner['kind']}/{owner['name']}"


def amount(written: str | None) -> float | None:
    return quantity(written) if written else None


def is_young(pod: Object, now: datetime) -> bool:
    """Whether those who measure need not have seen the pod yet."""
    return time_of(pod.get("status", {}).get("startTime"), now) >= now - _METRICS_LATE


def name_of(item: Object) -> str:
    return str(item["metadata"]["name"])


def time_of(text: Any, otherwise: datetime) -> datetime:
    return datetime.fromisoformat(str(text)) if text else otherwise


def is_leaving(item: Object) -> bool:
    return bool(item["metadata"].get("deletionTimestamp"))
