# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.document import canonical
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.store import latest, publish, retain

from tests.unit.plugins.module_utils._health import reports


def write(directory: Path, day: int) -> str:
    taken_at = f"2026-11-{day:02d}T06:00:00Z"
    publish(str(directory), taken_at, {"json": canonical(reports.report(taken_at=taken_at)), "html": "<p>"})
    return taken_at


def test_the_newest_before_a_time_is_found(tmp_path: Path) -> None:
    times = [write(tmp_path / "reports", day) for day in (1, 2, 3)]
    found, problem = latest(str(tmp_path / "reports"), times[2])
    assert found is not None
    assert (found["taken_at"], problem) == (times[1], "")
    assert latest(str(tmp_path / "reports"), times[0]) == (None, "")
    assert latest(str(tmp_path / "none"), times[0]) == (None, "")


def test_a_broken_report_is_passed_over_and_named(tmp_path: Path) -> None:
    first = write(tmp_path, 1)
    (tmp_path / "20261102T060000Z.json").write_text("{")
    (tmp_path / "20261103T060000Z.json").write_bytes(b"\xff")
    found, problem = latest(str(tmp_path), "2026-11-04T06:00:00Z")
    assert found is not None
    assert found["taken_at"] == first
    assert "20261102T060000Z.json" in problem
    assert "20261103T060000Z.json" in problem


def test_old_reports_go_and_other_files_stay(tmp_path: Path) -> None:
    for day in range(1, 6):
        write(tmp_path, day)
    (tmp_path / "20261101T060000Z.json.kept").touch()
    (tmp_path / "notes.json").touch()
    assert len(retain(str(tmp_path), 2)) == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "20261101T060000Z.json.kept",
        "20261104T060000Z.html",
        "20261104T060000Z.json",
        "20261105T060000Z.html",
        "20261105T060000Z.json",
        "notes.json",
    ]


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OpsError, match=r"file/20261101T060000Z.html could not be written"):
        write(tmp_path / "file", 1)
