# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that is full: the path is named, nothing is half there, and the next run with room makes it good."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cluster.test_fresh import BARE
from tests.e2e.cluster.test_refused import expect_refusal
from tests.e2e.support import Lab

WORKER = "worker-2"
STAGING = "/var/cache/endpoint-stats"
NO_ROOM = "No space left on device"


@pytest.fixture
def full_worker(lab: Lab) -> Iterator[str]:
    """A bare machine whose staging directory holds one megabyte."""
    lab.command("up", "--workers", "2")
    lab.root(WORKER, f"mkdir -p {STAGING}; mount -t tmpfs -o size=1M tmpfs {STAGING}")
    yield WORKER
    lab.kubectl("delete", "node", WORKER, "--ignore-not-found")
    lab.command("remove-machine", WORKER)


def test_a_machine_without_room_for_the_releases_is_named(lab: Lab, full_worker: str) -> None:
    run = lab.play()
    expect_refusal(run, f"{full_worker}: ", f"bytes are free for {STAGING}", "kubernetes_cluster_minimum_free_bytes")
    assert lab.root(full_worker, BARE) == ""
    lab.root(full_worker, f"umount {STAGING}")
    lab.play().expect()
    assert lab.ready() == {"control-1", "worker-1", full_worker}


@pytest.fixture
def full_reports(tmp_path: Path) -> Iterator[Path]:
    """A directory for reports, with an old one and no room."""
    directory = tmp_path / "reports"
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(directory)], check=True)
    (directory / "kubernetes_cluster.json").write_text("{}\n")
    (directory / "filler").write_bytes(b"x" * 4096)
    yield directory
    subprocess.run(["umount", str(directory)], check=True)


def test_a_report_without_room_is_an_error_and_the_old_one_stays(lab: Lab, full_reports: Path) -> None:
    run = lab.play(variables={"endpoint_stats_reports_dir": str(full_reports)})
    assert run.status != 0
    assert NO_ROOM in run.refusal
    assert str(full_reports) in run.refusal
    assert (full_reports / "kubernetes_cluster.json").read_text() == "{}\n"
    assert sorted(path.name for path in full_reports.iterdir()) == ["filler", "kubernetes_cluster.json"]
