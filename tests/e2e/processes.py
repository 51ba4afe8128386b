# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that are looked at, or ended, while they last."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab.paths import CHECKOUT
from tests.e2e.support import Lab, wait_until

_SAMPLE_SECONDS = 0.1


@dataclass(frozen=True)
class Watched:
    """A run as its user sees it, and the command lines of this host and of all its machines meanwhile."""

    status: int
    seconds: float
    output: str
    processes: str


def command_lines() -> set[str]:
    """What every process was started with; machines are containers of this host."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.add(path.read_text(errors="replace").replace("\0", " "))
    return found


def watch(lab: Lab, playbook: str, *arguments: str) -> Watched:
    """Run a playbook and look at all processes until it ends."""
    ended = threading.Event()
    seen: set[str] = set()

    def sample() -> None:
        while not ended.wait(_SAMPLE_SECONDS):
            seen.update(command_lines())

    watcher = threading.Thread(target=sample)
    watcher.start()
    begun = time.monotonic()
    try:
        command = lab.playbook(playbook, arguments)
        environment = {**os.environ, **lab.environment}
        done = subprocess.run(
            command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    finally:
        ended.set()
        watcher.join()
    return Watched(done.returncode, time.monotonic() - begun, done.stdout, "\n".join(sorted(seen)))


def kill_during(lab: Lab, command: str, machine: str, *, after: str = "true") -> None:
    """Start the playbook, wait until a command runs on a machine, and end both with SIGKILL."""
    question = f"pgrep --full '^{command}' && {after} || true"
    run = subprocess.Popen(
        lab.playbook("kubernetes_cluster"), cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        wait_until(lambda: lab.root(machine, question) or run.poll() is not None, seconds=300, what=command)
        assert run.poll() is None, f"the run ended before {command} was seen"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    # It may have ended by itself since, or with its connection.
    lab.root(machine, f"kill -KILL $(pgrep --full '^{command}') || true")
