# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._lock import LockedError, claimed, held, in_use, refuse_held

COLLECTION = "ansible_collections.endpoint_stats.ops.plugins.module_utils"
PROGRAM = f"""
import os, sys
from pathlib import Path
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader(os.environ["ANSIBLE_COLLECTIONS_PATH"].split(":"))
from {COLLECTION} import _lock
kind, path = sys.argv[1:]
with _lock.held(Path(path), operation="the other") if kind == "held" else _lock.in_use(Path(path)):
    print("has it", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def other(kind: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has it until it is told to end or is killed."""
    argv = [sys.executable, "-c", PROGRAM, kind, str(path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "has it\n"
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()


def test_a_second_process_is_told_who_has_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with other("held", path) as process:
        with pytest.raises(LockedError) as caught, held(path, operation="backup"):
            pytest.fail("two have it")
        assert re.search(rf"backup did not begin.*the other on .*, process {process.pid}, since 20\d\d-.*Z", str(caught.value))
        with pytest.raises(LockedError):
            refuse_held(path, operation="backup")
    with held(path, operation="backup"):
        assert json.loads(path.read_text())["pid"] == os.getpid()
    assert path.read_text() == ""


def test_who_is_killed_leaves_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with other("held", path) as process:
        process.kill()
        process.wait()
        with held(path, operation="backup"):
            assert json.loads(path.read_text())["operation"] == "backup"


def test_it_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with other("held", path) as process:
        assert process.stdin is not None
        process.stdin.write("end")
        process.stdin.close()
        with held(path, operation="backup", wait_seconds=30):
            assert process.wait(10) == 0


def test_waiting_ends(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with other("held", path), pytest.raises(LockedError, match="lock_wait_seconds"), held(path, operation="backup", wait_seconds=0.3):
        pytest.fail("two have it")


def test_an_error_in_the_work_gives_it_back(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with pytest.raises(RuntimeError), held(path, operation="backup"):
        raise RuntimeError
    with held(path, operation="again"):
        assert json.loads(path.read_text())["operation"] == "again"


def test_asking_leaves_no_trace(tmp_path: Path) -> None:
    refuse_held(tmp_path / "lock", operation="backup")
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(OpsError, match=r"could not be opened.*gone/lock.*No such file"),
        held(tmp_path / "gone" / "lock", operation="backup"),
    ):
        pytest.fail("it has it")


def test_what_is_read_is_not_claimed(tmp_path: Path) -> None:
    with other("in_use", tmp_path), in_use(tmp_path), claimed(tmp_path) as free:
        assert not free
    with claimed(tmp_path) as free:
        assert free
