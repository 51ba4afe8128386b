# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._kubernetes import claim_health, log_health, workload_health
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.document import title
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.finding import Finding, Severity
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.html import render
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.part import Part

from tests.unit.plugins.module_utils._health import reports, samples

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Reads a page strictly: every element is closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


def bad_day(previous: dict[str, Any] | None = None) -> dict[str, Any]:
    parts = reports.healthy()
    broken = samples.api_pod(
        "ddddd",
        phase="Pending",
        containerStatuses=[
            {"name": "main", "ready": False, "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": EVIL}}}
        ],
    )
    parts["pods"] = workload_health.pods(
        [broken, *samples.pods()], samples.workloads(), ["StatefulSet/ops-runner"], samples.NOW, reports.LIMITS
    )
    parts["redis"] = Part(reason=f"refused: {EVIL}")
    parts["postgresql"] = reports.postgresql(connections={"used": 95, "usable": 97})
    parts["claims"] = claim_health.claims(
        [samples.claim("new", "Pending"), samples.claim("old")], {"old": samples.volume("old", 9, 10)}, True, reports.LIMITS
    )
    parts["api_log"] = log_health.api_log({"flask-api": f"2026-11-24T06:00:00Z {EVIL} password={samples.PLANTED}"})
    return reports.report(parts, previous, gate="critical")


@pytest.mark.parametrize("document", [reports.report(), bad_day(), bad_day(reports.report(taken_at="2026-11-23T06:00:00Z"))])
def test_the_page_needs_nothing_else(document: dict[str, Any]) -> None:
    text = render(document)
    page = Page(text)
    assert not page.tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form", "input"}
    assert not [name for name, _value in page.attributes if name.startswith("on") or name in ("src", "srcset", "action")]
    assert all(value.startswith("#") for value in page.values("href"))
    assert not re.search(r"url\(|@import", text)
    assert "default-src 'none'" in text


@pytest.mark.parametrize("document", [reports.report(), bad_day()])
def test_every_link_leads_somewhere_and_every_anchor_is_one(document: dict[str, Any]) -> None:
    page = Page(render(document))
    anchors = page.values("id")
    assert len(anchors) == len(set(anchors))
    assert {value.removeprefix("#") for value in page.values("href")} <= set(anchors)
    assert {"changes", "findings", "history", "pods", "postgresql", "api-log"} <= set(anchors)


def test_what_others_wrote_is_text_in_the_page() -> None:
    document = bad_day()
    part = document["parts"]["events"]
    part["data"]["events"] = [{"time": EVIL, "type": EVIL, "reason": EVIL, "object": EVIL, "count": 1, "message": EVIL}]
    part["findings"] = [Finding(EVIL, "warning", EVIL, EVIL, EVIL, EVIL).to_dict()]
    document.update({"cluster": EVIL, "namespace": EVIL})
    document["gate"]["reasons"] = [EVIL]
    page = Page(render(document))
    assert not page.tags & {"script", "img"}
    assert page.words.count("<script>alert(1)</script>") > 10
    assert samples.PLANTED not in page.words


def test_the_verdict_comes_first_and_what_changed_second() -> None:
    text = render(bad_day(reports.report(taken_at="2026-11-23T06:00:00Z")))
    places = [
        text.index(mark) for mark in ("<h1>Critical</h1>", 'id="changes"', 'id="findings"', 'id="history"', 'id="pods"', 'id="timings"')
    ]
    assert places == sorted(places)
    assert "could not be checked" in text[: places[1]]


def tile_of(part: str, page: str) -> str:
    (tile,) = [found[0] for found in re.finditer(r'<a class="tile.*?</a>', page) if f'href="#{part}"' in found[0]]
    return tile


@pytest.mark.parametrize("severity", ["critical", "warning"])
def test_a_tile_looks_like_the_worst_finding_of_its_part(severity: Severity) -> None:
    found = [Finding(f"redis_{level}", level, "redis-0", "It is so.", "", "") for level in ("info", "warning", severity)]
    page = render(reports.report({**reports.healthy(), "redis": Part(findings=found)}))
    tile = tile_of("redis", page)
    assert tile.startswith(f'<a class="tile {severity}"')
    assert f'<span class="badge {severity}">' in tile
    assert f'<section id="redis"><h2>Redis <span class="badge {severity}">' in page


def test_what_could_not_be_checked_is_never_green() -> None:
    text = render(reports.report({**reports.healthy(), "redis": Part(reason="nobody answered")}))
    tile = tile_of("redis", text)
    assert "could_not_check" in tile
    assert "healthy" not in tile
    assert "Could not be checked: nobody answered" in text
    assert "<h1>Healthy" not in text


def test_every_part_is_shown_even_without_data() -> None:
    empty = {name: Part() for name in reports.healthy()}
    for parts in (empty, {name: replace(part, seconds=None) for name, part in reports.healthy().items()}):
        words = Page(render(reports.report(parts))).words
        assert all(title(name) in words for name in parts)


def test_an_unknown_part_is_shown_by_its_values() -> None:
    words = Page(render(reports.report({**reports.healthy(), "search_engine": Part({"open_shards": 3})}))).words
    assert "Search engine" in words
    assert "open shards" in words


def test_the_plots_show_the_numbers() -> None:
    text = render(bad_day())
    assert "95 of 97 connections" in text
    assert "37 m of 500 m" in text
    assert "9 B of 10 B" in text
