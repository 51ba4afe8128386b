# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.document import canonical, read, summary
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.finding import Finding, Severity
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.merge import merge
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.part import Part

from tests.unit.plugins.module_utils._health import reports


def finding(name: str = "slow", severity: Severity = "critical", subject: str = "API") -> Finding:
    return Finding(name, severity, subject, "it is slow", "1 s", "make it faster")


def document(*findings: Finding, reason: str = "", previous: dict[str, Any] | None = None, gate: str = "none") -> dict[str, Any]:
    """A report whose part C(api) is given, the others healthy."""
    parts = {**reports.healthy(), "api": replace(reports.api(), findings=list(findings), reason=reason)}
    return reports.report(parts, previous, gate=gate)


def identities(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["id"] for entry in entries]


def test_a_good_day_is_healthy() -> None:
    made = reports.report()
    assert made["verdict"] == "healthy"
    assert {part["state"] for part in made["parts"].values()} == {"healthy"}
    assert made["gate"] == {"name": "none", "passed": True, "reasons": []}


@pytest.mark.parametrize(
    ("findings", "reason", "verdict", "state"),
    [
        ([finding(severity="info")], "", "healthy", "healthy"),
        ([finding(severity="warning")], "", "warning", "findings"),
        ([finding(severity="critical")], "", "critical", "findings"),
        ([], "nobody answered", "could_not_check", "could_not_check"),
        ([finding(severity="warning")], "nobody answered", "could_not_check", "could_not_check"),
        ([finding(severity="critical")], "nobody answered", "critical", "could_not_check"),
    ],
)
def test_the_verdict_is_the_worst_that_is_known(findings: list[Finding], reason: str, verdict: str, state: str) -> None:
    made = document(*findings, reason=reason)
    assert (made["verdict"], made["parts"]["api"]["state"]) == (verdict, state)


def test_a_part_nobody_delivered_is_not_healthy() -> None:
    parts = reports.healthy()
    del parts["redis"]
    made = reports.report(parts)
    assert made["parts"]["redis"]["state"] == "could_not_check"
    assert made["verdict"] == "could_not_check"


def test_the_same_input_is_the_same_bytes_in_any_order() -> None:
    parts = {name: part.to_dict() for name, part in reports.healthy().items()}
    several = [finding(name, severity, subject).to_dict() for name in "ab" for severity in ("info", "critical") for subject in "xy"]
    options: dict[str, Any] = {"taken_at": "2026-11-24T06:00:00Z", "cluster": "lab", "namespace": "endpoint-stats", "gate": "critical"}
    made = set()
    for seed in range(5):
        mixed = random.Random(seed)  # noqa: S311 - an order, no secret
        shuffled = dict(mixed.sample(sorted(parts.items(), key=lambda item: item[0]), len(parts)))
        shuffled["api"] = {**parts["api"], "findings": mixed.sample(several, len(several))}
        made.add(canonical(merge(shuffled, **options)))
    assert len(made) == 1


def test_a_finding_twice_is_one_as_bad_as_it_was_ever_said() -> None:
    made = document(finding(severity="warning"), finding(severity="critical"))
    assert [entry["severity"] for entry in made["parts"]["api"]["findings"]] == ["critical"]


def test_findings_hold_no_times() -> None:
    bad = replace(reports.redis_part(maxmemory=0), reason="")
    made = reports.report({**reports.healthy(), "redis": bad})
    assert made["parts"]["redis"]["findings"]
    assert "2026" not in json.dumps([part["findings"] for part in made["parts"].values()])


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (([], ""), (["slow"], ""), "new"),
        ((["slow"], ""), ([], ""), "resolved"),
        ((["slow"], ""), (["slow"], ""), "unchanged"),
        ((["slow"], ""), ([], "silent"), "incomparable"),
        (([], "silent"), (["slow"], ""), "incomparable"),
        (([], ""), (["slow"], "silent"), "new"),
        ((["slow"], "silent"), ([], ""), "resolved"),
        ((["slow"], "silent"), (["slow"], ""), "unchanged"),
    ],
)
def test_what_was_not_looked_at_is_neither_new_nor_resolved(
    before: tuple[list[str], str], now: tuple[list[str], str], expected: str
) -> None:
    earlier = document(*map(finding, before[0]), reason=before[1])
    changes = document(*map(finding, now[0]), reason=now[1], previous=earlier)["changes"]
    found = {kind: identities(changes[kind]) for kind in ("new", "resolved", "unchanged", "incomparable")}
    assert found == {kind: ["slow"] if kind == expected else [] for kind in found}
    assert changes["lost"] == (["api"] if now[1] and not before[1] else [])
    assert changes["regained"] == (["api"] if before[1] and not now[1] else [])


