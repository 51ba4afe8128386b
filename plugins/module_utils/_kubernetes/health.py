# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the objects of a namespace say about its health: documents of the API in, a part of the report out.

A finding names a workload and not a pod of it, as the names of pods change with every release and a report is compared with the one before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .._report.finding import Finding, Severity
from .._report.part import Part, Threshold
from .._report.redact import clean, log_line
from .quantity import quantity

Object = Mapping[str, Any]
_BROKEN = ("CrashLoopBackOff", "CreateContainerConfigError", "CreateContainerError", "ErrImagePull", "ImagePullBackOff", "InvalidImageName")
_BAD_EVENTS = frozenset(
    {
        *("BackOff", "Evicted", "Failed", "FailedAttachVolume", "FailedBinding", "FailedCreate", "FailedCreatePodSandBox", "FailedMount"),
        *("FailedScheduling", "NodeNotReady", "OOMKilling", "ProvisioningFailed", "VolumeResizeFailed"),
    }
)
_METRICS_LATE = timedelta(seconds=120)
_LOG_LINES = 20


@dataclass(frozen=True)
class Limits:
    """Where a measured value becomes a finding."""

    cpu: Threshold
    memory: Threshold
    claims: Threshold
    restart_window_hours: float
    event_window_minutes: float


def pods(listed: Sequence[Object], workloads: Sequence[Object], expected: Iterable[str], now: datetime, limits: Limits) -> Part:
    """Whether everything that should run does."""
    rows = [_pod_row(pod) for pod in sorted(listed, key=_name)]
    sets = [_workload_row(item) for item in sorted(workloads, key=lambda item: (item["kind"], _name(item)))]
    found = [*_workload_findings(sets, expected), *(finding for pod in listed for finding in _pod_findings(pod, now, limits))]
    return Part({"workloads": sets, "pods": rows}, found)


def events(listed: Sequence[Object], shown: int, now: datetime, limits: Limits) -> Part:
    """The last events, and the bad ones of the last hour by reason and object."""
    newest = sorted(listed, key=lambda event: (_event_time(event), _name(event)), reverse=True)
    rows = [_event_row(event) for event in newest[:shown]]
    since = now - timedelta(minutes=limits.event_window_minutes)
    recent = [event for event in newest if event.get("type") == "Warning" and _time(_event_time(event), now) >= since]
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


def usage(listed: Sequence[Object], metrics: Sequence[Object], now: datetime, limits: Limits) -> Part:
    """CPU and memory of each pod beside its limits."""
    measured = {_name(item): item for item in metrics}
    running = [pod for pod in sorted(listed, key=_name) if pod.get("status", {}).get("phase") == "Running"]
    rows = [row for pod in running if _name(pod) in measured for row in [_usage_row(pod, measured[_name(pod)])]]
    unmeasured = [_name(pod) for pod in running if _name(pod) not in measured and not is_young(pod, now) and not _done(pod)]
    reason = f"the metrics API has no numbers of {', '.join(unmeasured)}" if unmeasured else ""
    found = [finding for row in rows for finding in _usage_findings(row, limits)]
    shown = {"cpu_percent": limits.cpu.to_dict(), "memory_percent": limits.memory.to_dict()}
    return Part({"pods": rows, **shown}, found, reason)


def claims(listed: Sequence[Object], volumes: Mapping[str, Object], asked: bool, limits: Limits) -> Part:
    """Claims, and how full their file systems are where a kubelet says it."""
    rows = [_claim_row(claim, volumes.get(_name(claim))) for claim in sorted(listed, key=_name)]
    found = [finding for row in rows for finding in _claim_findings(row, limits)]
    if rows and not asked:
        text = "how full the claims are was not asked for"
        remedy = "Set health_report_kubelet to proxy or direct."
        found.append(Finding("claim_usage_not_asked", "info", "PersistentVolumeClaims", text, "health_report_kubelet is none", remedy))
    return Part({"claims": rows, "claim_percent": limits.claims.to_dict()}, found)


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


def jobs(cron_jobs: Sequence[Object], listed: Sequence[Object]) -> Part:
    """The last run of each schedule, and Jobs that failed on their own."""
    by_owner: dict[str, list[Object]] = {}
    for job in sorted(listed, key=lambda item: str(item.get("status", {}).get("startTime", ""))):
        by_owner.setdefault(_owner(job, "CronJob"), []).append(job)
    rows = [_schedule_row(item, by_owner.get(_name(item), [])) for item in sorted(cron_jobs, key=_name)]
    alone = [{"name": _name(job), "result": _job_result(job)} for job in by_owner.get("", [])]
    found = [finding for row in rows for finding in _schedule_findings(row)]
    for job in alone:
        if job["result"] == "failed":
            remedy = f"Read its log: kubectl logs job/{job['name']}"
            found.append(Finding("job_failed", "warning", f"Job/{job['name']}", "the Job failed", "condition Failed", remedy))
    return Part({"schedules": rows, "jobs": alone}, found)


