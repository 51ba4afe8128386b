# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods and Jobs that are over and that nobody else removes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from .._errors import OpsError
from .._report.finding import Finding
from .._report.redact import clean
from .objects import Object, is_leaving, name_of, workload_of

Kind = Literal["Pod", "Job"]


class Namespace(Protocol):
    """What cleaning up needs of a namespace; C(delete) is false where the object is gone, or another than was looked at."""

    def failed_pods(self, namespace: str) -> list[dict[str, Any]]: ...
    def jobs(self, namespace: str) -> list[dict[str, Any]]: ...
    def delete(self, kind: Kind, document: Object) -> bool: ...


@dataclass(frozen=True)
class Ages:
    """How long what is over may stay, in seconds."""

    failed_pod_seconds: float
    finished_job_seconds: float


@dataclass(frozen=True)
class Over:
    """Something that is over, and why it may go."""

    kind: Kind
    document: Object
    owner: str
    reason: str
    ended_at: datetime
    now: datetime

    @property
    def name(self) -> str:
        return name_of(self.document)

    @property
    def age_seconds(self) -> float:
        return round((self.now - self.ended_at).total_seconds(), 3)

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "owner": self.owner, "reason": self.reason, "age_seconds": self.age_seconds}


@dataclass
class Cleaned:
    """What was deleted, or would be."""

    pods: list[Over] = field(default_factory=list)
    jobs: list[Over] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def deleted(self) -> dict[str, list[dict[str, Any]]]:
        return {"pods": [over.to_dict() for over in self.pods], "jobs": [over.to_dict() for over in self.jobs]}

    def to_result(self) -> dict[str, Any]:
        everything = [*self.pods, *self.jobs]
        before = {f"{over.kind}/{over.name}": over.reason for over in everything}
        return {
            "changed": bool(everything),
            **self.deleted(),
            "findings": [finding.to_dict() for finding in self.findings],
            "diff": {"before": before, "after": {}},
        }


def clean_up(cluster: Namespace, namespace: str, ages: Ages, now: datetime, *, predict: bool) -> Cleaned:
    """Delete what is over, object by object; with `predict` only look."""
    pods = pods_over(cluster.failed_pods(namespace), ages, now)
    jobs = jobs_over(cluster.jobs(namespace), ages, now)
    cleaned = Cleaned(findings=_evictions(namespace, pods))
    try:
        for over, deleted in [*((pod, cleaned.pods) for pod in pods), *((job, cleaned.jobs) for job in jobs)]:
            if predict or cluster.delete(over.kind, over.document):
                deleted.append(over)
    except OpsError as error:
        error.details.update(cleaned.deleted())
        raise
    return cleaned


def pods_over(failed: Sequence[Object], ages: Ages, now: datetime) -> list[Over]:
    """Failed pods. A Job's go with the Job, as their log tells why it failed; an evicted pod has none."""
    found = []
    for pod in failed:
        status = pod.get("status", {})
        over = Over("Pod", pod, workload_of(pod), clean(status.get("reason") or "Failed"), _pod_ended(pod), now)
        evicted = status.get("reason") == "Evicted"
        old = over.age_seconds > ages.failed_pod_seconds and _controller(pod) != "Job"
        if status.get("phase") == "Failed" and not is_leaving(pod) and (evicted or old):
            found.append(over)
    return found


def jobs_over(jobs: Sequence[Object], ages: Ages, now: datetime) -> list[Over]:
    """Finished Jobs without a time to live. The last one of a CronJob stays, as it tells how the last run went."""
    finished = [(job, condition) for job in jobs if (condition := _finished(job))]
    finished.sort(key=lambda entry: _job_ended(*entry))
    newest = {_owner(job): job["metadata"]["name"] for job, _condition in finished if _controller(job) == "CronJob"}
    found = []
    for job, condition in finished:
        over = Over("Job", job, _owner(job), condition["type"], _job_ended(job, condition), now)
        ours = _controller(job) in ("", "CronJob") and newest.get(over.owner) != over.name
        limited = job.get("spec", {}).get("ttlSecondsAfterFinished") is not None
        if ours and not limited and not is_leaving(job) and over.age_seconds > ages.finished_job_seconds:
            found.append(over)
    return found


def _evictions(namespace: str, pods: Sequence[Over]) -> list[Finding]:
    """A deleted pod can no longer tell that its node was short of something."""
    evicted = [pod for pod in pods if pod.reason == "Evicted"]
    if not evicted:
        return []
    last = max(evicted, key=lambda pod: pod.ended_at)
    where = f"{last.name} on {last.document.get('spec', {}).get('nodeName') or 'no node'}"
    evidence = f"{len(evicted)} pods, the last was {where}: {clean(last.document['status'].get('message', ''))}"
    remedy = "Find what fills the node, or set requests that are nearer to what the pods use."
    return [Finding("pods_evicted", "warning", f"Namespace/{namespace}", "nodes have put pods out", evidence, remedy)]


def _finished(job: Object) -> Object | None:
    conditions = job.get("status", {}).get("conditions") or []
    return next((each for each in conditions if each["type"] in ("Complete", "Failed") and each["status"] == "True"), None)


def _job_ended(job: Object, condition: Object) -> datetime:
    return _time(job["status"].get("completionTime") or condition.get("lastTransitionTime") or job["metadata"]["creationTimestamp"])


def _pod_ended(pod: Object) -> datetime:
    """When its last container ended; a pod that never ran has none."""
    status = pod.get("status", {})
    states = [container.get("state", {}).get("terminated") or {} for container in status.get("containerStatuses") or []]
    ends = [_time(state["finishedAt"]) for state in states if state.get("finishedAt")]
    return max(ends, default=_time(status.get("startTime") or pod["metadata"]["creationTimestamp"]))


def _controller(item: Object) -> str:
    """Kind of the object that looks after it, empty where none does."""
    owners = item["metadata"].get("ownerReferences") or []
    return str(next((owner["kind"] for owner in owners if owner.get("controller")), ""))


def _owner(job: Object) -> str:
    owners = job["metadata"].get("ownerReferences") or []
    return next((f"{owner['kind']}/{owner['name']}" for owner in owners if owner.get("controller")), "")


def _time(text: Any) -> datetime:
    return datetime.fromisoformat(str(text))
