# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.part import Threshold
from ansible_collections.endpoint_stats.ops.plugins.module_utils._search import disk
from ansible_collections.endpoint_stats.ops.plugins.module_utils._search.nodes import gathered

from tests.unit.plugins.module_utils._search import fake
from tests.unit.plugins.module_utils._search.fake import TERABYTE

GB = 2**30
MARK = "cluster__routing__allocation__disk__watermark"


@pytest.mark.parametrize(
    ("setting", "headroom", "total", "required"),
    [
        ("85%", "", 1000, 150),
        ("85%", "-1", 1000, 150),
        ("0.85", "", 1000, 150),
        (".85", "", 1000, 150),
        ("1.0", "", 1000, 0),
        ("0%", "", 1000, 1000),
        ("85%", "200GB", 4096 * GB, 200 * GB),
        ("85%", "200GB", 100 * GB, 15 * GB),
        ("10gb", "200GB", 100 * GB, 10 * GB),
        ("1.5gb", "", 100 * GB, 1536 * 2**20),
        ("512mb", "", 1, 2**29),
        ("1tb", "", 1, 2**40),
        ("2048b", "", 1, 2048),
    ],
)
def test_each_form_of_a_watermark_is_understood(setting: str, headroom: str, total: int, required: int) -> None:
    assert disk.parsed(setting, headroom).required_bytes(total) == required


@pytest.mark.parametrize("setting", ["", "full", "85 percent", "10 parsecs", "%"])
def test_what_is_no_watermark_is_refused(setting: str) -> None:
    with pytest.raises(OpsError, match="is no watermark"):
        disk.parsed(setting)


def test_what_was_set_comes_before_what_was_not_and_loses_the_engines_headroom() -> None:
    own = {f"{MARK}__low": "90%", f"{MARK}__high": "91%", f"{MARK}__high__max_headroom": "1gb"}
    settings = fake.settings(**own)
    settings["transient"] = {f"{MARK}__low".replace("__", "."): "80%"}
    known = disk.watermarks(settings).stages
    required = {stage: mark.required_bytes(100 * 1024 * GB) // GB for stage, mark in known.items()}
    assert required == {"low": 20 * 1024, "high": 1, "flood_stage": 100}


def lines(*available: int, roles: list[str] | None = None) -> list[dict[str, Any]]:
    names = [f"node-{number}" for number in range(len(available))]
    info = fake.node_info(**dict.fromkeys(names, "8.19.21"))
    nodes: dict[str, Any] = {}
    for name, left in zip(names, available, strict=True):
        nodes.update(fake.node_stats(name, available=left)["nodes"])
        info["nodes"][f"id-{name}"]["roles"] = roles or ["data_hot", "data_content"]
    return gathered(info, {"nodes": nodes})


def found(nodes: list[dict[str, Any]], own: Threshold | None = None, /, **settings: str) -> list[tuple[str, str, str]]:
    marks = disk.watermarks(fake.settings(**settings))
    return [(finding.subject, finding.id, finding.severity) for finding in disk.judge("cluster", nodes, marks, own)]


def test_each_disk_is_judged_by_the_worst_watermark_it_is_over() -> None:
    percent = {f"{MARK}__{stage}": mark for stage, mark in {"low": "85%", "high": "90%", "flood_stage": "95%"}.items()}
    part = TERABYTE // 100
    assert found(lines(15 * part, 15 * part - 1, 10 * part - 1, 5 * part - 1), **percent) == [
        ("node/node-1", "search_disk_low", "warning"),
        ("node/node-2", "search_disk_high", "warning"),
        ("node/node-3", "search_disk_flood_stage", "critical"),
    ]


def test_ones_own_limits_are_judged_as_well() -> None:
    half = lines(TERABYTE // 2)
    assert found(half, Threshold(60, 90)) == []
    assert found(half, Threshold(50, 90)) == [("node/node-0", "search_disk_full", "warning")]
    assert found(half, Threshold(40, 50)) == [("node/node-0", "search_disk_full", "critical")]


@pytest.mark.parametrize("roles", [["master"], ["data_frozen"], ["ingest", "remote_cluster_client"], ["search"]])
def test_nodes_without_data_of_their_own_are_not_judged(roles: list[str]) -> None:
    assert found(lines(1, roles=roles)) == []
    assert found(lines(1, roles=[*roles, "data"])) == [("node/node-0", "search_disk_flood_stage", "critical")]


def test_thresholds_that_are_switched_off_are_said_to_be() -> None:
    assert found(lines(1), cluster__routing__allocation__disk__threshold_enabled="false") == [
        ("cluster", "search_disk_thresholds_off", "warning")
    ]


def test_one_data_node_alone_is_said_to_stop_at_the_flood_stage_only() -> None:
    settings = fake.settings(**{f"{MARK}__enable_for_single_data_node": "false"})
    marks = disk.watermarks(settings)
    (alone,) = disk.judge("cluster", lines(TERABYTE // 8), marks, None)
    assert (alone.id, "acts on the flood stage alone" in alone.evidence) == ("search_disk_low", True)
    both = disk.judge("cluster", lines(TERABYTE // 8, TERABYTE // 8), marks, None)
    assert ["flood stage alone" in finding.evidence for finding in both] == [False, False]


def test_the_fullest_data_path_of_a_node_counts() -> None:
    info, stats = fake.node_info(a="8.19.21"), fake.node_stats("a")
    roomy, full = ({"total_in_bytes": TERABYTE, "available_in_bytes": left} for left in (TERABYTE // 2, 10))
    stats["nodes"]["id-a"]["fs"]["data"] = [roomy, full]
    (line,) = gathered(info, stats)
    assert line["disk_available_bytes"] == 10


def test_the_plot_has_the_watermarks_of_that_disk() -> None:
    marks = disk.watermarks(fake.settings())
    assert disk.limits_percent(100 * GB, marks) == {"warning": 85, "high": 90, "critical": 95}
    assert disk.limits_percent(4000 * GB, marks) == {"warning": 95, "high": 96.25, "critical": 97.5}
