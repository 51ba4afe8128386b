# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._search.checks import CHECKS
from ansible_collections.endpoint_stats.ops.plugins.modules.es_health_report import ask

from tests.unit.plugins.module_utils._search.fake import healthy, serving

OPTIONS: dict[str, Any] = {
    "url": ["http://127.0.0.1:9"],
    "credentials_dir": "",
    "ca_file": "",
    "timeout_seconds": 2,
    "expected_nodes": 0,
    "disk_percent": None,
    "heap_percent": {"warning": 85, "critical": 95},
    "pending_task_seconds": {"warning": 30, "critical": 300},
    "max_indices_shown": 10,
}


def test_the_result_has_the_form_of_the_other_parts_and_its_coverage() -> None:
    with serving(healthy()) as engine:
        answers = [ask({**OPTIONS, "url": [engine.url]}), ask(OPTIONS)]
    for answer in answers:
        assert set(answer) == {"changed", "part", "coverage"}
        assert set(answer["part"]) == {"data", "findings", "reason", "seconds"}
        assert set(answer["coverage"]) == set(CHECKS)
        assert answer["changed"] is False
        assert answer["part"]["seconds"] >= 0
    assert [answer["part"]["reason"] == "" for answer in answers] == [True, False]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"url": []}, "no address to ask"),
        ({"url": ["search:9200"]}, "no address of HTTP"),
        ({"disk_percent": {"warning": 90, "critical": 80}}, "comes after the critical value"),
        ({"heap_percent": {"warning": 90, "critical": 80}}, "comes after the critical value"),
        ({"max_indices_shown": 0}, "at least 1"),
        ({"timeout_seconds": 0}, "no time to wait"),
    ],
)
def test_bad_options_are_refused_before_anybody_is_asked(changes: dict[str, Any], complaint: str) -> None:
    with serving(healthy()) as engine, pytest.raises(OpsError, match=complaint):
        ask({**OPTIONS, "url": [engine.url], **changes})
    assert engine.asked == []
