# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules as Ansible runs them on a host, without the second that starting Ansible takes; the client libraries are the application's."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ansible

from tests.integration.app import servers
from tools.app import python


@contextlib.contextmanager
def running(module: str, options: dict[str, Any], *, check: bool = False, code: str = "") -> Iterator[subprocess.Popen[str]]:
    """A module at work, ended when the context is left; C(code) runs in its place, as of C(gate.Gate)."""
    arguments = {"ANSIBLE_MODULE_ARGS": {**options, "_ansible_check_mode": check}}
    path = os.pathsep.join([str(Path(ansible.__file__).parent.parent), os.environ["ANSIBLE_COLLECTIONS_PATH"]])
    program = ["-c", code] if code else ["-m", f"ansible_collections.endpoint_stats.ops.plugins.modules.{module}"]
    with subprocess.Popen(
        [str(python()), *program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(arguments))
        process.stdin.close()
        process.stdin = None
        try:
            yield process
        finally:
            process.kill()


def result(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What the module answers, which never holds the password."""
    output = process.communicate(timeout=60)[0]
    assert servers.PLANTED not in output
    lines = [line for line in output.splitlines() if line.startswith("{")]
    assert lines, output
    answer: dict[str, Any] = json.loads(lines[-1])
    assert bool(answer.get("failed")) is (process.returncode != 0)
    return answer


def run(module: str, options: dict[str, Any], *, check: bool = False) -> dict[str, Any]:
    """The answer of a module that is not disturbed."""
    with running(module, options, check=check) as process:
        return result(process)


def by_ansible(module: str, options: dict[str, Any], *arguments: str) -> dict[str, Any]:
    """The answer as Ansible gives it, at the highest verbosity people use, and whether it takes the task for skipped."""
    argv = ["ansible", "localhost", "-vvv", "--one-line", "-e", f"ansible_python_interpreter={python()}", *arguments]
    command = [*argv, "-m", f"endpoint_stats.ops.{module}", "-a", json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert servers.PLANTED not in done.stdout + done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("localhost | "))
    assert "SKIPPED" not in line
    answer: dict[str, Any] = json.loads(line[line.index("{") :])
    return answer


def identities(answer: dict[str, Any]) -> list[str]:
    return [finding["id"] for finding in answer["findings"]]
