# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a verdict on record is an answer, and when the backup has to be looked at."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._clock import now
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import encryption, files, verification_kept, verify
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.backup_file import BackupFile
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.forecast import forecast
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.opening import opened
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.repository import Repository
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.verdict import Asked, Seen
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.verified import Order, Outcome
from ansible_collections.endpoint_stats.ops.plugins.module_utils._progress import Progress

from tests.unit.plugins.module_utils._postgres import backups

BACKUP = "20261125T211700Z"
DAY = 86400.0
JUST_NOW = now()
PASSED = {"at": JUST_NOW, "verdict": "passed", "level": "full", "manifest_sha256": backups.manifest().sha256, "roles_seen": True}


def before(seconds: float) -> str:
    """A moment, as a record tells it."""
    return (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """One backup, and a look at it that says so."""
    made = opened(str(tmp_path / "backups"), "endpoint_stats", create=True)
    made.path(BACKUP).mkdir()
    (made.path(BACKUP) / "manifest.json").write_text(backups.manifest().render(), encoding="utf-8")
    monkeypatch.setattr(verify, "examine", lambda *_arguments: Seen(verdict="could_not_verify", reason="it was looked at"))
    return made


def answer(
    repository: Repository, *known: dict[str, Any], limit: float = DAY, maximum: float = 0, metrics: str = "", **asked: Any
) -> Outcome:
    for record in known:
        repository.record(BACKUP, {"fingerprint": files.fingerprint(repository.path(BACKUP)), **record})
    wanted = {
        "level": "full",
        "database": "endpoint_stats",
        "expected_system_identifier": "",
        "scratch_dir": "",
        "jobs": 2,
        "timeout_seconds": 60,
    }
    order = Order("newest", maximum, 14400, metrics, limit, Asked(**{**wanted, **asked}))
    return verify.verify(repository, order, Progress())


def test_a_passed_restore_of_this_manifest_is_an_answer(repository: Repository) -> None:
    checksum = {"verdict": "passed", "level": "checksum"}
    told = answer(repository, PASSED, checksum, expected_system_identifier="7712218975259400564")
    assert (told.cached, told.findings[-1].evidence, told.checked["bytes"]) == (True, f"files read at {JUST_NOW}", 0)
    assert told.read_bytes == (repository.path(BACKUP) / "manifest.json").stat().st_size
    assert told.reason == f"cached: the verdict of {JUST_NOW}, as nobody has touched the files since"
    assert (told.verdict, told.level, told.recorded_at, told.changed) == ("passed", "full", JUST_NOW, False)
    assert len(repository.records().verifications(BACKUP)) == 2


def test_its_age_is_told_all_the_same(repository: Repository) -> None:
    told = answer(repository, PASSED, maximum=1)
    assert (told.fresh, [finding.id for finding in told.findings]) == (False, ["backup_too_old", "verification_cached"])


LOWER = {**PASSED, "level": "data", "restore_seconds": None}
NEWER = {**PASSED, "scratch_version": "17.2", "structure": "structural"}


@pytest.mark.parametrize(
    ("record", "how"),
    [
        (LOWER, {"level": "data"}),
        (PASSED, {"level": "checksum"}),
        ({**PASSED, "level": "checksum"}, {"level": "checksum"}),
        ({**PASSED, "amcheck": True}, {"amcheck": True}),
        ({**PASSED, "amcheck": True}, {}),
        ({**PASSED, "scratch_version": "15.9"}, {}),
        (NEWER, {"accept_newer_server": True}),
        ({**PASSED, "at": before(DAY - 60)}, {}),
        ({**PASSED, "at": before(DAY + 60)}, {"limit": 2 * DAY}),
    ],
)
def test_what_has_met_all_that_is_asked_is_an_answer(repository: Repository, record: dict[str, Any], how: dict[str, Any]) -> None:
    assert (answer(repository, record, **how).cached, len(repository.records().entries)) == (True, 1)


@pytest.mark.parametrize(
    ("known", "how"),
    [
        ([], {}),
        ([PASSED], {"limit": 0}),
        ([{**PASSED, "at": before(DAY + 60)}], {}),
        ([{**PASSED, "at": before(-60)}], {}),
        ([{**PASSED, "at": "yesterday"}], {}),
        ([{**PASSED, "at": None}], {}),
        ([PASSED], {"expected_system_identifier": "1"}),
        ([PASSED], {"database": "another"}),
        ([PASSED], {"amcheck": True}),
        ([LOWER], {}),
        ([{**PASSED, "level": "checksum"}], {"level": "data"}),
        ([{**PASSED, "level": "unattested"}], {"level": "checksum"}),
        ([NEWER], {}),
        ([{**PASSED, "verdict": "could_not_verify"}], {}),
        ([{**PASSED, "manifest_sha256": "0" * 64}], {}),
        ([{**PASSED, "level": "checksum"}], {}),
        ([PASSED, {**PASSED, "verdict": "failed"}], {}),
        ([{**PASSED, "fingerprint": "0" * 64}], {}),
        ([{**PASSED, "fingerprint": ""}], {}),
    ],
)
def test_else_the_backup_is_looked_at(repository: Repository, known: list[dict[str, Any]], how: dict[str, Any]) -> None:
    told = answer(repository, *known, **how)
    assert (told.reason, told.recorded_at, told.cached) == ("it was looked at", "", False)


def test_roles_that_nobody_has_seen_are_looked_at_where_their_key_is_given_and_the_key_each_time(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decrypt(_source: Path, identity: str) -> bytes:
        if identity != "right":
            raise OpsError("The roles could not be decrypted")
        return b""

    monkeypatch.setattr(encryption, "decrypt", decrypt)
    manifest = backups.manifest(files=(*backups.manifest().files, BackupFile("globals.sql.age", 6, "0" * 64)))
    (repository.path(BACKUP) / "manifest.json").write_text(manifest.render(), encoding="utf-8")
    (repository.path(BACKUP) / "globals.sql.age").write_bytes(b"sealed")
    seen = {**PASSED, "manifest_sha256": manifest.sha256}
    unseen = {**seen, "level": "constraints", "roles_seen": False}
    told = answer(repository, unseen, level="constraints")
    assert (told.cached, "roles_not_verified" in [finding.id for finding in told.findings]) == (True, True)
    assert not answer(repository, level="constraints", globals_identity_file="right").cached
    told = answer(repository, seen, level="constraints", globals_identity_file="right")
    assert (told.cached, told.read_bytes) == (True, (repository.path(BACKUP) / "manifest.json").stat().st_size + len(b"sealed"))
    assert not answer(repository, level="constraints", globals_identity_file="wrong").cached


def test_damaged_records_are_no_answer(repository: Repository) -> None:
    assert answer(repository, PASSED).cached
    chain = repository.directory / "records" / "chain.jsonl"
    chain.write_text(chain.read_text().replace('"full"', '"data"'))
    assert not answer(repository, level="data").cached


def test_the_numbers_tell_when_the_files_were_read(repository: Repository, tmp_path: Path) -> None:
    numbers = tmp_path / "v.prom"
    answer(repository, {**PASSED, "at": before(600)}, metrics=str(numbers))
    told = {
        line.partition("{")[0].removeprefix("endpoint_stats_backup_verification_"): float(line.split()[-1])
        for line in numbers.read_text().splitlines()
        if not line.startswith("#")
    }
    assert 599 <= told["timestamp_seconds"] - told["read_timestamp_seconds"] <= 610
    assert "rows" not in told


def test_a_limit_below_nothing_is_refused(repository: Repository) -> None:
    for limit in (-1, float("nan")):
        with pytest.raises(OpsError, match="recorded_max_age_seconds must be at least 0"):
            answer(repository, PASSED, limit=limit)


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
    assert answer(repository).reason == "it was looked at"


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
