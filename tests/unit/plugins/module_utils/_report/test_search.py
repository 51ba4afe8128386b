# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.html import render
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.part import Part

from tests.unit.plugins.module_utils._health import reports
from tests.unit.plugins.module_utils._report.test_html import EVIL, Page
from tests.unit.plugins.module_utils._search import fake
from tests.unit.plugins.module_utils._search.fake import healthy, serving
from tests.unit.plugins.module_utils._search.test_shards import FILTER, explanation, row


def page(part: Part) -> Page:
    return Page(render(reports.report({**reports.healthy(), "search": replace(part, seconds=0.2)})))


def seen(**changes: Any) -> Part:
    with serving(healthy(**changes)) as engine:
        return engine.look()


def test_a_healthy_engine_is_shown_with_its_nodes_and_how_far_the_look_reached() -> None:
    words = page(seen()).words
    assert "Search engine" in words
    assert "Elasticsearch 8.19.21, green, 2 nodes" in words
    assert "85% / 90% / 95%" in words
    assert "466 GiB of 931 GiB" in words
    assert words.count("checked") >= 8


def test_shards_without_a_node_are_shown_with_the_reason() -> None:
    rows = [row(f"logs-{number}", 0) for number in range(5)]
    broken = {"/_cluster/health": fake.health(status="red", unassigned_shards=5), "/_cat/shards": rows, fake.EXPLAIN: explanation(FILTER)}
    words = page(seen(**broken)).words
    assert "an allocation filter or tier matches no node" in words
    assert "logs-0, logs-1, logs-2 and 2 more" in words
    assert "box:warm" in words


def test_what_could_not_be_checked_is_shown_as_that() -> None:
    words = page(seen(**{fake.BLOCKS: (403, ""), fake.STATS: fake.node_stats("a")})).words
    assert "blocks: " in words
    assert "could not check" in words


def test_an_engine_without_an_answer_has_only_its_reason() -> None:
    shown = page(seen(**{"/": (503, "not initialized")}))
    assert "no answer" in shown.words
    assert "What was checked" not in shown.words


def test_nothing_an_engine_says_becomes_part_of_the_page() -> None:
    root = fake.elasticsearch_root("8.19.21")
    root["cluster_name"] = EVIL
    stats, info = fake.node_stats(EVIL), fake.node_info(**{EVIL: EVIL})
    rows = [row(EVIL)]
    broken = {
        "/": root,
        "/_cluster/health": fake.health(status=EVIL, unassigned_shards=1),
        "/_nodes": info,
        fake.STATS: stats,
        "/_cat/shards": rows,
        fake.EXPLAIN: explanation({EVIL: EVIL}),
        "/_health_report": fake.indicators(**{EVIL: ("red", EVIL)}),
        fake.BLOCKS: {EVIL: {"settings": {"index.blocks.read_only_allow_delete": "true"}}},
    }
    shown = page(seen(**broken))
    assert not {"script", "img"} & shown.tags
    assert "alert(1)" in shown.words
