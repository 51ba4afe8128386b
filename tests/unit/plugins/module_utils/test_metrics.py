# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

from ansible_collections.endpoint_stats.ops.plugins.module_utils._metrics import Gauge, render, write_metrics


def test_gauges_of_a_name_stand_together_and_labels_are_escaped() -> None:
    text = render([Gauge("a_bytes", "What a is.", 3, {"of": 'x"\n'}), Gauge("b", "What b is.", 0.5), Gauge("a_bytes", "", 4, {"of": "y"})])
    assert text == (
        "# HELP endpoint_stats_a_bytes What a is.\n"
        "# TYPE endpoint_stats_a_bytes gauge\n"
        'endpoint_stats_a_bytes{of="x\\"\\n"} 3\n'
        'endpoint_stats_a_bytes{of="y"} 4\n'
        "# HELP endpoint_stats_b What b is.\n"
        "# TYPE endpoint_stats_b gauge\n"
        "endpoint_stats_b 0.5\n"
    )


def test_common_labels_are_on_every_gauge() -> None:
    assert render([Gauge("a", "A.", 1, {"z": "1"})], {"cluster": "lab"}).endswith('endpoint_stats_a{cluster="lab",z="1"} 1\n')


def test_the_file_is_written_where_it_is_wanted(tmp_path: Path) -> None:
    write_metrics("", [Gauge("a", "A.", 1)])
    assert list(tmp_path.iterdir()) == []
    write_metrics(str(tmp_path / "a.prom"), [Gauge("a", "A.", 1)])
    assert (tmp_path / "a.prom").read_text().endswith("endpoint_stats_a 1\n")