def test_without_an_earlier_report_nothing_can_be_compared() -> None:
    changes = document(finding())["changes"]
    assert changes["previous_taken_at"] is None
    assert identities(changes["incomparable"]) == ["slow"]
    assert changes["new"] == changes["lost"] == []


def test_what_got_worse_is_new() -> None:
    worse = document(finding(severity="critical"), previous=document(finding(severity="warning")))["changes"]
    assert [(entry["severity"], entry["severity_before"]) for entry in worse["new"]] == [("critical", "warning")]
    better = document(finding(severity="warning"), previous=document(finding(severity="critical")))["changes"]
    assert identities(better["unchanged"]) == ["slow"]


@pytest.mark.parametrize("gate", ["none", "warning", "critical", "new-critical"])
@pytest.mark.parametrize("earlier", ["no report", "healthy", "the same", "not checked"])
@pytest.mark.parametrize("now", ["healthy", "info", "warning", "critical", "not checked"])
def test_the_gate_obeys_its_table(gate: str, earlier: str, now: str) -> None:
    def seen(kind: str) -> dict[str, Any]:
        severity: dict[str, Severity] = {"info": "info", "warning": "warning", "critical": "critical"}
        found = [finding(severity=severity[kind])] if kind in severity else []
        return {"findings": found, "reason": "silent" if kind == "not checked" else ""}

    def made(kind: str, previous: dict[str, Any] | None = None) -> dict[str, Any]:
        given = seen(kind)
        return document(*given["findings"], reason=given["reason"], previous=previous, gate=gate)

    previous = None if earlier == "no report" else made(now if earlier == "the same" else earlier)
    refused = {
        "none": False,
        "warning": now in ("warning", "critical", "not checked"),
        "critical": now in ("critical", "not checked"),
        "new-critical": {
            "critical": earlier != "the same",
            "not checked": earlier in ("no report", "healthy"),
        }.get(now, False),
    }[gate]
    judged = made(now, previous)["gate"]
    assert judged["passed"] is not refused
    assert bool(judged["reasons"]) is refused


def test_what_cannot_be_seen_any_more_is_no_new_critical_finding() -> None:
    judged = document(reason="silent", previous=document(finding()), gate="new-critical")["gate"]
    assert judged["reasons"] == ["could not check: API: silent"]


def test_an_unknown_gate_is_refused() -> None:
    with pytest.raises(OpsError, match="is no gate"):
        document(gate="all")


def test_history_grows_by_one_report_and_ends() -> None:
    previous = None
    for day in range(70):
        previous = reports.report(previous=previous, taken_at=f"2026-{1 + day // 28:02d}-{1 + day % 28:02d}T06:00:00Z")
    assert previous is not None
    assert len(previous["history"]) == 60
    assert previous["history"][-1]["taken_at"] == "2026-03-13T06:00:00Z"


def test_a_summary_is_small_and_good_to_compare_with() -> None:
    many = [finding(f"slow_{number:03d}", "warning") for number in range(300)] + [finding("lost")]
    short = read(canonical(summary(document(*many))))
    assert len(canonical(short)) < 100_000
    assert identities(short["parts"]["api"]["findings"])[0] == "lost"
    assert short["parts"]["api"]["findings_left_out"] == 201
    assert "data" not in short["parts"]["postgresql"]
    changes = document(finding("lost"), finding("slow_250", "warning"), finding("slow_001", "warning"), previous=short)["changes"]
    assert identities(changes["unchanged"]) == ["lost", "slow_001"]
    assert identities(changes["incomparable"]) == ["slow_250"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "other", "schema_version": 1, "taken_at": "", "parts": {}}', "{"])
def test_what_is_no_report_is_not_compared_with(text: str) -> None:
    with pytest.raises(OpsError, match="could not be read"):
        read(text)


def test_something_that_is_no_finding_is_refused() -> None:
    with pytest.raises(OpsError, match="holds something that is no finding"):
        merge({"api": {"findings": [{"id": "x"}]}}, taken_at="", cluster="", namespace="")


def test_a_part_of_its_own_is_taken_in() -> None:
    made = reports.report({**reports.healthy(), "backups": Part({"age_seconds": 3}, [finding()])})
    assert made["parts"]["backups"]["state"] == "findings"
