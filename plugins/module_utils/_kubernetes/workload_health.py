# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether everything that should run does.

A finding names a workload and not a pod of it, as the names of pods change with every release and a report is compared with the one before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from .._report.finding import Finding, Severity
from .._report.part import Part
from .._report.redact import clean
from .limits import Limits
from .objects import Object, is_leaving, name_of, time_of, workload_of

_BROKEN = ("CrashLoopBackOff", "CreateContainerConfigError", "CreateContainerError", "ErrImagePull", "ImagePullBackOff", "InvalidImageName")


def pods(listed: Sequence[Object], workloads: Sequence[Object], expected: Iterable[str], now: datetime, limits: Limits) -> Part:
    """Whether everything that should run does."""
    rows = [_pod_row(pod) for pod in sorted(listed, key=name_of)]
    sets = [_workload_row(item) for item in sorted(workloads, key=lambda item: (item["kind"], name_of(item)))]
    found = [*_workload_findings(sets, expected), *(finding for pod in listed for finding in _pod_findings(pod, now, limits))]
    return Part({"workloads": sets, "pods": rows}, found)


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
        "name": name_of(pod),
        "workload": workload_of(pod),
        "phase": "Terminating" if is_leaving(pod) else status.get("phase", "Unknown"),
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
    return {"kind": item["kind"], "name": name_of(item), "wanted": wanted, "ready": status.get("readyReplicas", 0)}


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
        look = f"Look at it: kubectl logs {name_of(pod)} --previous; kubectl describe pod/{name_of(pod)}"
        found.append(Finding("pod_does_not_start", "critical", subject, f"a pod does not start: {waiting}", clean(said), look))
    if status.get("phase") == "Pending" and waiting not in _BROKEN:
        conditions = [c for c in status.get("conditions", []) if c.get("type") == "PodScheduled" and c.get("status") == "False"]
        if conditions:
            evidence, look = clean(conditions[0].get("message", "")), "Give the nodes what it asks for, or ask for less."
            found.append(Finding("pod_not_scheduled", "critical", subject, "no node takes a pod", evidence, look))
    if status.get("phase") == "Failed" and not subject.startswith("Job/"):
        evidence = clean(f"{status.get('reason', '')}: {status.get('message', '')}")
        found.append(Finding("pod_failed", "warning", subject, "a pod failed and stays", evidence, f"kubectl delete pod/{name_of(pod)}"))
    return [*found, *_restart_findings(pod, subject, now, limits)]


def _restart_findings(pod: Object, subject: str, now: datetime, limits: Limits) -> list[Finding]:
    since = now - timedelta(hours=limits.restart_window_hours)
    found = []
    for container in pod.get("status", {}).get("containerStatuses", []):
        ended = container.get("lastState", {}).get("terminated")
        if not container.get("restartCount") or not ended or time_of(ended.get("finishedAt"), now) < since:
            continue
        evidence = (
            f"{name_of(pod)}/{container['name']}: {container['restartCount']} restarts, the last with exit status {ended.get('exitCode')}"
        )
        window = f"within the last {limits.restart_window_hours:g} hours"
        if ended.get("reason") == "OOMKilled":
            text, remedy = f"a container ran out of memory {window}", "Raise its memory limit, or find what fills it."
            found.append(Finding("container_out_of_memory", "warning", subject, text, evidence, remedy))
        else:
            severity: Severity = "warning" if ended.get("exitCode") else "info"
            remedy = f"Read why: kubectl logs {name_of(pod)} --container {container['name']} --previous"
            found.append(Finding("container_restarted", severity, subject, f"a container was restarted {window}", evidence, remedy))
    return found
