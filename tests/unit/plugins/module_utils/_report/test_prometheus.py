# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.part import Part
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.prometheus import render

from tests.unit.plugins.module_utils._health import reports


def test_the_text_holds_what_the_report_says() -> None:
    parts = {**reports.healthy(), "redis": Part(reason="nobody answered")}
    lines = render(reports.report(parts, cluster='a"b\\', gate="warning")).splitlines()
    labels = r'cluster="a\"b\\",namespace="endpoint-stats"'
    assert f"endpoint_stats_health_report_timestamp_seconds{{{labels}}} 1795500000.0" in lines
    assert f'endpoint_stats_health_findings{{{labels},severity="critical"}} 0' in lines
    assert f'endpoint_stats_health_part_state{{{labels},part="redis",state="could_not_check"}} 1' in lines
    assert f'endpoint_stats_health_part_state{{{labels},part="redis",state="healthy"}} 0' in lines
    assert f"endpoint_stats_health_gate_passed{{{labels}}} 0" in lines
    names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(names) == len(set(names)) == 5
