# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._kubernetes import (
    claim_health,
    event_health,
    job_health,
    log_health,
    usage_health,
    workload_health,
)
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.part import Part

from tests.unit.plugins.module_utils._health import samples
from tests.unit.plugins.module_utils._health.reports import EXPECTED, LIMITS, healthy

NOW = samples.NOW


def found(part: Part) -> list[tuple[str, str, str]]:
    return sorted((finding.id, finding.severity, finding.subject) for finding in part.findings)


def judged(*changed: dict[str, Any], workloads: list[dict[str, Any]] | None = None) -> Part:
    return workload_health.pods([*samples.pods(), *changed], workloads or samples.workloads(), EXPECTED, NOW, LIMITS)


def waiting(reason: str, **changes: Any) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": f"said {reason}"}}
    container = {"name": "main", "ready": False, "restartCount": 0, "state": state}
    return samples.api_pod("ddddd", phase="Pending", containerStatuses=[container], **changes)


def restarted(reason: str, status: int, at: str) -> dict[str, Any]:
    ended = {"terminated": {"reason": reason, "exitCode": status, "finishedAt": at}}
    return samples.api_pod("ddddd", containerStatuses=[{"name": "main", "ready": True, "restartCount": 2, "lastState": ended}])


def test_a_good_day_has_no_findings() -> None:
    assert {name: (part.reason, list(part.findings)) for name, part in healthy().items()} == dict.fromkeys(healthy(), ("", []))


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (waiting("CrashLoopBackOff"), [("pod_does_not_start", "critical", "Deployment/flask-api")]),
        (waiting("ImagePullBackOff"), [("pod_does_not_start", "critical", "Deployment/flask-api")]),
        (waiting("ContainerCreating"), []),
        (
            samples.api_pod(
                "e", phase="Pending", containerStatuses=[], conditions=[{"type": "PodScheduled", "status": "False", "message": "0/2 nodes"}]
            ),
            [("pod_not_scheduled", "critical", "Deployment/flask-api")],
        ),
        (samples.api_pod("e", phase="Failed", reason="Evicted", containerStatuses=[]), [("pod_failed", "warning", "Deployment/flask-api")]),
        (samples.pod("backup-29391000-abcde", ("Job", "backup-29391000"), phase="Failed"), []),
        (restarted("OOMKilled", 137, "2026-11-24T05:00:00Z"), [("container_out_of_memory", "warning", "Deployment/flask-api")]),
        (restarted("Error", 1, "2026-11-24T05:00:00Z"), [("container_restarted", "warning", "Deployment/flask-api")]),
        (restarted("Completed", 0, "2026-11-24T05:00:00Z"), [("container_restarted", "info", "Deployment/flask-api")]),
        (restarted("Error", 1, "2026-11-22T05:00:00Z"), []),
    ],
)
def test_a_pod_is_judged(pod: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    assert found(judged(pod)) == expected


def test_workloads_are_compared_with_what_should_be() -> None:
    workloads = [samples.workload("Deployment", "flask-api", 3, 1), samples.workload("StatefulSet", "redis", 1, 0)]
    assert found(judged(workloads=workloads)) == [
        ("workload_missing", "critical", "StatefulSet/postgres"),
        ("workload_not_ready", "critical", "StatefulSet/redis"),
        ("workload_not_ready", "warning", "Deployment/flask-api"),
    ]


def test_what_should_be_there_and_is_scaled_away_is_named() -> None:
    workloads = [*samples.workloads()[:2], samples.workload("StatefulSet", "redis", 0, 0), samples.workload("Deployment", "spare", 0, 0)]
    assert found(judged(workloads=workloads)) == [("workload_scaled_away", "critical", "StatefulSet/redis")]


def test_a_finding_names_the_workload_and_not_the_pod() -> None:
    """Two releases later the names of the pods are others, and the finding is the same."""
    first, later = waiting("CrashLoopBackOff"), waiting("CrashLoopBackOff")
    later["metadata"]["name"] = "flask-api-55c4bf7f8d-zzzzz"
    later["metadata"]["ownerReferences"][0]["name"] = "flask-api-55c4bf7f8d"
    assert [finding.subject for finding in judged(first).findings] == [finding.subject for finding in judged(later).findings]


def test_the_last_events_come_first_and_old_ones_are_no_findings() -> None:
    listed = [
        samples.event("BackOff", "Pod", "flask-api-7d9c5b7f8d-aaaaa"),
        samples.event("BackOff", "Pod", "flask-api-7d9c5b7f8d-bbbbb", at="2026-11-24T05:56:00Z"),
        samples.event("Unhealthy", "Pod", "postgres-0", at="2026-11-24T05:30:00Z"),
        samples.event("FailedMount", "Pod", "backup-29391000-abcde", at="2026-11-24T04:00:00Z"),
        samples.event("Pulled", "Pod", "redis-0", at="2026-11-24T05:59:00Z", severity="Normal"),
        {**samples.event("BackOff", "Job", "backup-29391000", at=""), "eventTime": "2026-11-24T05:58:00.000000Z"},
    ]
    part = event_health.events(listed, 3, NOW, LIMITS)
    assert [row["object"] for row in part.data["events"]] == ["Pod/redis-0", "Job/backup-29391000", "Pod/flask-api-7d9c5b7f8d-bbbbb"]
    assert found(part) == [
        ("event_back_off", "warning", "Deployment/flask-api"),
        ("event_back_off", "warning", "Job/backup"),
        ("event_unhealthy", "info", "Pod/postgres-0"),
    ]


@pytest.mark.parametrize(
    ("cpu", "memory", "expected"),
    [
        ("349m", "191Mi", []),
        ("350m", "100Mi", [("cpu_high", "warning")]),
        ("425m", "100Mi", [("cpu_high", "critical")]),
        ("1m", "192Mi", [("memory_high", "warning")]),
        ("900m", "231Mi", [("cpu_high", "critical"), ("memory_high", "critical")]),
    ],
)
def test_usage_is_held_against_the_limits(cpu: str, memory: str, expected: list[tuple[str, str]]) -> None:
    part = usage_health.usage([samples.api_pod("aaaaa")], [samples.usage("flask-api-7d9c5b7f8d-aaaaa", cpu, memory)], NOW, LIMITS)
    assert [(identity, severity) for identity, severity, _subject in found(part)] == expected


def test_a_pod_without_a_memory_limit_is_named() -> None:
    pod = samples.api_pod("aaaaa")
    pod["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1"}}
    part = usage_health.usage([pod], [samples.usage(pod["metadata"]["name"], "1", "1Gi")], NOW, LIMITS)
    assert found(part) == [("memory_unlimited", "info", "Deployment/flask-api")]
    assert part.data["pods"][0]["cpu_limit_cores"] is None


