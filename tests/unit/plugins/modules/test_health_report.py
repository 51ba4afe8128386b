# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One module asks an HTTP server that answers like an API server, the other makes the report of it: once as Ansible runs them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.modules import health_report, kubernetes_health_info

from tests.unit.plugins.module_utils._health import samples
from tests.unit.plugins.modules import api_server
from tests.unit.plugins.modules.api_server import TOKEN

NAMESPACED = "/api/v1/namespaces/endpoint-stats"
PLANTED_LINE = samples.log_line(59, "ERROR", f"connection to postgresql://api:{samples.PLANTED}@postgres/endpoint_stats failed")


def answers() -> dict[str, Any]:
    """What a namespace on a good day answers; text is a log."""
    workloads = {kind: [item for item in samples.workloads() if item["kind"] == kind] for kind in ("Deployment", "StatefulSet")}
    log = "\n".join([samples.log_line(second) for second in range(30)] + [PLANTED_LINE])
    return {
        f"{NAMESPACED}/pods": samples.pods(),
        f"{NAMESPACED}/events": [samples.event("Pulled", "Pod", "redis-0", severity="Normal")],
        f"{NAMESPACED}/persistentvolumeclaims": [samples.claim("postgres-data"), samples.claim("redis-data")],
        "/apis/metrics.k8s.io/v1beta1/namespaces/endpoint-stats/pods": samples.usages(),
        "/apis/apps/v1/namespaces/endpoint-stats/deployments": workloads["Deployment"],
        "/apis/apps/v1/namespaces/endpoint-stats/statefulsets": workloads["StatefulSet"],
        "/apis/batch/v1/namespaces/endpoint-stats/cronjobs": [samples.cron_job("health-report")],
        "/apis/batch/v1/namespaces/endpoint-stats/jobs": [],
        **{f"{NAMESPACED}/pods/flask-api-7d9c5b7f8d-{suffix}/log": log for suffix in ("aaaaa", "bbbbb", "ccccc")},
        "/api/v1/nodes/worker-1/proxy/stats/summary": {
            "pods": [{"volume": [samples.volume("postgres-data", 3, 10), samples.volume("redis-data", 1, 10), {"name": "tmp"}]}]
        },
    }


class Handler(api_server.ApiHandler):
    answers: dict[str, Any]
    refused: dict[str, int]
    asked: list[str]

    def get(self) -> None:
        where = urlsplit(self.path)
        self.asked.append(where.path)
        status = self.refused.get(where.path, 200) if self.is_let_in() else 401
        found = self.answers.get(where.path)
        if where.path.endswith("/log"):
            assert parse_qs(where.query)["timestamps"] == ["true"]
        self.answer(status, {"message": "no right to it"} if status != 200 else {"items": found} if isinstance(found, list) else found)


@pytest.fixture
def handler() -> type[Handler]:
    return type("FreshHandler", (Handler,), {"answers": answers(), "refused": {}, "asked": []})


@pytest.fixture
def kubeconfig(handler: type[Handler], tmp_path: Path) -> Iterator[Path]:
    with api_server.serving(handler) as address:
        yield api_server.kubeconfig(tmp_path / "kubeconfig", address)


def ask(kubeconfig: Path, **options: Any) -> dict[str, Any]:
    """The parts, without the seconds that starting Ansible takes."""
    limits = {name: {"warning": 70.0, "critical": 85.0} for name in ("cpu_percent", "memory_percent", "claim_percent")}
    given: dict[str, Any] = {
        "kubeconfig": str(kubeconfig),
        "context": None,
        "namespace": "endpoint-stats",
        "workloads": ["Deployment/flask-api"],
        "events": 10,
        "api_selector": {"app": "flask-api"},
        "kubelet": "proxy",
        "restart_window_hours": 24,
        "event_window_minutes": 60,
    }
    parts: dict[str, Any] = kubernetes_health_info.ask({**given, **limits, **options})["parts"]
    return parts


def reasons(parts: dict[str, Any]) -> dict[str, str]:
    return {name: part["reason"] for name, part in parts.items() if part["reason"]}


def test_a_namespace_is_looked_at_and_no_secret_comes_along(kubeconfig: Path, tmp_path: Path) -> None:
    given = {"kubeconfig": str(kubeconfig), "namespace": "endpoint-stats", "workloads": ["Deployment/flask-api"]}
    result, output = api_server.run("kubernetes_health_info", given)
    parts = result["parts"]
    assert reasons(parts) == {}
    assert len(parts["pods"]["data"]["pods"]) == 5
    assert {row["name"]: row["used_bytes"] for row in parts["claims"]["data"]["claims"]} == {"postgres-data": 3, "redis-data": 1}
    assert [finding["id"] for finding in parts["api_log"]["findings"]] == ["api_log_errors"]
    assert samples.PLANTED not in output
    assert TOKEN not in output

    common = {"parts": parts, "cluster": "lab", "namespace": "endpoint-stats"}
    made, output = api_server.run("health_report", {**common, "directory": str(tmp_path / "reports")})
    assert made["states"]["pods"] == "healthy"
    assert made["states"]["redis"] == "could_not_check"
    written = [Path(path).read_text() for path in made["paths"]]
    assert [Path(path).suffix for path in made["paths"]] == [".html", ".json"]
    assert not [text for text in [*written, made["summary"], output] if samples.PLANTED in text or TOKEN in text]


