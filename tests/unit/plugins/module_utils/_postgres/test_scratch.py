# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a scratch server is set up, and what it suffers from."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import scratch
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.connection import Server
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.scratch_place import Needs
from ansible_collections.endpoint_stats.ops.plugins.module_utils._tls import Credentials

MIB = 1 << 20
NEEDS = Needs(database_bytes=100 * MIB, entries=100, jobs=2)


def test_it_gives_way_to_others_where_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: f"/bin/{program}" if program == "nice" else None)
    assert scratch._gently(7) == ["/bin/nice", "-n", "7"]
    assert scratch._gently(0) == []


@pytest.mark.parametrize(
    ("mebibytes", "jobs", "shared", "maintenance"),
    [(200, 2, "25MB", "25MB"), (4096, 2, "128MB", "512MB"), (100_000, 1, "128MB", "1024MB"), (200, 16, "25MB", "16MB")],
)
def test_memory_is_shared_out(mebibytes: int, jobs: int, shared: str, maintenance: str) -> None:
    made = scratch.settings(Path("/tmp"), Needs(0, 0, jobs), mebibytes * MIB)
    assert (made["shared_buffers"], made["maintenance_work_mem"]) == (shared, maintenance)


def test_every_index_may_have_all_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 1, 5})
    assert scratch.settings(Path("/tmp"), NEEDS, 1024 * MIB)["max_parallel_maintenance_workers"] == "2"


def test_the_server_is_alone_and_locks_all_tables_at_once() -> None:
    made = scratch.settings(Path("/tmp/own"), Needs(0, 10_000, 2), 1024 * MIB)
    assert (made["listen_addresses"], made["unix_socket_directories"], made["unix_socket_permissions"]) == ("", "/tmp/own", "0700")
    assert (made["archive_mode"], made["max_wal_senders"], made["max_logical_replication_workers"]) == ("off", "0", "0")
    assert {made[f"{kind}_preload_libraries"] for kind in ("shared", "session", "local")} == {""}
    assert int(made["max_locks_per_transaction"]) * int(made["max_connections"]) > 20_000


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
