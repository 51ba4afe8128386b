# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health report of a living stack, from the three places it is started in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import host
from lab.podman import podman
from tests.e2e.runs import Run
from tests.e2e.support import TRACKED, Lab, wait_until

NAMESPACE = "endpoint-stats"
PLANTED = "Planted-Hw7kQ2mZx9LpT4vB8nRs"


def kubectl(lab: Lab, *arguments: str) -> str:
    return lab.kubectl("--namespace", NAMESPACE, *arguments)


def reported(run: Run) -> dict[str, Any]:
    """What the playbook handed on."""
    found: dict[str, Any] = run.document["global_custom_stats"]["health_report"]
    return found


def written(run: Run) -> tuple[dict[str, Any], str]:
    """The report in both forms."""
    by_form = {Path(path).suffix: Path(path).read_text() for path in reported(run)["paths"]}
    return json.loads(by_form[".json"]), by_form[".html"]


def counted_claims(lab: Lab) -> set[str]:
    """Claims of which kubelets, that look once a minute, know how full they are."""
    found: set[str] = set()
    for node in kubectl(lab, "get", "nodes", "--output=name").split():
        path = f"/api/v1/nodes/{node.removeprefix('node/')}/proxy/stats/summary"
        volumes = [volume for pod in json.loads(lab.kubectl("get", "--raw", path))["pods"] for volume in pod.get("volume", [])]
        found |= {volume["pvcRef"]["name"] for volume in volumes if "pvcRef" in volume and volume.get("usedBytes")}
    return found


def report(lab: Lab, **variables: Any) -> Run:
    return lab.play("health_report", variables=variables)


@pytest.fixture(scope="module")
def first(stack_lab: Lab) -> Run:
    """A secret in the log of the API, and the report of that moment."""
    pod = kubectl(stack_lab, "get", "pods", "--selector=app=flask-api", "--output=name").split()[0]
    kubectl(
        stack_lab, "exec", pod, "--", "sh", "-c", f"echo 'postgresql://api:{PLANTED}@postgres password={PLANTED} {PLANTED}' > /proc/1/fd/1"
    )
    wait_until(lambda: PLANTED in kubectl(stack_lab, "logs", pod, "--tail=20"), seconds=30, what="planted line")
    return report(stack_lab).expect()


def test_every_part_of_a_living_stack_is_looked_at(first: Run) -> None:
    document, _page = written(first)
    reasons = {name: part["reason"] for name, part in document["parts"].items() if part["state"] == "could_not_check"}
    assert reasons == {}
    parts = {name: part["data"] for name, part in document["parts"].items()}
    assert {f"{row['kind']}/{row['name']}" for row in parts["pods"]["workloads"]} >= {"Deployment/flask-api", "StatefulSet/postgres"}
    assert parts["api"]["status_code"] == 200
    assert set(parts["api"]["checks"]) == {"postgresql", "redis"}
    assert parts["postgresql"]["database"]["size_bytes"] > 1_000_000
    assert "monitoring" in {row["role"] for row in parts["postgresql"]["sessions"]}
    assert parts["redis"]["maxmemory"] > 0
    assert {(row["name"], row["phase"]) for row in parts["claims"]["claims"]} >= {
        (f"{name}-data", "Bound") for name in ("ops", "postgres", "redis")
    }
    assert 1 <= len(parts["api_log"]["lines"]) <= 20
    assert len(parts["events"]["events"]) <= 10
    assert all(entry["days_left"] > 30 for entry in parts["certificates"]["certificates"])
    directory = "/var/lib/endpoint-stats/backups/postgresql"
    assert [parts[name]["directory"] for name in ("backups", "backups/audit")] == [directory, f"{directory}-audit"]


def test_a_planted_secret_is_in_no_report(stack_lab: Lab, first: Run) -> None:
    document, page = written(first)
    assert "[hidden]" in json.dumps(document["parts"]["api_log"])
    delivered = json.dumps(stack_lab.get("--namespace", NAMESPACE, "configmap/health-report-latest"))
    assert not [text for text in (json.dumps(document), page, delivered, first.output) if PLANTED in text]


def test_the_gate_fails_the_run_after_the_report_was_delivered(stack_lab: Lab, first: Run) -> None:
    wait_until(lambda: counted_claims(stack_lab) >= {"ops-data", "postgres-data", "redis-data"}, seconds=120, what="numbers of claims")
    run = report(stack_lab, health_report_gate="new-critical", health_report_workloads=["Deployment/absent"])
    assert run.status != 0
    assert "does not pass the gate new-critical" in run.refusal
    assert "Deployment/absent" in run.refusal
    document, page = written(run)
    assert [finding["subject"] for finding in document["changes"]["new"] if finding["severity"] == "critical"] == ["Deployment/absent"]
    assert all(row["used_bytes"] for row in document["parts"]["claims"]["data"]["claims"])
    assert "<h1>Critical</h1>" in page
    assert stack_lab.get("--namespace", NAMESPACE, "configmap/health-report-latest")["data"]["verdict"] == "critical"
    again = report(stack_lab).expect()
    assert reported(again)["resolved"] >= 1


