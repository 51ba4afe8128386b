# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A schedule that backups cannot keep is not made: the role asks the backups there are before it changes anything."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.opening import opened

from tests.unit.plugins.module_utils._postgres import backups

_IMAGE = f"images.example.net/ops-runner@sha256:{1:064x}"
_APPLY = "Apply the schedules with their accounts"
# There is no kubeconfig where it is said to be.
_ASKED = "Could not find or access"


def output(directory: Path, **variables: Any) -> str:
    """What the role says where no cluster answers."""
    data = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, **variables.pop("data", {})}
    known: dict[str, Any] = {"endpoint_stats_cluster": "example", "backups_image": _IMAGE, "backups_directory": str(directory / "backups")}
    known |= {"backups_postgresql": {"database": "shop"}, "backups_kubeconfig": str(directory / "absent"), **variables}
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.include_role": {"name": "endpoint_stats.ops.backups"}}],
    }
    hosts = {"localhost": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}
    inventory = {"all": {"hosts": hosts, "children": {"ops": {"hosts": {"data": data}}}}}
    for name, document in (("play.yml", [play]), ("inventory.yml", inventory)):
        (directory / name).write_text(json.dumps(document))
    argv = ["ansible-playbook", f"--inventory={directory}/inventory.yml", f"--extra-vars={json.dumps(known)}", str(directory / "play.yml")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0
    return " ".join(done.stdout.split())


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """Backups that have taken half an hour and a little more."""
    opened(str(tmp_path / "backups"), "shop", create=True)
    for number, seconds in enumerate((1790, 1801, 1900)):
        made = backups.manifest(id=f"2026112{number}T000000Z", seconds={"dump": float(seconds - 1), "checksums": 1.0})
        (tmp_path / "backups" / made.id).mkdir()
        (tmp_path / "backups" / made.id / "manifest.json").write_text(made.render())
    return tmp_path


def test_a_schedule_that_is_too_short_is_refused_with_the_numbers(slow: Path) -> None:
    said = output(slow)
    assert "Nothing was changed; a schedule that is there goes on. The newest backups have taken 1801.0 seconds (of shop)" in said
    assert (
        "by backups_schedule (17,47 * * * *) the next one is due after 1800; backups_schedule_deadline_seconds ends one after 1700" in said
    )
    assert _APPLY not in said


def test_all_databases_of_a_run_have_to_end_in_time(slow: Path) -> None:
    long = {"backups_schedule": "17 * * * *", "backups_schedule_deadline_seconds": 3600, "backups_databases": [{"database": "audit"}]}
    assert _APPLY in output(slow, **long)
    opened(str(slow / "backups-audit"), "audit", create=True)
    made = backups.manifest(seconds={"dump": 1800.5})
    (slow / "backups-audit" / made.id).mkdir()
    (slow / "backups-audit" / made.id / "manifest.json").write_text(made.render())
    assert "The newest backups have taken 3601.5 seconds (of shop, audit)" in output(slow, **long)


def test_runs_that_would_be_ended_too_soon_are_refused(slow: Path) -> None:
    said = output(slow, backups_schedule="17 * * * *", backups_schedule_deadline_seconds=1800)
    assert "the next one is due after 3600; backups_schedule_deadline_seconds ends one after 1800" in said


@pytest.mark.parametrize(
    "changes", [{"backups_schedule": "17 * * * *", "backups_schedule_deadline_seconds": 1802}, {"backups_schedule_suspended": True}]
)
def test_one_that_can_be_kept_or_rests_is_made(slow: Path, changes: dict[str, Any]) -> None:
    said = output(slow, **changes)
    assert _ASKED in said
    assert "The newest backups have taken" not in said


def test_the_shortest_of_its_intervals_counts(slow: Path) -> None:
    """Ten minutes and then an hour and fifty, every two hours."""
    said = output(slow, backups_schedule="0,10 */2 * * *", backups_schedule_deadline_seconds=1802)
    assert "(1802) may not be more than the 600 seconds from one to the next by backups_schedule (0,10 */2 * * *)" in said
    assert "Look how long backups have taken" not in said


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"backups_interval_seconds": 900}, "backups_interval_seconds is 900, and by backups_schedule (17,47 * * * *) it is 1800 seconds"),
        ({"backups_schedule": "17,47 * * * 7"}, "This is no schedule for a CronJob. Where: 17,47 * * * 7."),
        ({"backups_verify_schedule": "0 25 * * *"}, "This is no schedule for a CronJob. Where: 0 25 * * *."),
    ],
)
def test_a_schedule_that_kubernetes_would_not_take_or_another_interval_is_refused(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    said = output(tmp_path, **changes)
    assert words in said
    assert _ASKED not in said


@pytest.mark.parametrize("data", [{}, {"ansible_connection": "ssh", "ansible_host": "192.0.2.1", "ansible_ssh_timeout": 1}])
def test_where_nothing_was_measured_nothing_is_refused(tmp_path: Path, data: dict[str, Any]) -> None:
    """There is no backup, or no host beside the data yet."""
    assert _APPLY in output(tmp_path, data=data)
