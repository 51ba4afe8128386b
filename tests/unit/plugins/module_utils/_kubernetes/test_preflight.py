# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stops a machine from becoming a node, without one."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.endpoint_stats.ops.plugins.module_utils._kubernetes.preflight import Demands, room_failures


def demands(directory: Path, minimum_free_bytes: int, *, missing: bool) -> Demands:
    download = {"name": "runc", "url": "", "path": str(directory / "not/yet/there/runc"), "checksum": ""}
    return Demands([], 0, minimum_free_bytes, 1, "", [download] if missing else [], {}, cgroup_v1_allowed=False)


def test_a_file_system_without_room_is_named(tmp_path: Path) -> None:
    found = [item["summary"] for item in room_failures(demands(tmp_path, 10**18, missing=True))]
    assert any(f"bytes are free for {tmp_path}/not/yet/there" in summary for summary in found)
    assert list(room_failures(demands(tmp_path, 1, missing=True))) == []


def test_a_machine_that_needs_nothing_may_be_full(tmp_path: Path) -> None:
    assert list(room_failures(demands(tmp_path, 10**18, missing=False))) == []