@pytest.fixture
def without_redis(stack_lab: Lab) -> Iterator[Lab]:
    """Redis is away, and comes back."""
    kubectl(stack_lab, "scale", "statefulset/redis", "--replicas=0")
    kubectl(stack_lab, "wait", "--for=delete", "pod/redis-0", "--timeout=60s")
    yield stack_lab
    kubectl(stack_lab, "scale", "statefulset/redis", "--replicas=1")
    kubectl(stack_lab, "rollout", "status", "statefulset/redis", "--timeout=120s")


def test_a_lost_store_is_critical_and_hides_nothing(without_redis: Lab) -> None:
    document, _page = written(report(without_redis).expect())
    found = {(finding["id"], finding["severity"]) for part in document["parts"].values() for finding in part["findings"]}
    assert {("redis_does_not_answer", "critical"), ("api_redis_failed", "critical"), ("workload_scaled_away", "critical")} <= found
    assert document["parts"]["redis"]["state"] == "could_not_check"
    assert document["parts"]["postgresql"]["reason"] == ""
    assert document["verdict"] == "critical"


def test_the_schedule_is_as_it_should_be(stack_lab: Lab) -> None:
    assert stack_lab.play("health_report_schedule").expect().changed == 0
    spec = stack_lab.get("--namespace", NAMESPACE, "cronjob/health-report")["spec"]
    assert (spec["schedule"], spec["timeZone"], spec["concurrencyPolicy"]) == ("0 6 * * *", "Etc/UTC", "Forbid")


def test_a_job_of_the_schedule_delivers_its_report(stack_lab: Lab) -> None:
    log = stack_lab.job("health-report", seconds=180)
    line = json.loads(log.splitlines()[-1])
    assert line["result"] == "ok", log[-3000:]
    assert line["health_report"]["states"].keys() >= {"pods", "postgresql", "redis", "claims"}
    assert "could_not_check" not in line["health_report"]["states"].values(), log[-5000:]
    assert PLANTED not in log
    there = kubectl(stack_lab, "exec", "ops-runner-0", "--", "ls", *line["health_report"]["paths"])
    assert ".html" in there


def test_an_execution_environment_makes_the_same_report(stack_lab: Lab, tmp_path: Path) -> None:
    """As AWX starts it: ansible-runner in the image of ops-runner, the inventory and the kubeconfig mounted."""
    for source in (TRACKED, stack_lab.paths.inventory):
        shutil.copytree(source, tmp_path / "inventories" / source.parent.name)
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "health_report.yml").write_text("- import_playbook: endpoint_stats.ops.health_report\n")
    image = podman("images", "--quiet", "--filter=reference=localhost/endpoint-stats/ops-runner").split()[0]
    inventories = " ".join(f"--inventory=/runner/inventories/{path.name}" for path in (tmp_path / "inventories").iterdir())
    extra = f"{inventories} --extra-vars endpoint_stats_kubeconfig=/run/kubeconfig --extra-vars endpoint_stats_reports_dir=/runner/reports"
    mounts = ["--volume", f"{tmp_path}:/runner", "--volume", f"{stack_lab.paths.kubeconfig}:/run/kubeconfig:ro"]
    runner = ["ansible-runner", "run", "/runner", "--playbook", "health_report.yml", f"--cmdline={extra}"]
    output = podman("run", "--rm", "--network=host", "--user=0:0", *host.ulimits(), *mounts, image, *runner)
    assert "failed=0" in output
    (path,) = (tmp_path / "reports" / "health_report").glob("*.json")
    document = json.loads(path.read_text())
    assert "could_not_check" not in {part["state"] for part in document["parts"].values()}, output
    # The directory was empty: what it is compared with came from the cluster.
    assert document["changes"]["previous_taken_at"]


@pytest.mark.parametrize("limit", ["localhost", "ops-runner-0", "worker-1"])
def test_a_limit_is_an_error_with_its_own_words(stack_lab: Lab, limit: str) -> None:
    run = stack_lab.play("health_report", f"--limit={limit}")
    assert run.status != 0
    # Ansible itself refuses a limit to localhost, which no inventory of the lab names.
    assert "--limit" in run.output
