# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules as Ansible runs them on a host, without the second that starting Ansible takes; the client libraries are the application's."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ansible

from tests.integration.app import servers
from tools.app import python
from tools.venv import cache_directory

_SECONDS = 120
# Since ansible-core 2.22 a module tells its controller what to mask; the controller takes that away before anybody sees it.
_FOR_THE_CONTROLLER = re.compile(r', "_ansible_new_secrets": \[.*\](?=\}$)', re.M)


@dataclass(frozen=True)
class Outcome:
    """How a module ended; C(output) is all it printed."""

    status: int
    result: dict[str, Any]
    output: str

    @property
    def failed(self) -> bool:
        return bool(self.result.get("failed"))

    @property
    def message(self) -> str:
        return str(self.result.get("msg", ""))

    def findings(self) -> list[str]:
        return identities(self.result)


@dataclass
class Running:
    """A module at work."""

    process: subprocess.Popen[str]

    def is_over(self) -> bool:
        return self.process.poll() is not None

    def kill(self) -> None:
        """As the kernel does when memory runs out: it can clean up nothing. Who has ended already is left alone."""
        if not self.is_over():
            self.process.send_signal(signal.SIGKILL)
            self.process.communicate(timeout=_SECONDS)

    def outcome(self) -> Outcome:
        """Wait for its end. Nothing of what it prints holds the password."""
        stdout, stderr = self.process.communicate(timeout=_SECONDS)
        output = _FOR_THE_CONTROLLER.sub("", stdout + stderr)
        assert servers.PLANTED not in output
        lines = [line for line in output.splitlines() if line.startswith("{")]
        assert len(lines) == 1, output
        found = Outcome(self.process.returncode, json.loads(lines[0]), output)
        assert found.failed is (found.status != 0), output
        # Shown by a test that has expected something else.
        print(found.message)
        return found


def start(
    module: str,
    options: Mapping[str, Any],
    *,
    check: bool = False,
    code: str = "",
    account: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Running:
    """Begin a module in a process of its own; C(code) runs in its place, as of C(gate.Gate), and C(account) starts it as another user."""
    arguments = {"ANSIBLE_MODULE_ARGS": {**options, "_ansible_check_mode": check, "_ansible_diff": True}}
    known = {
        "PATH": os.pathsep.join([str(servers.BINARIES), "/usr/bin", "/bin"]),
        "PYTHONPATH": os.pathsep.join([str(Path(ansible.__file__).parent.parent), os.environ["ANSIBLE_COLLECTIONS_PATH"]]),
        # What a hundred modules import is compiled once.
        "PYTHONPYCACHEPREFIX": str(cache_directory() / "bytecode"),
        "LC_ALL": "C.UTF-8",
    }
    program = ["-c", code] if code else ["-m", f"ansible_collections.endpoint_stats.ops.plugins.modules.{module}"]
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    process = subprocess.Popen([*account, str(python()), *program], env={**known, **(environment or {})}, cwd="/", text=True, **pipes)
    assert process.stdin is not None
    process.stdin.write(json.dumps(arguments))
    process.stdin.close()
    process.stdin = None
    return Running(process)


def run(module: str, options: Mapping[str, Any], *, check: bool = False) -> dict[str, Any]:
    """The answer of a module that is not disturbed."""
    return start(module, options, check=check).outcome().result


def by_ansible(module: str, options: Mapping[str, Any], *arguments: str) -> dict[str, Any]:
    """The answer as Ansible gives it, at the highest verbosity people use; it does not take the task for skipped."""
    argv = ["ansible", "localhost", "-vvv", "--one-line", "-e", f"ansible_python_interpreter={python()}", *arguments]
    command = [*argv, "-m", f"endpoint_stats.ops.{module}", "-a", json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert servers.PLANTED not in done.stdout + done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("localhost | "))
    assert "SKIPPED" not in line
    answer: dict[str, Any] = json.loads(line[line.index("{") :])
    return answer


def identities(answer: Mapping[str, Any]) -> list[str]:
    return [finding["id"] for finding in answer["findings"]]
