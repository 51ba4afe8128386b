# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and directories appear complete or not at all; locks are held by the living."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import pytest

from lab import mutex, paths


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own."""
    monkeypatch.setenv("ENDPOINT_STATS_OPS_CACHE", str(tmp_path))
    return tmp_path


def test_an_interrupted_build_is_not_published(tmp_path: Path) -> None:
    """What was half made does not get its name, and the next try begins afresh."""
    target = tmp_path / "built"

    def interrupted() -> None:
        with paths.published(target) as part:
            (part / "stale").write_text("")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not target.exists()
    with paths.published(target) as part:
        (part / "program").write_text("")
    assert [path.name for path in target.iterdir()] == ["program"]


def test_secrets_are_the_owners_alone() -> None:
    """Keys and secrets are not readable by others."""
    lab = paths.LabPaths.of("demo")
    lab.make()
    assert {directory.stat().st_mode & 0o777 for directory in (lab.ssh, lab.secrets)} == {0o700}


def _hold(seconds: float, ready: multiprocessing.synchronize.Event) -> None:
    with mutex.held("lab-demo") as path:
        ready.set()
        time.sleep(seconds)
        path.unlink()


def test_a_second_run_waits_and_then_holds_the_current_lock(capsys: pytest.CaptureFixture[str]) -> None:
    """The first holder removes the lock file as `down` does: the second must not be left with a dead one."""
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    other = context.Process(target=_hold, args=(1.0, ready))
    other.start()
    assert ready.wait(10)
    started = time.monotonic()
    with mutex.held("lab-demo") as path:
        assert time.monotonic() - started > 0.5
        assert path.exists()
    other.join()
    assert f"process {other.pid} works on it" in capsys.readouterr().out
