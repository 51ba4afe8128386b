# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What records say of backups that have a history; those of real ones are looked at in the integration tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.backup_health import Limits, look
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.chain import append
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.opening import opened
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.records import Kind
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.selection import Selection
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.html import render
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.part import Part, Threshold

from tests.unit.plugins.module_utils._health import reports
from tests.unit.plugins.module_utils._postgres import backups
from tests.unit.plugins.module_utils._report.test_html import EVIL, Page

OLD, NEW = "20261125T204700Z", "20261125T211700Z"
NOW = datetime(2026, 11, 25, 21, 27, tzinfo=UTC)
REMOTE = "archive:backups"
LIMITS = Limits(Threshold(3600, 7200), Threshold(7200, 14400), Threshold(1200, 7200), Threshold(60, 600), REMOTE)


class History:
    """A directory of two backups to which things happen."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        opened(str(directory), "endpoint_stats", create=True)
        for backup in (OLD, NEW):
            (directory / backup).mkdir()
            (directory / backup / "manifest.json").write_text(backups.manifest(id=backup).render())

    def add(self, kind: Kind, backup: str, **entry: Any) -> None:
        append(self.directory / "records", kind, backup, entry)

    def verified(self, backup: str, verdict: str = "passed", level: str = "full", seconds: float | None = 10, reason: str = "") -> None:
        self.add("verification", backup, verdict=verdict, level=level, restore_seconds=seconds, reason=reason)

    def copied(self, backup: str, did: str = "copied", remote: str = REMOTE) -> None:
        self.add("offsite", backup, did=did, remote=remote)

    def look(self, limits: Limits = LIMITS) -> Part:
        return look(str(self.directory), "endpoint_stats", limits, NOW)

    def found(self, limits: Limits = LIMITS) -> dict[str, str]:
        return {finding.id: finding.severity for finding in self.look(limits).findings}


@pytest.fixture
def history(tmp_path: Path) -> History:
    made = History(tmp_path / "backups")
    made.verified(NEW)
    made.copied(NEW)
    return made


def test_what_is_proven_and_copied_in_time_is_healthy(history: History) -> None:
    data = history.look().data
    assert history.found() == {}
    assert (data["newest"], data["offsite"]) == ({"backup": NEW, "age_seconds": 600.0},) * 2


@pytest.mark.parametrize(("backup", "expected"), [(NEW, {"backup_manifest_damaged": "critical"}), (OLD, {})])
def test_the_manifest_of_the_newest_has_to_be_whole(history: History, backup: str, expected: dict[str, str]) -> None:
    path = history.directory / backup / "manifest.json"
    path.write_text(path.read_text().replace('"rows": 40', '"rows": 41'))
    assert history.found() == expected
    assert history.look().data["usual_seconds"] == 3.0


def test_a_copy_counts_as_long_as_it_is_there_and_where_it_is_wanted(history: History) -> None:
    history.copied(NEW, did="deleted")
    history.copied(NEW, remote="other:backups")
    history.copied(OLD)
    assert history.look().data["offsite"]["backup"] == OLD
    assert history.found() == {"backup_offsite_too_old": "warning"}
    assert history.found(replace(LIMITS, remote="")) == {}


def test_a_failed_one_is_a_warning_where_a_newer_one_is_proven(history: History) -> None:
    history.verified(OLD, "failed", "checksum", None)
    assert history.found() == {"backup_failed_verification": "warning"}
    history.verified(NEW, "failed", "checksum", None)
    assert history.found()["backup_failed_verification"] == "critical"


def test_a_verification_that_found_nothing_out_is_a_warning_until_the_next(history: History) -> None:
    history.verified(NEW, "could_not_verify", "full", None, "no room")
    assert history.found() == {"backup_could_not_verify": "warning"}
    assert f"{NEW}: no room" in str(history.look().findings)
    history.verified(NEW)
    assert history.found() == {}


@pytest.mark.parametrize(("restored", "expected"), [(30, {}), (70, {"backup_restore_too_slow": "warning"})])
def test_a_restore_is_forecast_by_those_there_were(history: History, restored: float, expected: dict[str, str]) -> None:
    history.add("restore", NEW, duration_seconds=restored, seconds={"restore": restored})
    assert history.found() == expected
    assert (history.look().data["forecast_restore_seconds"], history.look().data["forecast_basis"]) == (restored, "restores")


def test_the_page_shows_what_verifications_said_and_believes_nothing(history: History) -> None:
    history.verified(OLD, "could_not_verify", "full", None, EVIL)
    part = replace(history.look(), seconds=0.1)
    page = Page(render(reports.report({**reports.healthy(), "backups": part})))
    assert "2 backups, the newest proven is 10.0 min old" in page.words
    assert "Backups of audit" not in page.words
    assert "could not verify" in page.words
    assert EVIL in page.words


def test_the_page_shows_those_of_each_database(history: History) -> None:
    part = replace(history.look(), seconds=0.1)
    page = Page(render(reports.report({**reports.healthy(), "backups": part, "backups/audit": part})))
    assert page.words.count("2 backups, the newest proven is 10.0 min old") == 2
    assert "Backups of audit" in page.words


def test_the_page_of_a_directory_without_backups_says_that(tmp_path: Path) -> None:
    part = replace(look(str(tmp_path / "absent"), "endpoint_stats", LIMITS, NOW), seconds=0.1)
    page = Page(render(reports.report({**reports.healthy(), "backups": part})))
    assert "there is none" in page.words
    assert "Make one" in page.words


def test_what_backups_usually_take_is_told(tmp_path: Path) -> None:
    opened(str(tmp_path), "endpoint_stats", create=True)
    for backup, seconds in ((OLD, 4.0), (NEW, 7.0)):
        (tmp_path / backup).mkdir()
        (tmp_path / backup / "manifest.json").write_text(backups.manifest(id=backup, seconds={"dump": seconds}).render())
    assert look(str(tmp_path), "endpoint_stats", LIMITS, NOW).data["usual_seconds"] == 5.5


def test_a_part_of_the_database_is_not_all_of_it(tmp_path: Path) -> None:
    opened(str(tmp_path), "endpoint_stats", create=True, selection=Selection(exclude_schemas=("audit",)))
    (tmp_path / NEW).mkdir()
    found = {finding.id: finding for finding in look(str(tmp_path), "endpoint_stats", LIMITS, NOW).findings}
    assert (found["backup_partial"].severity, found["backup_partial"].evidence) == ("warning", "exclude_schemas: audit")
