# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of long modules as Ansible runs it: a module that takes its time, over a connection that writes down what it carries."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.app.servers import wait_until

SECRET = "Planted-Hw7kQ2mZx9"
ACTION = """
from ansible_collections.endpoint_stats.ops.plugins.plugin_utils.long_module import LongModule

class ActionModule(LongModule):
    pass
"""
MODULE = """#!/usr/bin/python
import json, os, time, pathlib
from ansible.module_utils.basic import AnsibleModule

options = {"seconds": {"type": "float"}, "password": {"no_log": True}, "progress_path": {"type": "path", "default": ""}}
module = AnsibleModule(options, supports_check_mode=True)
begun = time.monotonic()
while (done := time.monotonic() - begun) < module.params["seconds"]:
    said = {"phase": "wait", "done": int(done), "total": 100, "unit": "turns", "eta_seconds": None}
    fresh = pathlib.Path(module.params["progress_path"] + ".new")
    fresh.write_text(json.dumps({**said, "pid": os.getpid()}))
    fresh.rename(module.params["progress_path"])
    time.sleep(0.1)
module.exit_json(changed=True, checked=module.check_mode, said="the password is " + module.params["password"])
"""
# Writes down every command, breaks those whose number it is told, and says as kubectl does that it could not.
CONNECTION = """
DOCUMENTATION = '''
name: watched
short_description: local, watched
description: local, watched
options: {}
extends_documentation_fragment: [connection_pipelining]
'''
import json, os, pathlib
from ansible.plugins.connection.local import Connection as Local

class Connection(Local):
    transport = "watched"

    def exec_command(self, cmd, in_data=None, sudoable=True):
        log = pathlib.Path(os.environ["WATCHED_LOG"])
        number = len(log.read_text().splitlines()) if log.exists() else 0
        with log.open("a") as stream:
            stream.write(json.dumps(cmd if isinstance(cmd, str) else cmd.decode()) + "\\n")
        if str(number) in os.environ["WATCHED_BROKEN"].split(","):
            return 1, b"", b"error: unable to upgrade connection: timeout"
        return super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
"""


@dataclass(frozen=True)
class Play:
    """One play with one task of the module."""

    directory: Path

    @property
    def log(self) -> Path:
        return self.directory / "commands"

    @property
    def jobs(self) -> list[Path]:
        return sorted((self.directory / "remote").glob("endpoint-stats-job-*"))

    def command(self, *arguments: str, seconds: float, **keywords: Any) -> list[str]:
        task = {"name": "Wait", "slow": {"seconds": seconds, "password": SECRET}, "register": "waited", **keywords}
        tasks = [task, {"name": "Show", "ansible.builtin.debug": {"var": "waited"}}]
        (self.directory / "play.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
        return ["ansible-playbook", "--inventory=inventory", "play.yml", *arguments]

    def environment(self, broken: str = "") -> dict[str, str]:
        return {**os.environ, "WATCHED_LOG": str(self.log), "WATCHED_BROKEN": broken, "ANSIBLE_PIPELINING": "0"}

    def run(self, *arguments: str, seconds: float, broken: str = "", **keywords: Any) -> str:
        """What Ansible prints, and what it carried."""
        command = self.command(*arguments, seconds=seconds, **keywords)
        done = subprocess.run(
            command, cwd=self.directory, env=self.environment(broken), capture_output=True, text=True, timeout=120, check=False
        )
        output = done.stdout + done.stderr
        assert SECRET not in output
        assert SECRET not in self.log.read_text()
        assert self.jobs == []
        return output

    @property
    def commands(self) -> list[str]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    for name, text in {
        "action_plugins/slow.py": ACTION,
        "library/slow.py": MODULE,
        "connection_plugins/watched.py": CONNECTION,
        "ansible.cfg": f"[defaults]\nconnection_plugins = {tmp_path}/connection_plugins\n",
        "inventory": f"data ansible_connection=watched ansible_python_interpreter={sys.executable} ansible_remote_tmp={tmp_path}/remote\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    made = Play(tmp_path)
    yield made
    for job in made.jobs:
        os.kill(int((job / "alive").read_text()), signal.SIGTERM)


def test_a_short_task_is_two_commands_and_prints_nothing(play: Play) -> None:
    output = play.run(seconds=0.2)
    assert "failed=0" in output
    assert "slow: wait" not in output
    assert len(play.commands) == 2


def test_a_long_task_says_how_far_it_is_over_a_connection_that_breaks_once(play: Play) -> None:
    output = play.run(seconds=17, broken="1")
    assert "failed=0" in output
    assert re.search(r"slow: wait (9|10) of 100 turns\nslow: wait 1[45] of 100 turns\nchanged: \[data\]", output)
    # Ten seconds, two times five, the one that broke, and the end of it.
    assert len(play.commands) == 5


def test_it_runs_in_check_mode(play: Play) -> None:
    assert '"checked": true' in play.run("--check", seconds=0)


def test_a_task_without_log_says_nothing(play: Play) -> None:
    output = play.run(seconds=11, no_log=True)
    assert "failed=0" in output
    assert "slow: wait" not in output


def test_async_is_refused_with_the_way_to_go(play: Play) -> None:
    play.log.touch()
    keywords: dict[str, Any] = {"async": 60, "poll": 5}
    output = play.run(seconds=0, **keywords)
    assert "Take async and poll away; timeout bounds how long it may take." in output
    assert play.commands == []


def test_the_timeout_of_a_task_ends_the_work_on_its_host(play: Play) -> None:
    output = play.run(seconds=600, timeout=2)
    assert "Timed out after 2 second" in output


def test_a_killed_module_is_a_clear_error(play: Play) -> None:
    command = play.command(seconds=600)
    with subprocess.Popen(command, cwd=play.directory, env=play.environment(), stdout=subprocess.PIPE, text=True) as running:
        progress = wait_until(lambda: [job / "progress" for job in play.jobs if (job / "progress").exists()], "progress")[0]
        os.kill(json.loads(progress.read_text())["pid"], signal.SIGKILL)
        assert running.stdout is not None
        output = running.stdout.read()
    assert "slow was ended by SIGKILL in the phase wait. Where: data." in output
    assert play.jobs == []


def test_two_hosts_are_followed_at_the_same_time(play: Play) -> None:
    inventory = (play.directory / "inventory").read_text()
    (play.directory / "inventory").write_text(inventory + inventory.replace("data ", "other "))
    output = play.run(seconds=3)
    assert output.count("failed=0") == 2
