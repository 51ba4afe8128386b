# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a run: what each step's result becomes, and the page made of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.document import canonical
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.operation import (
    Document,
    all_findings,
    compose,
    earlier,
    reasons,
    summary,
)
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.operation_page import render
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.operation_step import spread

from tests.unit.plugins.module_utils._report.test_html import EVIL, Page

PLANTED = "Planted-Hw7kQ2mZx9LpT4vB8nRs"
BEGUN = datetime(2026, 11, 25, 21, 17, tzinfo=UTC)
FACTS = [
    {"label": "Backup", "key": "backup", "unit": "text"},
    {"label": "Size", "key": "bytes", "unit": "bytes"},
    {"label": "Rows", "key": "rows", "unit": "count"},
    {"label": "Took", "key": "duration_seconds", "unit": "seconds"},
    {"label": "Begun", "key": "begun_at", "unit": "time"},
    {"label": "Fresh", "key": "fresh", "unit": "text"},
    {"label": "Removed", "key": "removed", "unit": "text"},
    {"label": "How many removed", "key": "removed", "unit": "count"},
    {"label": "How many left", "key": "nothing", "unit": "count"},
    {"label": "Nothing", "key": "nothing", "unit": "text"},
]
DONE = {
    "changed": True,
    "backup": "20261125T211700Z",
    "bytes": 125829120,
    "rows": 250000,
    "duration_seconds": 3.7,
    "begun_at": "2026-11-25T21:17:00Z",
    "fresh": True,
    "removed": ["a", "b"],
    "nothing": [],
    "seconds": {"snapshot": 0.3, "dump": 2.9, "checksums": 0.5},
    "findings": [
        {"id": "rpo", "severity": "warning", "subject": "Backup/endpoint_stats", "summary": "late", "evidence": "x", "remedy": "more often"}
    ],
}
FAILED = {
    "failed": True,
    "msg": f"PostgreSQL does not let us connect. Cause: password={PLANTED}",
    "failure": {
        "summary": "PostgreSQL does not let us connect",
        "where": "db:5432",
        "cause": f"password={PLANTED}",
        "remedy": "Look",
        "details": {},
    },
}
DIFFERENT = {
    "verdict": "failed",
    "reason": "2 differences",
    "differences": [
        {"kind": "rows", "subject": "public.requests", "expected": "12", "found": "11"},
        {"kind": "entry_missing", "subject": f"INDEX public.{EVIL}", "expected": "owner", "found": "none"},
    ],
}


def step(name: str, result: dict[str, Any], facts: list[dict[str, str]] | None = None) -> dict[str, Any]:
    return {"name": name, "result": result, "facts": FACTS if facts is None else facts}


def told(*steps: dict[str, Any], **more: Any) -> Document:
    options: dict[str, Any] = {"operation": "backup", "cluster": "example", "subject": "endpoint-stats/endpoint_stats", "begun": BEGUN}
    return compose(steps, **{**options, "ended": BEGUN + timedelta(seconds=4.25), **more})


def test_what_was_done_is_shown_with_its_units() -> None:
    document = told(step("Back up", DONE))
    assert (document["verdict"], document["duration_seconds"]) == ("succeeded", 4.25)
    (made,) = document["steps"]
    assert [phase["name"] for phase in made["phases"]] == ["snapshot", "dump", "checksums"]
    page = Page(render(document)).words
    for words in ("20261125T211700Z", "120 MiB", "250\u202f000", "3.7 s", "2026-11-25 21:17:00 UTC", "yes", "a, b", "Backup succeeded"):
        assert words in page
    assert "Nothing" not in page
    assert "How many removed2" in page
    assert "How many left0" in page
    assert [finding["part"] for finding in all_findings(document)] == ["Back up"]
    shown = "backup 20261125T211700Z, size 120 MiB, rows 250\u202f000, took 3.7 s"
    assert summary(document) == f"backup of endpoint-stats/endpoint_stats: succeeded after 4.2 s, 1 warning ({shown})"


