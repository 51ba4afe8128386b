# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml


def last_line(tmp_path: Path, tasks: list[dict[str, Any]], *arguments: str) -> dict[str, Any]:
    """The end of what a playbook prints."""
    playbook = tmp_path / "playbook.yml"
    playbook.write_text(yaml.safe_dump([{"name": "Try", "hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    environment = {**os.environ, "ANSIBLE_CALLBACKS_ENABLED": "endpoint_stats.ops.result_line", "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(
        ["ansible-playbook", "--inventory=localhost,", "--connection=local", *arguments, str(playbook)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    line: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert (line["result"] == "ok") is (done.returncode == 0)
    return line


STATS = {"name": "Hand on", "ansible.builtin.set_stats": {"data": {"health_report": {"verdict": "healthy"}}}}
FAIL = {"name": "Give up", "ansible.builtin.fail": {"msg": "two\nlines"}}
SECRET = {"name": "Keep it", "ansible.builtin.fail": {"msg": "hunter2"}, "no_log": True}
RESCUED = {"name": "Try it", "block": [FAIL], "rescue": [{"name": "Go on", "ansible.builtin.debug": {"msg": "so what"}}]}


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        ([STATS], {"result": "ok", "health_report": {"verdict": "healthy"}}),
        ([RESCUED, STATS], {"result": "ok", "health_report": {"verdict": "healthy"}}),
        (
            [STATS, FAIL],
            {
                "result": "failed",
                "health_report": {"verdict": "healthy"},
                "failure": {"play": "Try", "task": "Give up", "host": "localhost", "message": "two\nlines"},
            },
        ),
    ],
)
def test_the_last_line_says_how_the_run_ended(tmp_path: Path, tasks: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    assert last_line(tmp_path, tasks) == expected


def test_what_a_task_keeps_to_itself_is_not_said(tmp_path: Path) -> None:
    line = last_line(tmp_path, [SECRET])
    assert line["failure"]["task"] == "Keep it"
    assert "hunter2" not in json.dumps(line)