def test_a_pod_nobody_measured_makes_the_part_unchecked() -> None:
    assert "flask-api-7d9c5b7f8d-aaaaa" in usage_health.usage([samples.api_pod("aaaaa")], [], NOW, LIMITS).reason
    young = samples.api_pod("aaaaa", startTime="2026-11-24T05:59:00Z")
    leaving = samples.api_pod("bbbbb")
    leaving["metadata"]["deletionTimestamp"] = "2026-11-24T05:59:59Z"
    assert usage_health.usage([young, leaving], [], NOW, LIMITS).reason == ""


@pytest.mark.parametrize(
    ("phase", "used", "expected"),
    [
        ("Bound", 69, []),
        ("Bound", 70, [("claim_full", "warning")]),
        ("Bound", 85, [("claim_full", "critical")]),
        ("Pending", 0, [("claim_not_bound", "warning")]),
        ("Lost", 0, [("claim_not_bound", "critical")]),
    ],
)
def test_a_claim_is_judged(phase: str, used: int, expected: list[tuple[str, str]]) -> None:
    part = claim_health.claims([samples.claim("data", phase)], {"data": samples.volume("data", used, 100)}, True, LIMITS)
    assert [(identity, severity) for identity, severity, _subject in found(part)] == expected


def test_claims_nobody_asked_about_are_said_to_be_so() -> None:
    assert [finding.id for finding in claim_health.claims([samples.claim("data")], {}, False, LIMITS).findings] == ["claim_usage_not_asked"]


def test_the_log_is_the_last_lines_of_all_pods_in_order() -> None:
    texts = {
        "a": "\n".join(samples.log_line(second) for second in range(0, 40, 2)),
        "b": "\n".join(samples.log_line(second) for second in range(1, 40, 2))
        + f"\n{samples.log_line(50, 'ERROR', f'pwd={samples.PLANTED}')}",
    }
    part = log_health.api_log(texts)
    assert len(part.data["lines"]) == 20
    assert [row["time"] for row in part.data["lines"]] == sorted(row["time"] for row in part.data["lines"])
    assert {row["pod"] for row in part.data["lines"]} == {"a", "b"}
    assert found(part) == [("api_log_errors", "warning", "Deployment/flask-api")]
    assert samples.PLANTED not in str(part.to_dict())


def test_schedules_tell_of_their_last_run() -> None:
    listed = [samples.cron_job("backup"), samples.cron_job("health-report", suspend=True), samples.cron_job("new")]
    runs = [
        samples.job("backup-2", "backup", "Failed", "2026-11-24T05:00:00Z"),
        samples.job("backup-1", "backup", "Complete", "2026-11-24T04:00:00Z"),
        samples.job("flask-api-migration-1", "", "Failed"),
        samples.job("health-report-1", "health-report", ""),
    ]
    part = job_health.jobs(listed, runs)
    assert [(row["name"], row["last_result"]) for row in part.data["schedules"]] == [
        ("backup", "failed"),
        ("health-report", "running"),
        ("new", ""),
    ]
    assert found(part) == [
        ("job_failed", "warning", "Job/flask-api-migration-1"),
        ("schedule_failed", "warning", "CronJob/backup"),
        ("schedule_suspended", "info", "CronJob/health-report"),
    ]