@pytest.mark.parametrize(
    ("results", "verdict", "states"),
    [
        ([DONE, DONE], "succeeded", ["succeeded", "succeeded"]),
        ([DONE, {"skipped": True, "skip_reason": "no"}], "succeeded", ["succeeded", "skipped"]),
        ([DONE, {"verdict": "passed"}], "succeeded", ["succeeded", "succeeded"]),
        ([{"verdict": "could_not_verify", "reason": "no room"}, DONE], "could_not_verify", ["could_not_verify", "succeeded"]),
        ([{"verdict": "could_not_verify", "reason": "no room"}, FAILED], "failed", ["could_not_verify", "failed"]),
        ([DIFFERENT, {}], "failed", ["failed", "not_reached"]),
        ([{"unreachable": True, "msg": "no route"}, {}], "failed", ["failed", "not_reached"]),
        ([{}, {}], "failed", ["not_reached", "not_reached"]),
    ],
)
def test_the_verdict_is_the_worst_of_the_steps(results: list[dict[str, Any]], verdict: str, states: list[str]) -> None:
    document = told(*(step(str(number), result) for number, result in enumerate(results)))
    assert document["verdict"] == verdict
    assert [made["state"] for made in document["steps"]] == states
    assert Page(render(document)).words


def test_a_failed_run_says_why_and_what_to_do() -> None:
    document = told(step("Back up", FAILED), step("Copy", {}), advice=["The live database was not touched.", "Run it again."])
    page = Page(render(document)).words
    for words in ("Why, and what to do", "db:5432", "Look", "The live database was not touched.", "Run it again.", "not reached"):
        assert words in page
    assert reasons(document)[0].startswith("Back up: PostgreSQL does not let us connect")


def test_a_loop_that_failed_says_why_with_the_words_of_its_items() -> None:
    items = [{"failed": False, "msg": "fine"}, {"failed": True, "msg": "no Deployment flask-api"}]
    document = told(step("Restart", {"failed": True, "msg": "One or more items failed", "results": items}))
    assert reasons(document) == ["Restart: no Deployment flask-api"]


def test_what_was_looped_over_is_a_step_each() -> None:
    done, lost = {"backup": "20261125T211700Z"}, {"failed": True, "msg": "no such database"}
    step = {"name": "Back up", "facts": [], "result": {"failed": True, "msg": "One or more items failed", "results": [done, lost]}}
    assert [(one["name"], one["result"]) for one in spread([{**step, "each": ["shop", "audit", "late"]}])] == [
        ("Back up shop", done),
        ("Back up audit", lost),
        ("Back up late", {}),
    ]
    assert [(one["name"], one["result"]) for one in spread([{**step, "each": ["shop"]}])] == [("Back up", done)]
    assert spread([step]) == [step]
    before = {**step, "result": lost, "each": ["shop", "audit"]}
    assert [(one["name"], one["result"]) for one in spread([before])] == [("Back up shop", lost), ("Back up audit", lost)]


def test_what_is_no_list_of_phases_is_none() -> None:
    assert told(step("Ask", {"seconds": 0.2}))["steps"][0]["phases"] == []


def test_advice_is_for_what_did_not_succeed() -> None:
    document = told(step("Back up", DONE), advice=["Run it again."])
    assert document["advice"] == []
    assert "what to do" not in Page(render(document)).words.split("What to do")[0]


def test_secrets_are_in_neither_form() -> None:
    finding = {**DONE["findings"][0], "evidence": f"postgresql://api:{PLANTED}@db"}  # type: ignore[index]
    document = told(
        step("Back up", FAILED),
        step("Verify", {**DIFFERENT, "reason": f"token: {PLANTED}", "findings": [finding]}),
        step("More", {"backup": f"password={PLANTED}", "invocation": {"module_args": {"password": PLANTED}}}),
        advice=[f"password={PLANTED}"],
    )
    assert PLANTED not in canonical(document)
    assert PLANTED not in render(document)
    assert "[hidden]" in render(document)


