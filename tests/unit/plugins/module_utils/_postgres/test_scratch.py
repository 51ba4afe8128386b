# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a scratch server can be had, how it is set up, and whose leftovers are removed."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import scratch
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.connection import Server
from ansible_collections.endpoint_stats.ops.plugins.module_utils._tls import Credentials

MIB = 1 << 20
NEEDS = scratch.Needs(database_bytes=100 * MIB, entries=100, jobs=2)


@pytest.fixture(autouse=True)
def somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user that is not root, on a machine with room."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(scratch, "available_memory", lambda: 4096 * MIB)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=10_000 * MIB))


def refused(directory: Path, needs: scratch.Needs = NEEDS) -> str:
    error = scratch.refusal(directory, needs)
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
    monkeypatch.setattr(scratch, "available_memory", lambda: memory * MIB)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=free * MIB))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/tmp")
    assert str(scratch.place(wanted, NEEDS)) == chosen


def test_it_gives_way_to_others_where_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: f"/bin/{program}" if program == "nice" else None)
    assert scratch._gently(7) == ["/bin/nice", "-n", "7"]
    assert scratch._gently(0) == []


def test_a_system_without_memory_for_files_has_a_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(scratch, "_MEMORY", tmp_path / "absent")
    assert scratch.place("", NEEDS).parent != tmp_path / "absent"


def test_what_a_killed_run_left_in_the_other_place_is_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    places = (tmp_path / "memory", tmp_path / "disk")
    monkeypatch.setattr(scratch, "_places", lambda: places)
    left = orphan(places[0])
    scratch._reap_elsewhere(tmp_path / "named")
    assert left.exists()
    scratch._reap_elsewhere(places[1])
    assert not left.exists()


def test_little_memory_is_too_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "available_memory", lambda: 100 * MIB)
    assert "too little memory" in refused(Path("/tmp"))


@pytest.mark.parametrize(
    ("mebibytes", "jobs", "shared", "maintenance"),
    [(200, 2, "25MB", "25MB"), (4096, 2, "512MB", "512MB"), (100_000, 1, "512MB", "1024MB"), (200, 16, "25MB", "16MB")],
)
def test_memory_is_shared_out(mebibytes: int, jobs: int, shared: str, maintenance: str) -> None:
    made = scratch.settings(Path("/tmp"), scratch.Needs(0, 0, jobs), mebibytes * MIB)
    assert (made["shared_buffers"], made["maintenance_work_mem"]) == (shared, maintenance)


def test_every_index_may_have_all_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 1, 5})
    assert scratch.settings(Path("/tmp"), NEEDS, 1024 * MIB)["max_parallel_maintenance_workers"] == "2"


def test_the_server_is_alone_and_locks_all_tables_at_once() -> None:
    made = scratch.settings(Path("/tmp/own"), scratch.Needs(0, 10_000, 2), 1024 * MIB)
    assert (made["listen_addresses"], made["unix_socket_directories"], made["unix_socket_permissions"]) == ("", "/tmp/own", "0700")
    assert (made["archive_mode"], made["max_wal_senders"], made["max_logical_replication_workers"]) == ("off", "0", "0")
    assert {made[f"{kind}_preload_libraries"] for kind in ("shared", "session", "local")} == {""}
    assert int(made["max_locks_per_transaction"]) * int(made["max_connections"]) > 20_000


def test_a_container_may_take_less_than_the_machine_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9000 kB\nMemAvailable:    8000 kB\n")
    assert scratch.available_memory(meminfo, tmp_path / "none") == 8000 << 10
    for name, text in {"memory.max": "4000000", "memory.current": "3000000", "memory.stat": "anon 1\ninactive_file 500000\n"}.items():
        (tmp_path / name).write_text(text)
    assert scratch.available_memory(meminfo, tmp_path) == 1_500_000
    (tmp_path / "memory.max").write_text("max")
    assert scratch.available_memory(meminfo, tmp_path) == 8000 << 10


