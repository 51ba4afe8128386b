# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on a living stack: the story of the demo step by step, their schedules, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.runs import Run
from tests.e2e.support import STACK, Lab
from tools.story import Story

SCHEDULES = {"postgres-backup": "17,47 * * * *", "backup-verification": "0 4 * * *", "system-maintenance": "0 2 * * *"}
CONSENT = f"test/{STACK}/endpoint_stats"
DATABASES = "SELECT string_agg(datname || ' ' || oid, ', ' ORDER BY datname) FROM pg_database"


class Stage:
    """The lab as the story needs it; what its playbooks report is kept."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.name = lab.name
        self.lab = lab.paths.root
        self.runs: list[Run] = []

    def playbooks(self, *names: str, variables: Mapping[str, Any] | None = None) -> int:
        for name in names:
            self.runs.append(self._lab.play(name, variables=variables))
            if self.runs[-1].status:
                print(self.runs[-1].refusal or self.runs[-1].output[-3000:])
        return self.runs[-1].status

    def kubectl(self) -> Path:
        return self._lab.programs / "kubectl"

    def url(self) -> str:
        return self._lab.url


@pytest.fixture(scope="module")
def stage(stack_lab: Lab) -> Iterator[Stage]:
    """Between the steps of the story nothing happens because it is a quarter past."""
    schedules = stack_lab.stack("get", "cronjobs", "--output=name").split()
    for suspended in (True, False):
        for schedule in schedules:
            stack_lab.stack("patch", schedule, f'--patch={{"spec": {{"suspend": {json.dumps(suspended)}}}}}')
        if suspended:
            yield Stage(stack_lab)


@pytest.fixture(scope="module")
def story(stage: Stage) -> Story:
    return Story(stage, "operations")


@pytest.mark.parametrize("step", ["rows", "backup", "verification", "loss", "restore", "undo", "redo", "maintenance"])
def test_data_is_lost_and_comes_back(story: Story, step: str) -> None:
    """Each step goes on where the one before has ended."""
    assert getattr(story, step)() == 0, story.notes
    print(story.notes)


def test_maintenance_dropped_what_was_left_over(stack_lab: Lab, story: Story) -> None:
    assert "maintenance under load" in story.notes
    assert stack_lab.sql("SELECT to_regclass('temp_stats') IS NULL") == "t"


def test_each_run_has_a_report_that_says_how_it_went(stack_lab: Lab, story: Story) -> None:
    assert story.notes
    for operation in ("backup", "backup_verification", "restore", "restore_undo", "maintenance"):
        newest = max((stack_lab.paths.reports / operation).glob("*.json"))
        assert json.loads(newest.read_text())["verdict"] == "succeeded", operation
        assert "<html" in newest.with_suffix(".html").read_text()


@pytest.mark.parametrize("confirm", [None, f"test/{STACK}/another", f"other/{STACK}/endpoint_stats"])
@pytest.mark.parametrize("playbook", ["restore", "restore_undo"])
def test_without_consent_nothing_is_touched(stack_lab: Lab, playbook: str, confirm: str | None) -> None:
    before = stack_lab.sql(DATABASES)
    run = stack_lab.play(playbook, variables={"confirm": confirm} if confirm else None)
    assert run.status != 0
    assert f"Consent with confirm={CONSENT}" in run.refusal
    assert stack_lab.sql(DATABASES) == before


def test_a_dry_run_of_a_restore_changes_nothing(stack_lab: Lab, story: Story) -> None:
    assert story.notes
    before = stack_lab.sql(DATABASES)
    run = stack_lab.play("restore", check=True, variables={"confirm": CONSENT}).expect()
    assert "endpoint_stats__before_" in run.output
    assert stack_lab.sql(DATABASES) == before


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_job_of_each_schedule_does_its_work(stack_lab: Lab, name: str) -> None:
    spec = stack_lab.get("--namespace", STACK, f"cronjob/{name}")["spec"]
    assert (spec["schedule"], spec["timeZone"], spec["concurrencyPolicy"]) == (SCHEDULES[name], "Etc/UTC", "Forbid")
    log = stack_lab.job(name, seconds=300)
    assert json.loads(log.splitlines()[-1])["result"] == "ok", log[-3000:]
