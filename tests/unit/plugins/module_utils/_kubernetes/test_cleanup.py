# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._kubernetes.cleanup import Ages, clean_up, jobs_over, pods_over

NOW = datetime(2026, 11, 25, 2, tzinfo=UTC)
AGES = Ages(failed_pod_seconds=86_400, finished_job_seconds=604_800)
DAY = 86_400.0


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def owned(kind: str, name: str) -> dict[str, Any]:
    return {"ownerReferences": [{"kind": kind, "name": name, "controller": True}]}


REPLICA_SET, JOB, CRON_JOB = owned("ReplicaSet", "flask-api-7d9c5b7f8d"), owned("Job", "migration"), owned("CronJob", "backup")


def pod(seconds: float, *, status: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    ended = [{"state": {"terminated": {"finishedAt": ago(seconds)}}}, {"state": {}}]
    known = {"phase": "Failed", "startTime": ago(30 * DAY), "containerStatuses": ended, **(status or {})}
    return {"metadata": {"name": "a", "creationTimestamp": ago(30 * DAY), **metadata}, "spec": {}, "status": known}


def job(name: str, seconds: float, *, kind: str = "Complete", spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    conditions = [{"type": "Suspended", "status": "False"}, {"type": kind, "status": "True", "lastTransitionTime": ago(seconds)}]
    status = {"conditions": conditions, **({"completionTime": ago(seconds)} if kind == "Complete" else {})}
    return {"metadata": {"name": name, "creationTimestamp": ago(60 * DAY), **metadata}, "spec": spec or {}, "status": status}


EVICTED = {"reason": "Evicted", "message": "The node was low on resource: memory.", "containerStatuses": [], "startTime": ago(60)}


@pytest.mark.parametrize(
    ("document", "goes"),
    [
        (pod(DAY - 1, **REPLICA_SET), False),
        (pod(DAY + 1, **REPLICA_SET), True),
        (pod(DAY + 1), True),
        (pod(DAY + 1, **JOB), False),
        (pod(0, status=EVICTED, **REPLICA_SET), True),
        (pod(0, status=EVICTED, **JOB), True),
        (pod(DAY + 1, status={"phase": "Running"}), False),
        (pod(DAY + 1, status={"phase": "Succeeded"}), False),
        (pod(DAY + 1, deletionTimestamp=ago(5), **REPLICA_SET), False),
        (pod(0, status={"reason": "NodeShutdown", "containerStatuses": None}), True),
        (pod(0, status={"reason": "UnexpectedAdmissionError", "containerStatuses": [], "startTime": ago(60)}), False),
    ],
)
def test_a_failed_pod_goes_when_it_is_old_or_was_evicted(document: dict[str, Any], goes: bool) -> None:
    assert bool(pods_over([document], AGES, NOW)) is goes


def test_a_pod_is_told_with_its_workload() -> None:
    (over,) = pods_over([pod(2 * DAY, **REPLICA_SET)], AGES, NOW)
    assert over.to_dict() == {"name": "a", "owner": "Deployment/flask-api", "reason": "Failed", "age_seconds": 2 * DAY}


@pytest.mark.parametrize(
    ("document", "goes"),
    [
        (job("a", 7 * DAY - 1), False),
        (job("a", 7 * DAY + 1), True),
        (job("a", 7 * DAY + 1, kind="Failed"), True),
        (job("a", 7 * DAY + 1, kind="FailureTarget"), False),
        (job("a", 7 * DAY + 1, spec={"ttlSecondsAfterFinished": 0}), False),
        (job("a", 7 * DAY + 1, deletionTimestamp=ago(5)), False),
        (job("a", 7 * DAY + 1, **owned("Workflow", "nightly")), False),
        ({**job("a", 7 * DAY + 1), "status": {"active": 1}}, False),
        ({**job("a", 7 * DAY + 1), "status": {}}, False),
    ],
)
def test_a_finished_job_goes_when_it_is_old_and_nobody_else_removes_it(document: dict[str, Any], goes: bool) -> None:
    assert bool(jobs_over([document], AGES, NOW)) is goes


def test_the_last_job_of_a_cron_job_stays() -> None:
    jobs = [job("two", 20 * DAY, kind="Failed", **CRON_JOB), job("one", 30 * DAY, **CRON_JOB), job("three", 9 * DAY, **CRON_JOB)]
    other = job("other", 9 * DAY, **owned("CronJob", "report"))
    assert [over.name for over in jobs_over([*jobs, other], AGES, NOW)] == ["one", "two"]


class Cluster:
    """Some objects in memory."""

    def __init__(self, *, refuses: str = "") -> None:
        self.refuses = refuses
        self.gone: list[str] = []

    def failed_pods(self, namespace: str) -> list[dict[str, Any]]:
        assert namespace == "ns"
        return [pod(0, status={**EVICTED, "startTime": ago(seconds)}, name=name) for name, seconds in (("a", 60), ("b", 30), ("c", 90))]

    def jobs(self, namespace: str) -> list[dict[str, Any]]:
        assert namespace == "ns"
        return [job("old", 30 * DAY)]

    def delete(self, kind: str, document: Any) -> bool:
        if document["metadata"]["name"] == self.refuses:
            return False
        self.gone.append(f"{kind}/{document['metadata']['name']}")
        return True


def test_a_prediction_deletes_nothing_and_says_the_same() -> None:
    predicted, done = Cluster(), Cluster()
    assert clean_up(predicted, "ns", AGES, NOW, predict=True).to_result() == clean_up(done, "ns", AGES, NOW, predict=False).to_result()
    assert (predicted.gone, done.gone) == ([], ["Pod/a", "Pod/b", "Pod/c", "Job/old"])


def test_what_changed_meanwhile_is_not_told_as_deleted() -> None:
    result = clean_up(Cluster(refuses="b"), "ns", AGES, NOW, predict=False).to_result()
    assert [entry["name"] for entry in result["pods"]] == ["a", "c"]
    assert set(result["diff"]["before"]) == {"Pod/a", "Pod/c", "Job/old"}


def test_why_pods_were_evicted_is_told_before_they_are_gone() -> None:
    (finding,) = clean_up(Cluster(), "ns", AGES, NOW, predict=False).findings
    assert (finding.id, finding.severity, finding.subject) == ("pods_evicted", "warning", "Namespace/ns")
    assert finding.evidence == "3 pods, the last was b on no node: The node was low on resource: memory."
