# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the scheduled and other Jobs of a namespace ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._report.finding import Finding
from .._report.part import Part
from .objects import Object, name_of


def jobs(cron_jobs: Sequence[Object], listed: Sequence[Object]) -> Part:
    """The last run of each schedule, and Jobs that failed on their own."""
    by_owner: dict[str, list[Object]] = {}
    for job in sorted(listed, key=lambda item: str(item.get("status", {}).get("startTime", ""))):
        by_owner.setdefault(_owner(job, "CronJob"), []).append(job)
    rows = [_schedule_row(item, by_owner.get(name_of(item), [])) for item in sorted(cron_jobs, key=name_of)]
    alone = [{"name": name_of(job), "result": _job_result(job)} for job in by_owner.get("", [])]
    found = [finding for row in rows for finding in _schedule_findings(row)]
    for job in alone:
        if job["result"] == "failed":
            remedy = f"Read its log: kubectl logs job/{job['name']}"
            found.append(Finding("job_failed", "warning", f"Job/{job['name']}", "the Job failed", "condition Failed", remedy))
    return Part({"schedules": rows, "jobs": alone}, found)


def _owner(item: Object, kind: str) -> str:
    return next((owner["name"] for owner in item["metadata"].get("ownerReferences", []) if owner["kind"] == kind), "")


def _job_result(job: Object) -> str:
    true = {condition["type"] for condition in job.get("status", {}).get("conditions", []) if condition.get("status") == "True"}
    return "failed" if "Failed" in true else "succeeded" if "Complete" in true else "running"


def _schedule_row(item: Object, runs: Sequence[Object]) -> dict[str, Any]:
    status = item.get("status", {})
    return {
        "name": name_of(item),
        "schedule": item["spec"]["schedule"],
        "time_zone": item["spec"].get("timeZone", ""),
        "suspended": bool(item["spec"].get("suspend")),
        "last_scheduled_at": status.get("lastScheduleTime", ""),
        "last_successful_at": status.get("lastSuccessfulTime", ""),
        "last_job": name_of(runs[-1]) if runs else "",
        "last_result": _job_result(runs[-1]) if runs else "",
    }


def _schedule_findings(row: Mapping[str, Any]) -> list[Finding]:
    subject = f"CronJob/{row['name']}"
    if row["last_result"] == "failed":
        evidence, remedy = "condition Failed on its newest Job", f"Read its log: kubectl logs job/{row['last_job']}"
        return [Finding("schedule_failed", "warning", subject, "its last run failed", evidence, remedy)]
    if row["suspended"]:
        remedy = "Set its variable back and run its role, when that is not meant to be so."
        return [Finding("schedule_suspended", "info", subject, "it is suspended and does not run", "spec.suspend is true", remedy)]
    return []