def orphan(directory: Path, **changes: Any) -> Path:
    """What a run leaves that was killed on this machine."""
    path = directory / "scratch-0a0a0a0a"
    (path / "data").mkdir(parents=True)
    said = {"host": "other", "boot_id": scratch._boot(), "pid": 1, "begun_at": "2026-11-25T00:00:00Z", "ends_by": time.time() + 999}
    (path / "owner.json").write_text(json.dumps({**said, **changes}))
    (path / "server.lock").touch()
    return path


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[Any]:
    """Somebody who locks a file until the test is over."""
    with (tmp_path / "owner").open("w"):
        opened: list[int] = []

        def hold(path: Path) -> None:
            opened.append(os.open(path, os.O_RDWR))
            fcntl.flock(opened[-1], fcntl.LOCK_EX)

        yield hold
        for descriptor in opened:
            os.close(descriptor)


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "something-else").mkdir()
    path = orphan(tmp_path)
    assert scratch.reap(tmp_path) == [path.name]
    assert [left.name for left in tmp_path.iterdir()] == ["something-else"]


@pytest.mark.parametrize("text", ["", "{}", "[1]"])
def test_a_run_that_was_killed_while_it_began_is_removed(tmp_path: Path, text: str) -> None:
    (orphan(tmp_path) / "owner.json").write_text(text)
    assert scratch.reap(tmp_path) == ["scratch-0a0a0a0a"]


def test_a_run_that_was_killed_before_it_said_who_it_is_is_removed(tmp_path: Path) -> None:
    (tmp_path / "scratch-0b0b0b0b").mkdir()
    assert scratch.reap(tmp_path) == ["scratch-0b0b0b0b"]


def test_a_run_that_lives_is_left_alone(tmp_path: Path, holder: Any) -> None:
    path = orphan(tmp_path)
    holder(path / "owner.json")
    assert scratch.reap(tmp_path) == []
    assert path.exists()


@pytest.mark.parametrize(("seconds", "removed"), [(999, []), (-1, ["scratch-0a0a0a0a"])])
def test_a_run_of_another_machine_is_left_alone_as_long_as_it_may_live(tmp_path: Path, seconds: int, removed: list[str]) -> None:
    orphan(tmp_path, boot_id="another", ends_by=time.time() + seconds)
    assert scratch.reap(tmp_path) == removed


def test_a_server_that_outlives_its_run_is_waited_for(tmp_path: Path, holder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "_ENDING_SECONDS", 0.2)
    path = orphan(tmp_path)
    holder(path / "server.lock")
    assert scratch.reap(tmp_path) == []
    assert path.exists()


def trouble(directory: Path, log: str, status: int | None = None, started: int = 0) -> str:
    (directory / "log").write_text(log)
    process: subprocess.Popen[str] = SimpleNamespace(poll=lambda: status, returncode=status)  # type: ignore[assignment]
    return scratch.Scratch(Server("", 0, "", "", "", 1), Credentials("", ""), process, directory / "log", started).trouble()


@pytest.mark.parametrize(
    "line",
    [
        "53100 ERROR:  could not extend file",
        "53200 FATAL:  out of memory",
        "58030 PANIC:  could not write to file",
        "XX000 FATAL:  could not write init file",
        "00000 LOG:  server process (PID 77) was terminated by signal 9: Killed",
    ],
)
def test_a_server_in_trouble_says_so(tmp_path: Path, line: str) -> None:
    assert trouble(tmp_path, f"00000 LOG:  ready\n{line}\n") == line


@pytest.mark.parametrize("line", ["23503 ERROR:  violates foreign key", "42704 ERROR:  role does not exist", "22P02 ERROR:  invalid 53100"])
def test_what_is_wrong_with_the_backup_is_no_trouble_of_the_server(tmp_path: Path, line: str) -> None:
    assert trouble(tmp_path, f"{line}\n") == ""


def test_what_it_said_while_it_started_does_not_count(tmp_path: Path) -> None:
    line = "57P03 FATAL:  the database system is starting up\n"
    assert trouble(tmp_path, line, started=len(line)) == ""


def test_a_server_that_has_ended_and_a_full_disk_are_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert trouble(tmp_path, "bye\n", status=-9) == "the server ended with status -9: bye"
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=4096))
    assert trouble(tmp_path, "") == "the disk is full: 4,096 bytes are free"
