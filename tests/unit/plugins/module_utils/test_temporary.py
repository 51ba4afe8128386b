# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from ansible_collections.endpoint_stats.ops.plugins.module_utils._files import Wanted, write
from ansible_collections.endpoint_stats.ops.plugins.module_utils._lock import in_use
from ansible_collections.endpoint_stats.ops.plugins.module_utils._temporary import memory, private_directory


def test_a_directory_goes_with_its_run_and_takes_those_of_killed_runs_along(tmp_path: Path) -> None:
    for name in ("run-killed", "run-alive", "other"):
        (tmp_path / name / "below").mkdir(parents=True)
    with in_use(tmp_path / "run-alive"):
        with private_directory("run-", tmp_path) as made:
            (made / "file").write_text("x")
            assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["other", "run-alive", made.name])
        assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "run-alive"]


def test_a_file_that_a_killed_run_was_to_put_there_is_gone_when_the_next_one_is(tmp_path: Path) -> None:
    for name in (".x.prom.killed00", ".x.prom.alive000", ".x.prom.short", ".y.prom.killed00"):
        (tmp_path / name).write_text("half")
    descriptor = os.open(tmp_path / ".x.prom.alive000", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    write(Wanted(tmp_path / "x.prom", 0o644, b"whole\n"))
    os.close(descriptor)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [".x.prom.alive000", ".x.prom.short", ".y.prom.killed00", "x.prom"]
    assert (tmp_path / "x.prom").read_bytes() == b"whole\n"


def test_a_file_in_memory_is_reached_by_its_path() -> None:
    with memory(b"first\n") as held:
        with Path(held.path).open("ab") as stream:
            stream.write(b"second\n")
        assert held.content() == b"first\nsecond\n"
