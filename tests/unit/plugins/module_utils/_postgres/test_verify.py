# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a verdict on record is an answer, and when the backup has to be looked at."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import files, verification_kept, verify
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.forecast import forecast
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.repository import Repository, opened
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.verdict import Asked, Seen
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.verified import Order, Outcome
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


def answer(repository: Repository, *records: dict[str, Any], accept: bool = True, server: str = "", maximum: float = 0) -> Outcome:
    for record in records:
        repository.record(BACKUP, {"fingerprint": files.fingerprint(repository.path(BACKUP)), **record})
    order = Order("newest", maximum, 14400, "", accept, Asked("full", "endpoint_stats", server, "", 2, 60))
    return verify.verify(repository, order, Progress())


def test_a_passed_restore_of_this_manifest_is_an_answer(repository: Repository) -> None:
    checksum = {"at": "2026-11-25T22:00:00Z", "verdict": "passed", "level": "checksum"}
    told = answer(repository, PASSED, checksum, server="7712218975259400564")
    assert (told.cached, told.findings[-1].evidence, told.checked["bytes"]) == (True, "bytes read at 2026-11-25T21:20:00Z", 0)
    assert (told.verdict, told.level, told.recorded_at, told.changed) == ("passed", "full", "2026-11-25T21:20:00Z", False)
    assert len(repository.records().verifications(BACKUP)) == 2


def test_its_age_is_told_all_the_same(repository: Repository) -> None:
    told = answer(repository, PASSED, maximum=1)
    assert (told.fresh, [finding.id for finding in told.findings]) == (False, ["backup_too_old", "verification_cached"])


@pytest.mark.parametrize(
    ("records", "how"),
    [
        ([], {}),
        ([PASSED], {"accept": False}),
        ([PASSED], {"server": "1"}),
        ([{**PASSED, "manifest_sha256": "0" * 64}], {}),
        ([{**PASSED, "level": "checksum"}], {}),
        ([PASSED, {**PASSED, "verdict": "failed"}], {}),
        ([{**PASSED, "fingerprint": "0" * 64}], {}),
        ([{**PASSED, "fingerprint": ""}], {}),
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
    assert verification_kept.moment(repository, BACKUP) == datetime(2026, 11, 25, 21, 17, 1, tzinfo=UTC).timestamp()
    (repository.path(BACKUP) / "manifest.json").unlink()
    assert verification_kept.moment(repository, BACKUP) == datetime(2026, 11, 25, 21, 17, 0, tzinfo=UTC).timestamp()


def touched(path: Path) -> None:
    os.utime(path / "dump")


def rewritten_with_its_times_kept(path: Path) -> None:
    seen = (path / "dump").stat()
    (path / "dump").write_text("other")
    os.utime(path / "dump", ns=(seen.st_atime_ns, seen.st_mtime_ns))


def replaced(path: Path) -> None:
    (path / "new").write_text("rows..")
    (path / "new").rename(path / "dump")


def added(path: Path) -> None:
    (path / "stranger").touch()


def removed(path: Path) -> None:
    (path / "dump").unlink()


@pytest.mark.parametrize("change", [touched, rewritten_with_its_times_kept, replaced, added, removed])
def test_files_that_somebody_touched_are_looked_at_again(repository: Repository, change: Callable[[Path], None]) -> None:
    path = repository.path(BACKUP)
    (path / "dump").write_text("rows")
    assert answer(repository, PASSED).cached
    change(path)
    assert answer(repository, accept=True).reason == "it was looked at"


def test_a_real_restore_is_forecast_by_those_there_were(repository: Repository) -> None:
    def told(seconds: float | None) -> tuple[float | None, str]:
        seen = forecast(repository.records(), seconds)
        return seen.seconds, seen.basis

    assert told(None) == (None, "")
    assert told(10.0) == (10.0, "scratch")
    repository.note_restore(BACKUP, {"load": 8.0})
    assert told(10.0) == (10.0, "scratch")
    repository.record(BACKUP, {**PASSED, "restore_seconds": 4.0})
    assert told(10.0) == (20.0, "restores")
    for seconds in (4.0, 12.0):
        repository.note_restore(BACKUP, {"load": seconds - 1, "swap": 1.0})
    assert (told(10.0), told(None)) == ((20.0, "restores"), (None, ""))
    repository.note_restore("20261101T000000Z", {"load": 900.0})
    assert told(10.0) == (20.0, "restores")


def test_a_forecast_beyond_the_target_is_a_finding(repository: Repository) -> None:
    repository.note_restore(BACKUP, {"load": 40000.0})
    told = answer(repository, {**PASSED, "restore_seconds": 4.0})
    assert (told.forecast_restore_seconds, told.forecast_basis) == (40000.0, "restores")
    slow = {finding.id: finding.evidence for finding in told.findings}["restore_too_slow"]
    assert slow == "40000 seconds, forecast by real restores; the target is 14400"
