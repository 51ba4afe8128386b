# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a scratch server can be had."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import scratch_place as place

MIB = 1 << 20
NEEDS = place.Needs(database_bytes=100 * MIB, entries=100, jobs=2)


@pytest.fixture(autouse=True)
def somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user that is not root, on a machine with room."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(place, "available_memory", lambda: 4096 * MIB)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=10_000 * MIB))


def refused(directory: Path, needs: place.Needs = NEEDS) -> str:
    error = place.refusal(directory, needs)
    return str(error) if error else ""


def test_a_server_can_be_had_where_there_is_room(tmp_path: Path) -> None:
    assert refused(Path("/tmp/not/there/yet")) == ""


def test_root_cannot_have_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "does not run as root" in refused(Path("/tmp"))


@pytest.mark.parametrize(("length", "fits"), [(107, True), (108, False)])
def test_the_path_of_a_socket_is_bounded(length: int, fits: bool) -> None:
    directory = Path("/tmp/" + "x" * (length - len("/tmp/") - len("/scratch-00000000/.s.PGSQL.5432")))
    assert (refused(directory) == "") is fits


@pytest.mark.parametrize(("free", "fits"), [(64 + 125 + 100, True), (64 + 125 + 99, False)])
def test_room_is_needed_for_the_database_its_sorting_and_its_log(monkeypatch: pytest.MonkeyPatch, free: int, fits: bool) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=free * MIB))
    assert ("too little space" in refused(Path("/tmp"))) is not fits


@pytest.mark.parametrize(("most", "fits"), [(0, True), (100 * MIB, True), (100 * MIB - 1, False)])
def test_a_ceiling_is_kept(most: int, fits: bool) -> None:
    assert ("larger than the scratch server may be" in refused(Path("/tmp"), replace(NEEDS, most_bytes=most))) is not fits


@pytest.mark.parametrize(
    ("wanted", "memory", "free", "chosen"),
    [
        ("", 4 * 289, 2 * 289, "/dev/shm/endpoint-stats-scratch-1000"),
        ("", 4 * 289 - 1, 2 * 289, "/tmp/endpoint-stats-scratch-1000"),
        ("", 4 * 289, 2 * 289 - 1, "/tmp/endpoint-stats-scratch-1000"),
        ("/srv/scratch", 4 * 289, 2 * 289, "/srv/scratch"),
    ],
)
def test_it_is_in_memory_where_it_fits_by_far(monkeypatch: pytest.MonkeyPatch, wanted: str, memory: int, free: int, chosen: str) -> None:
    monkeypatch.setattr(place, "available_memory", lambda: memory * MIB)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=free * MIB))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/tmp")
    assert str(place.place(wanted, NEEDS)) == chosen


def test_a_system_without_memory_for_files_has_a_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(place, "_MEMORY", tmp_path / "absent")
    assert place.place("", NEEDS).parent != tmp_path / "absent"


def test_little_memory_is_too_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "available_memory", lambda: 100 * MIB)
    assert "too little memory" in refused(Path("/tmp"))


def test_a_container_may_take_less_than_the_machine_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9000 kB\nMemAvailable:    8000 kB\n")
    assert place.available_memory(meminfo, tmp_path / "none") == 8000 << 10
    for name, text in {"memory.max": "4000000", "memory.current": "3000000", "memory.stat": "anon 1\ninactive_file 500000\n"}.items():
        (tmp_path / name).write_text(text)
    assert place.available_memory(meminfo, tmp_path) == 1_500_000
    (tmp_path / "memory.max").write_text("max")
    assert place.available_memory(meminfo, tmp_path) == 8000 << 10