def workload_of(pod: Object) -> str:
    """C(Deployment/flask-api) for any pod of it."""
    owner = next(iter(pod["metadata"].get("ownerReferences", [])), None)
    if owner is None:
        return f"Pod/{_name(pod)}"
    if owner["kind"] == "ReplicaSet":
        return f"Deployment/{owner['name'].rpartition('-')[0] or owner['name']}"
    if owner["kind"] == "Job":
        return f"Job/{re.sub(r'-[0-9]{8,}$', '', owner['name'])}"
    return f"{owner['kind']}/{owner['name']}"


def _amount(written: str | None) -> float | None:
    return quantity(written) if written else None


def is_young(pod: Object, now: datetime) -> bool:
    """Whether those who measure need not have seen the pod yet."""
    return _time(pod.get("status", {}).get("startTime"), now) >= now - _METRICS_LATE


def _name(item: Object) -> str:
    return str(item["metadata"]["name"])


def _time(text: Any, otherwise: datetime) -> datetime:
    return datetime.fromisoformat(str(text)) if text else otherwise


def _done(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def _snake(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower()).strip("_")


def _containers(pod: Object) -> list[Object]:
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def _waiting(pod: Object) -> str:
    reasons = [container.get("state", {}).get("waiting", {}).get("reason", "") for container in _containers(pod)]
    return next((reason for reason in reasons if reason and reason != "PodInitializing"), "")


def _pod_row(pod: Object) -> dict[str, Any]:
    status = pod.get("status", {})
    containers = status.get("containerStatuses", [])
    return {
        "name": _name(pod),
        "workload": workload_of(pod),
        "phase": "Terminating" if _done(pod) else status.get("phase", "Unknown"),
        "reason": _waiting(pod) or status.get("reason", ""),
        "ready": sum(bool(container.get("ready")) for container in containers),
        "containers": len(pod["spec"]["containers"]),
        "restarts": sum(container.get("restartCount", 0) for container in containers),
        "node": pod["spec"].get("nodeName", ""),
        "started_at": status.get("startTime", ""),
    }


def _workload_row(item: Object) -> dict[str, Any]:
    status = item.get("status", {})
    wanted = item["spec"].get("replicas", 1)
    return {"kind": item["kind"], "name": _name(item), "wanted": wanted, "ready": status.get("readyReplicas", 0)}


def _workload_findings(rows: Sequence[Mapping[str, Any]], expected: Iterable[str]) -> list[Finding]:
    wanted = set(expected)
    present = {f"{row['kind']}/{row['name']}" for row in rows}
    remedy = "Run endpoint_stats.ops.app_stack, which makes what is missing."
    found = [
        Finding("workload_missing", "critical", name, "it should be there and is not", "the API server has no such object", remedy)
        for name in sorted(wanted - present)
    ]
    for row in rows:
        subject = f"{row['kind']}/{row['name']}"
        if not row["wanted"] and subject in wanted:
            text, scale = "it is scaled to no pod at all", f"kubectl scale {subject.lower()} --replicas=1"
            found.append(Finding("workload_scaled_away", "critical", subject, text, "0 pods are wanted", scale))
        if row["ready"] < row["wanted"]:
            severity: Severity = "warning" if row["ready"] else "critical"
            evidence = f"{row['ready']} of {row['wanted']} pods are ready"
            look = f"Look at its pods: kubectl describe {subject.lower()}"
            found.append(Finding("workload_not_ready", severity, subject, "not every pod of it is ready", evidence, look))
    return found


def _pod_findings(pod: Object, now: datetime, limits: Limits) -> list[Finding]:
    subject, status, waiting = workload_of(pod), pod.get("status", {}), _waiting(pod)
    found = []
    if waiting in _BROKEN:
        said = next((c["state"]["waiting"].get("message", "") for c in _containers(pod) if c.get("state", {}).get("waiting")), "")
        look = f"Look at it: kubectl logs {_name(pod)} --previous; kubectl describe pod/{_name(pod)}"
        found.append(Finding("pod_does_not_start", "critical", subject, f"a pod does not start: {waiting}", clean(said), look))
    if status.get("phase") == "Pending" and waiting not in _BROKEN:
        conditions = [c for c in status.get("conditions", []) if c.get("type") == "PodScheduled" and c.get("status") == "False"]
        if conditions:
            evidence, look = clean(conditions[0].get("message", "")), "Give the nodes what it asks for, or ask for less."
            found.append(Finding("pod_not_scheduled", "critical", subject, "no node takes a pod", evidence, look))
    if status.get("phase") == "Failed" and not subject.startswith("Job/"):
        evidence = clean(f"{status.get('reason', '')}: {status.get('message', '')}")
        found.append(Finding("pod_failed", "warning", subject, "a pod failed and stays", evidence, f"kubectl delete pod/{_name(pod)}"))
    return [*found, *_restart_findings(pod, subject, now, limits)]


def _restart_findings(pod: Object, subject: str, now: datetime, limits: Limits) -> list[Finding]:
    since = now - timedelta(hours=limits.restart_window_hours)
    found = []
    for container in pod.get("status", {}).get("containerStatuses", []):
        ended = container.get("lastState", {}).get("terminated")
        if not container.get("restartCount") or not ended or _time(ended.get("finishedAt"), now) < since:
            continue
        evidence = (
            f"{_name(pod)}/{container['name']}: {container['restartCount']} restarts, the last with exit status {ended.get('exitCode')}"
        )
        window = f"within the last {limits.restart_window_hours:g} hours"
        if ended.get("reason") == "OOMKilled":
            text, remedy = f"a container ran out of memory {window}", "Raise its memory limit, or find what fills it."
            found.append(Finding("container_out_of_memory", "warning", subject, text, evidence, remedy))
        else:
            severity: Severity = "warning" if ended.get("exitCode") else "info"
            remedy = f"Read why: kubectl logs {_name(pod)} --container {container['name']} --previous"
            found.append(Finding("container_restarted", severity, subject, f"a container was restarted {window}", evidence, remedy))
    return found


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


def _usage_row(pod: Object, metric: Object) -> dict[str, Any]:
    """Sums of the pod; a limit only where every container has one."""

    def limit(kind: str, resource: str) -> float | None:
        values = [_amount(container.get("resources", {}).get(kind, {}).get(resource)) for container in pod["spec"]["containers"]]
        known = [value for value in values if value is not None]
        return sum(known) if values and len(known) == len(values) else None

    used = [container["usage"] for container in metric["containers"]]
    return {
        "pod": _name(pod),
        "workload": workload_of(pod),
        "cpu_cores": sum(_amount(item.get("cpu")) or 0 for item in used),
        "cpu_request_cores": limit("requests", "cpu"),
        "cpu_limit_cores": limit("limits", "cpu"),
        "memory_bytes": sum(int(_amount(item.get("memory")) or 0) for item in used),
        "memory_request_bytes": limit("requests", "memory"),
        "memory_limit_bytes": limit("limits", "memory"),
    }


def _usage_findings(row: Mapping[str, Any], limits: Limits) -> list[Finding]:
    found = []
    for name, title, used, limit, threshold in (
        ("cpu", "CPU", row["cpu_cores"], row["cpu_limit_cores"], limits.cpu),
        ("memory", "memory", row["memory_bytes"], row["memory_limit_bytes"], limits.memory),
    ):
        percent = 100 * used / limit if limit else 0
        severity = threshold.judge(percent)
        if severity:
            remedy = f"Raise the {title} limit of {row['workload']}, or run more pods of it."
            text = f"uses more than {threshold.of(severity):g} % of its {title} limit"
            found.append(Finding(f"{name}_high", severity, row["workload"], text, f"{row['pod']}: {percent:.0f} %", remedy))
    if row["memory_limit_bytes"] is None:
        text, evidence = "has no memory limit and may take that of its neighbours", "a container without resources.limits.memory"
        found.append(Finding("memory_unlimited", "info", row["workload"], text, evidence, f"Set a memory limit for {row['workload']}."))
    return found


def _claim_row(claim: Object, volume: Object | None) -> dict[str, Any]:
    status = claim.get("status", {})
    volume = volume or {}
    return {
        "name": _name(claim),
        "phase": status.get("phase", "Unknown"),
        "storage_class": claim["spec"].get("storageClassName") or "",
        "requested_bytes": _amount(claim["spec"]["resources"]["requests"]["storage"]),
        "size_bytes": _amount(status.get("capacity", {}).get("storage")),
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


def _stamped(log: str) -> list[tuple[str, str]]:
    """Lines of a log that was asked for with timestamps=true."""
    return [(stamp, text) for line in log.splitlines() for stamp, _space, text in [line.partition(" ")] if text]


def _owner(item: Object, kind: str) -> str:
    return next((owner["name"] for owner in item["metadata"].get("ownerReferences", []) if owner["kind"] == kind), "")


def _job_result(job: Object) -> str:
    true = {condition["type"] for condition in job.get("status", {}).get("conditions", []) if condition.get("status") == "True"}
    return "failed" if "Failed" in true else "succeeded" if "Complete" in true else "running"


def _schedule_row(item: Object, runs: Sequence[Object]) -> dict[str, Any]:
    status = item.get("status", {})
    return {
        "name": _name(item),
        "schedule": item["spec"]["schedule"],
        "time_zone": item["spec"].get("timeZone", ""),
        "suspended": bool(item["spec"].get("suspend")),
        "last_scheduled_at": status.get("lastScheduleTime", ""),
        "last_successful_at": status.get("lastSuccessfulTime", ""),
        "last_job": _name(runs[-1]) if runs else "",
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