def test_differences_that_a_failure_tells_are_shown() -> None:
    failure = {**FAILED["failure"], "details": {"differences": DIFFERENT["differences"]}}  # type: ignore[dict-item]
    document = told(step("Restore", {**FAILED, "failure": failure}))
    assert document["counts"]["differences"] == 2
    assert "public.requests" in Page(render(document)).words


def test_rows_that_differ_are_listed_with_their_query() -> None:
    part = {"rows": "id 5 to 9", "expected_rows": 5, "found_rows": 4, "query": EVIL}
    difference = {"kind": "rows", "subject": "public.t", "expected": "50 rows", "found": "49 rows", "ranges": [part] * 25}
    document = told(step("Verify", {**DIFFERENT, "differences": [difference, {**difference, "subject": "u", "ranges": []}]}))
    first, second = document["steps"][0]["differences"]
    assert (len(first["ranges"]), first["ranges_total"], "ranges" in second) == (20, 25, False)
    page = Page(render(document)).words
    assert all(words in page for words in ("Rows that differ", "id 5 to 9", "and 5 more ranges"))
    assert "Ranges" not in page


def test_differences_are_listed_and_not_without_end() -> None:
    many = {**DIFFERENT, "differences": [{"kind": "rows", "subject": f"t{number}", "expected": "1", "found": "0"} for number in range(250)]}
    document = told(step("Verify", many))
    assert document["counts"]["differences"] == 250
    page = Page(render(document)).words
    assert "t199" in page
    assert "t200" not in page
    assert "and 50 more" in page


@pytest.mark.parametrize("steps", [[step("Back up", DONE)], [step("Back up", FAILED), step("Verify", DIFFERENT), step("Next", {})]])
def test_the_page_needs_nothing_else_and_its_links_lead_somewhere(steps: list[dict[str, Any]]) -> None:
    page = Page(render(told(*steps)))
    assert not page.tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form", "input"}
    anchors = page.values("id")
    assert len(anchors) == len(set(anchors))
    assert {link.removeprefix("#") for link in page.values("href")} <= set(anchors)


def test_the_same_run_is_the_same_bytes() -> None:
    assert canonical(told(step("Back up", DONE))) == canonical(told(step("Back up", dict(DONE))))


def test_the_runs_before_are_remembered(tmp_path: Path) -> None:
    for minute, result in ((0, DONE), (1, FAILED)):
        begun = BEGUN + timedelta(minutes=minute)
        document = told(step("Back up", result), begun=begun, ended=begun + timedelta(seconds=minute + 1))
        (tmp_path / f"20261125T21{17 + minute}00Z.json").write_text(canonical(document))
    (tmp_path / "20261125T210000Z.json").write_text("{damaged")
    (tmp_path / "20261125T210100Z.json").write_text(json.dumps({"schema": "endpoint_stats.health_report"}))
    history = earlier(str(tmp_path), BEGUN + timedelta(minutes=2))
    assert [(run["verdict"], run["duration_seconds"]) for run in history] == [("succeeded", 1.0), ("failed", 2.0)]
    assert earlier(str(tmp_path), BEGUN) == []
    page = Page(
        render(told(step("Back up", DONE), begun=BEGUN + timedelta(minutes=2), ended=BEGUN + timedelta(minutes=3), history=history))
    )
    assert "This run and those before" in page.words


@pytest.mark.parametrize("finding", [{"id": "x"}, {**DONE["findings"][0], "severity": "awful"}])  # type: ignore[index]
def test_what_is_no_finding_is_refused(finding: dict[str, Any]) -> None:
    with pytest.raises(OpsError, match="no finding"):
        told(step("Back up", {**DONE, "findings": [finding]}))