@pytest.mark.parametrize(
    ("refused", "lost"),
    [
        (f"{NAMESPACED}/events", {"events"}),
        ("/apis/metrics.k8s.io/v1beta1/namespaces/endpoint-stats/pods", {"usage"}),
        ("/apis/apps/v1/namespaces/endpoint-stats/deployments", {"pods"}),
        (f"{NAMESPACED}/pods", {"pods", "usage", "claims", "api_log"}),
        (f"{NAMESPACED}/pods/flask-api-7d9c5b7f8d-bbbbb/log", {"api_log"}),
        ("/api/v1/nodes/worker-1/proxy/stats/summary", {"claims"}),
        ("/apis/batch/v1/namespaces/endpoint-stats/jobs", {"jobs"}),
    ],
)
def test_what_is_refused_costs_its_parts_and_no_others(handler: type[Handler], kubeconfig: Path, refused: str, lost: set[str]) -> None:
    handler.refused[refused] = 403
    parts = ask(kubeconfig)
    assert set(reasons(parts)) == lost
    assert all("HTTP status 403: no right to it" in reason for reason in reasons(parts).values())


def test_a_log_that_could_not_be_read_does_not_hide_the_others(handler: type[Handler], kubeconfig: Path) -> None:
    handler.refused[f"{NAMESPACED}/pods/flask-api-7d9c5b7f8d-bbbbb/log"] = 500
    parts = ask(kubeconfig)
    assert {row["pod"] for row in parts["api_log"]["data"]["lines"]} == {"flask-api-7d9c5b7f8d-aaaaa", "flask-api-7d9c5b7f8d-ccccc"}


def test_without_the_kubelets_the_claims_are_told_all_the_same(handler: type[Handler], kubeconfig: Path) -> None:
    parts = ask(kubeconfig, kubelet="none")
    assert reasons(parts) == {}
    assert [finding["id"] for finding in parts["claims"]["findings"]] == ["claim_usage_not_asked"]
    assert not [path for path in handler.asked if "/nodes/" in path]


def test_a_server_that_is_silent_is_asked_once(tmp_path: Path) -> None:
    kubeconfig = api_server.kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:9")
    parts = ask(kubeconfig)
    assert set(reasons(parts)) == set(parts)
    assert len(set(reasons(parts).values())) == 1


def report(directory: Path, day: int, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    finding = {"id": "slow", "severity": "critical", "subject": "API", "summary": "slow", "evidence": "9 s", "remedy": "help"}
    given: dict[str, Any] = {
        "parts": {"api": {"findings": [finding], "data": {}, "reason": "", "seconds": None}},
        "taken_at": f"2026-11-{day:02d}T06:00:00+00:00",
        "directory": str(directory),
        "cluster": "lab",
        "namespace": "ns",
        "gate": "none",
        "keep": 60,
        "previous": "",
        "metrics_path": "",
    }
    return health_report.report({**given, **options}, check_mode)


def test_reports_follow_each_other_and_a_dry_run_writes_none(tmp_path: Path) -> None:
    dry = report(tmp_path / "reports", 1, check_mode=True, gate="new-critical")
    assert dry["changed"] is True
    assert dry["paths"] == []
    assert not (tmp_path / "reports").exists()

    first = report(tmp_path / "reports", 1, gate="new-critical", metrics_path=str(tmp_path / "health.prom"))
    assert first["gate_passed"] is False
    assert first["changes"]["previous_taken_at"] is None
    assert "endpoint_stats_health_gate_passed" in (tmp_path / "health.prom").read_text()

    second = report(tmp_path / "reports", 2, gate="new-critical", keep=1)
    assert second["gate_passed"] is True
    assert [finding["id"] for finding in second["changes"]["unchanged"]] == ["slow"]
    assert sorted(path.name for path in (tmp_path / "reports").iterdir()) == ["20261102T060000Z.html", "20261102T060000Z.json"]


def test_the_same_again_is_the_same_bytes(tmp_path: Path) -> None:
    texts = [Path(path).read_bytes() for name in "ab" for path in report(tmp_path / name, 1)["paths"]]
    assert texts[:2] == texts[2:]


def test_a_summary_from_elsewhere_is_compared_with_where_the_directory_has_none(tmp_path: Path) -> None:
    delivered = report(tmp_path / "there", 1)["summary"]
    here = report(tmp_path / "here", 2, previous=delivered)
    assert here["changes"]["previous_taken_at"] == "2026-11-01T06:00:00Z"
    broken = report(tmp_path / "broken", 2, previous='{"schema": 1}')
    assert broken["changes"]["previous_taken_at"] is None
    assert "The previous report could not be read" in broken["previous_problem"]


@pytest.mark.parametrize(("options", "words"), [({"keep": 0}, "At least one report"), ({"taken_at": "yesterday"}, "is no time")])
def test_bad_options_are_refused(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(OpsError, match=words):
        report(tmp_path, 1, **options)
