# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the claims of a namespace have their volumes, and how full those are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._report.finding import Finding, Severity
from .._report.part import Part
from .limits import Limits
from .objects import Object, amount, name_of


def claims(listed: Sequence[Object], volumes: Mapping[str, Object], asked: bool, limits: Limits) -> Part:
    """Claims, and how full their file systems are where a kubelet says it."""
    rows = [_claim_row(claim, volumes.get(name_of(claim))) for claim in sorted(listed, key=name_of)]
    found = [finding for row in rows for finding in _claim_findings(row, limits)]
    if rows and not asked:
        text = "how full the claims are was not asked for"
        remedy = "Set health_report_kubelet to proxy or direct."
        found.append(Finding("claim_usage_not_asked", "info", "PersistentVolumeClaims", text, "health_report_kubelet is none", remedy))
    return Part({"claims": rows, "claim_percent": limits.claims.to_dict()}, found)


def _claim_row(claim: Object, volume: Object | None) -> dict[str, Any]:
    status = claim.get("status", {})
    volume = volume or {}
    return {
        "name": name_of(claim),
        "phase": status.get("phase", "Unknown"),
        "storage_class": claim["spec"].get("storageClassName") or "",
        "requested_bytes": amount(claim["spec"]["resources"]["requests"]["storage"]),
        "size_bytes": amount(status.get("capacity", {}).get("storage")),
        "used_bytes": volume.get("usedBytes"),
        "file_system_bytes": volume.get("capacityBytes"),
        "inodes_used": volume.get("inodesUsed"),
        "inodes": volume.get("inodes"),
    }


def _claim_findings(row: Mapping[str, Any], limits: Limits) -> list[Finding]:
    subject = f"PersistentVolumeClaim/{row['name']}"
    look = f"Look at it: kubectl describe persistentvolumeclaim/{row['name']}"
    if row["phase"] != "Bound":
        severity: Severity = "critical" if row["phase"] == "Lost" else "warning"
        return [Finding("claim_not_bound", severity, subject, "the claim is not bound to a volume", f"phase {row['phase']}", look)]
    found = []
    for name, used, size in (("claim_full", "used_bytes", "file_system_bytes"), ("claim_inodes", "inodes_used", "inodes")):
        percent = 100 * row[used] / row[size] if row[used] is not None and row[size] else 0
        judged = limits.claims.judge(percent)
        if judged:
            what = "space" if name == "claim_full" else "inodes"
            text = f"more than {limits.claims.of(judged):g} % of the {what} of its file system is used"
            remedy = "Delete what is not needed, or enlarge the claim."
            found.append(Finding(name, judged, subject, text, f"{percent:.0f} %", remedy))
    return found
