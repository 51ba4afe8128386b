# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on a living stack: the story of the demo step by step, their schedules, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.elsewhere import BUCKET, COPIES, FURTHER, Elsewhere
from tests.e2e.runs import Run
from tests.e2e.support import STACK, Lab, text_of
from tools.story import Story

SCHEDULES = {"postgres-backup": "17,47 * * * *", "system-maintenance": "0 2 * * *", "backup-verification": "0 4 * * *"}
BACKUPS = "/var/lib/endpoint-stats/backups/postgresql"
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

    @property
    def told(self) -> dict[str, Any]:
        """What each operation handed on last."""
        return {name: told for run in self.runs for name, told in run.document.get("global_custom_stats", {}).items()}

    def kubectl(self) -> Path:
        return self._lab.programs / "kubectl"

    def url(self) -> str:
        return self._lab.url


@pytest.fixture(scope="module")
def stage(stack_lab: Lab, elsewhere: Elsewhere) -> Iterator[Stage]:
    """Between the steps of the story nothing happens because it is a quarter past."""
    elsewhere.await_arrival(stack_lab)
    schedules = stack_lab.stack("get", "cronjobs", "--output=name").split()
    for suspended in (True, False):
        for schedule in schedules:
            stack_lab.stack("patch", schedule, f'--patch={{"spec": {{"suspend": {json.dumps(suspended)}}}}}')
        if suspended:
            yield Stage(stack_lab)


class StoryWithoutClaim(Story):
    """Not only rows are lost, but every backup with them: what was copied elsewhere is all there is."""

    def claim(self) -> int:
        status = self._kubectl("exec", "ops-runner-0", "--", "rm", "--recursive", BACKUPS, f"{BACKUPS}-{FURTHER}")
        return status or self.stage.playbooks("fetch_backup")


@pytest.fixture(scope="module")
def story(stage: Stage) -> Story:
    return StoryWithoutClaim(stage, "operations")


@pytest.mark.parametrize("step", ["rows", "backup", "loss", "claim", "verification", "restore", "undo", "redo", "maintenance"])
def test_data_is_lost_and_comes_back(story: Story, step: str) -> None:
    """Each step goes on where the one before has ended."""
    assert getattr(story, step)() == 0, story.notes
    print(story.notes)


def test_the_backup_that_came_back_from_elsewhere_is_the_one_that_was_proven_and_restored(stage: Stage, story: Story) -> None:
    assert story.notes
    told = stage.told
    backup = told["backup"]["backup"]
    assert {told[name]["backup"] for name in ("backup_offsite", "backup_fetch", "backup_verification", "restore")} == {backup}
    assert (told["backup_verification"]["verdict"], told["backup_verification"]["level"]) == ("succeeded", "full")


def test_what_lies_elsewhere_is_signed_and_shows_no_role(stage: Stage, story: Story, elsewhere: Elsewhere) -> None:
    assert story.notes
    copy = elsewhere.copies / stage.told["backup"]["backup"]
    assert json.loads((copy / "manifest.json").read_text())["signature"]
    assert (copy / "globals.sql.age").read_bytes().startswith(b"age-encryption.org/v1")
    assert not (copy / "globals.sql").exists()


def test_no_key_is_in_what_runs_print_or_report(stage: Stage, story: Story, elsewhere: Elsewhere) -> None:
    assert story.notes
    everything = "\n".join([*(run.output for run in stage.runs), text_of(stage.lab / "reports")])
    assert stage.told["backup"]["backup"] in everything
    assert [needle for needle in elsewhere.needles if needle in everything] == []


def test_another_database_of_the_server_comes_back_as_well(stack_lab: Lab, stage: Stage, story: Story, elsewhere: Elsewhere) -> None:
    """It was copied, fetched and proven with the stack's own."""
    assert story.notes
    for operation, step in {
        "backup_offsite": "Copy off-site",
        "backup_fetch": "Fetch from off-site",
        "backup_verification": "Verify",
    }.items():
        assert stage.told[operation]["states"] == {f"{step} endpoint_stats": "succeeded", f"{step} {FURTHER}": "succeeded"}
    assert list((elsewhere.service.buckets / BUCKET / f"{COPIES}-{FURTHER}").glob("2*/manifest.json"))
    stack_lab.sql("DELETE FROM events WHERE number > 2", FURTHER)
    given = {"confirm": f"test/{STACK}/{FURTHER}", "disaster_recovery_database": FURTHER}
    assert stage.playbooks("restore", variables=given) == 0
    assert stack_lab.sql("SELECT count(*) FROM events", FURTHER) == "9"


def test_the_way_out_leads_there_and_nowhere_else(stack_lab: Lab, elsewhere: Elsewhere) -> None:
    spec = stack_lab.get("--namespace", STACK, "networkpolicy/offsite-clients")["spec"]
    peer = {"to": [{"ipBlock": {"cidr": elsewhere.endpoint["cidr"]}}], "ports": [{"port": elsewhere.endpoint["port"], "protocol": "TCP"}]}
    assert (spec["policyTypes"], spec["egress"]) == (["Egress"], [peer])
    assert spec["podSelector"] == {"matchLabels": {"endpoint-stats/offsite-client": "true"}}


def test_maintenance_dropped_what_was_left_over(stack_lab: Lab, story: Story) -> None:
    assert "maintenance under load" in story.notes
    assert stack_lab.sql("SELECT to_regclass('temp_stats') IS NULL") == "t"


def test_each_run_has_a_report_that_says_how_it_went(stack_lab: Lab, story: Story) -> None:
    assert story.notes
    for operation in ("backup", "backup_verification", "restore", "restore_undo", "maintenance"):
        newest = max((stack_lab.paths.reports / operation).glob("*.json"))
        assert json.loads(newest.read_text())["verdict"] == "succeeded", operation
        assert "<html" in newest.with_suffix(".html").read_text()


@pytest.mark.parametrize(
    ("playbook", "confirm"),
    [("restore", None), ("restore", f"test/{STACK}/another"), ("restore_undo", f"other/{STACK}/endpoint_stats")],
    ids=["none", "another database", "another cluster"],
)
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


@pytest.fixture(scope="module")
def verifying(stack_lab: Lab, story: Story) -> str:
    """The name of a schedule whose Job runs beside those of the others: it asks no server."""
    assert story.notes
    stack_lab.start_job("backup-verification")
    return "backup-verification"


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_job_of_each_schedule_does_its_work(stack_lab: Lab, elsewhere: Elsewhere, verifying: str, name: str) -> None:
    spec = stack_lab.get("--namespace", STACK, f"cronjob/{name}")["spec"]
    assert (spec["schedule"], spec["timeZone"], spec["concurrencyPolicy"]) == (SCHEDULES[name], "Etc/UTC", "Forbid")
    log = stack_lab.await_job(name, seconds=300) if name == verifying else stack_lab.job(name, seconds=300)
    said = json.loads(log.splitlines()[-1])
    assert said["result"] == "ok", log[-3000:]
    if name == "postgres-backup":
        assert said["backup_offsite"]["backup"] == said["backup"]["backup"]
        assert said["backup"]["states"].keys() == {"Back up endpoint_stats", f"Back up {FURTHER}"}
        assert (elsewhere.copies / said["backup"]["backup"] / "manifest.json").exists()
    assert [needle for needle in elsewhere.needles if needle in log] == []
