# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a verdict on record is an answer, and when the backup has to be looked at."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import verify
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.examine import Asked, Seen
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.repository import Repository, opened
from ansible_collections.endpoint_stats.ops.plugins.module_utils._progress import Progress

from tests.unit.plugins.module_utils._postgres import backups

BACKUP = "20261125T211700Z"
PASSED = {"at": "2026-11-25T21:20:00Z", "verdict": "passed", "level": "full", "manifest_sha256": backups.manifest().sha256}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """One backup, and a look at it that says so."""
    made = opened(str(tmp_path / "backups"), "endpoint_stats", create=True)
    made.path(BACKUP).mkdir()
    (made.path(BACKUP) / "manifest.json").write_text(backups.manifest().render(), encoding="utf-8")
    monkeypatch.setattr(verify, "examine", lambda *_arguments: Seen(verdict="could_not_verify", reason="it was looked at"))
    return made


def answer(repository: Repository, *records: dict[str, Any], accept: bool = True, server: str = "", maximum: float = 0) -> verify.Outcome:
    for record in records:
        repository.record(BACKUP, record)
    order = verify.Order("newest", maximum, 14400, "", accept, Asked("full", "endpoint_stats", server, "", 2, 60))
    return verify.verify(repository, order, Progress())


def test_a_passed_restore_of_this_manifest_is_an_answer(repository: Repository) -> None:
    checksum = {"at": "2026-11-25T22:00:00Z", "verdict": "passed", "level": "checksum"}
    told = answer(repository, PASSED, checksum, server="7712218975259400564")
    assert (told.verdict, told.level, told.recorded_at, told.changed) == ("passed", "full", "2026-11-25T21:20:00Z", False)
    assert len(repository.records().verifications(BACKUP)) == 2


def test_its_age_is_told_all_the_same(repository: Repository) -> None:
    told = answer(repository, PASSED, maximum=1)
    assert (told.fresh, [finding.id for finding in told.findings]) == (False, ["backup_too_old"])


@pytest.mark.parametrize(
    ("records", "how"),
    [
        ([], {}),
        ([PASSED], {"accept": False}),
        ([PASSED], {"server": "1"}),
        ([{**PASSED, "manifest_sha256": "0" * 64}], {}),
        ([{**PASSED, "level": "checksum"}], {}),
        ([PASSED, {**PASSED, "verdict": "failed"}], {}),
    ],
)
def test_else_the_backup_is_looked_at(repository: Repository, records: list[dict[str, Any]], how: dict[str, Any]) -> None:
    told = answer(repository, *records, **how)
    assert (told.reason, told.recorded_at) == ("it was looked at", "")


def test_a_damaged_manifest_is_looked_at(repository: Repository) -> None:
    (repository.path(BACKUP) / "manifest.json").write_text("{")
    assert answer(repository, PASSED).reason == "it was looked at"


def test_the_backup_that_nobody_has_judged_for_longest_comes_first(repository: Repository) -> None:
    names = ["20261101T000000Z", "20261102T000000Z", "20261103T000000Z", BACKUP]
    for name in names[:3]:
        repository.path(name).mkdir()

    def judged(backup: str, verdict: str, at: str, level: str = "full") -> str:
        repository.record(backup, {"verdict": verdict, "at": at, "level": level})
        return verify.chosen(repository, "oldest_unproven")

    assert verify.chosen(repository, "newest") == BACKUP
    assert verify.chosen(repository, "oldest_unproven") == names[0]
    assert judged(names[0], "passed", "2026-11-26T01:00:00Z", level="checksum") == names[0]
    assert judged(names[0], "could_not_verify", "2026-11-26T02:00:00Z") == names[1]
    assert judged(names[1], "failed", "2026-11-26T03:00:00Z") == names[2]
    assert judged(names[2], "passed", "2026-11-26T04:00:00Z") == BACKUP
    assert judged(BACKUP, "passed", "2026-11-26T05:00:00Z") == names[0]
    assert judged(names[0], "passed", "2026-11-26T06:00:00Z") == names[1]


def test_the_name_of_a_backup_tells_its_age_where_its_manifest_cannot(repository: Repository) -> None:
    assert verify.moment(repository, BACKUP) == datetime(2026, 11, 25, 21, 17, 1, tzinfo=UTC).timestamp()
    (repository.path(BACKUP) / "manifest.json").unlink()
    assert verify.moment(repository, BACKUP) == datetime(2026, 11, 25, 21, 17, 0, tzinfo=UTC).timestamp()
