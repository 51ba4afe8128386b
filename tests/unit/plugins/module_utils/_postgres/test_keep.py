# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import keep
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.facts import ServerFacts
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.keep import History
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.manifest import ManifestError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.opening import opened
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.repository import Repository
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.retention import Standing
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.selection import Selected, Selection

from tests.unit.plugins.module_utils._postgres import backups

NAMES = [f"2026112{day}T000000Z" for day in range(6)]
PREVIOUS = backups.manifest(id=NAMES[0])


def identities(made: object, before: History) -> list[str]:
    return [finding.id for finding in keep.judge(made, before)]  # type: ignore[arg-type]


def test_history_is_that_of_the_newest_that_can_be_read(tmp_path: Path) -> None:
    repository = opened(str(tmp_path), "shop", create=True)
    for number, name in enumerate(NAMES):
        (tmp_path / name).mkdir()
        made = backups.manifest(id=name, seconds={"dump": number, "checksums": 1.0})
        (tmp_path / name / "manifest.json").write_text(made.render())
    (tmp_path / NAMES[5] / "manifest.json").write_text("{")
    repository.record(NAMES[2], {"level": "data", "verdict": "passed"})
    seen = keep.history(repository)
    assert [made.id for made in seen.manifests] == [NAMES[4], NAMES[3], NAMES[2], NAMES[1]]
    assert seen.expected_seconds == {"dump": 2.5, "checksums": 1.0}
    assert keep.newest_proven(repository) == NAMES[2]
    assert identities(backups.manifest(), seen) == ["backup_unreadable"]


def test_no_history_expects_nothing() -> None:
    assert (History((), ()).previous, History((), ()).expected_seconds) == (None, {})
    assert identities(backups.manifest(), History((), ())) == []


def test_a_backup_like_the_one_before_is_not_odd() -> None:
    assert identities(backups.manifest(), History((PREVIOUS,), ())) == []
    half = backups.manifest(tables=(backups.table("requests", 21),))
    assert identities(half, History((PREVIOUS,), ())) == []


def test_other_parts_of_the_database_tell_nothing_of_each_other() -> None:
    part = Selected(Selection(exclude_table_data=("public.requests",)), (), (), ("public.requests",), 0)
    emptied = (backups.table("endpoints", 2), backups.table("requests", 0))
    assert identities(backups.manifest(selection=part, tables=emptied), History((PREVIOUS,), ())) == []
    before = backups.manifest(selection=part)
    assert identities(backups.manifest(selection=part, tables=emptied), History((before,), ())) == ["backup_shrank", "backup_table_emptied"]


def test_what_a_role_could_not_dump_is() -> None:
    (finding,) = keep.judge(backups.manifest(not_dumped=("subscription far",)), History((), ()))
    assert (finding.id, finding.severity, finding.evidence) == ("backup_incomplete", "warning", "subscription far")


def test_a_table_that_lost_all_of_its_rows_is() -> None:
    emptied = backups.manifest(tables=(backups.table("endpoints", 0), backups.table("requests", 40)))
    (finding,) = keep.judge(emptied, History((PREVIOUS,), ()))
    assert (finding.id, finding.evidence) == ("backup_table_emptied", f"public.endpoints; it had 2 rows in {NAMES[0]}")


def test_less_than_half_of_the_rows_or_bytes_is() -> None:
    fewer = backups.manifest(tables=(backups.table("requests", 20),))
    (finding,) = keep.judge(fewer, History((PREVIOUS,), ()))
    assert (finding.id, finding.severity, finding.evidence) == ("backup_shrank", "warning", f"20 rows, 42 in {NAMES[0]}")
    smaller = backups.manifest(files=PREVIOUS.files[:1])
    assert [finding.evidence for finding in keep.judge(smaller, History((PREVIOUS,), ()))] == [f"100 bytes, 300 in {NAMES[0]}"]


def test_another_server_is() -> None:
    other = replace(PREVIOUS, server=ServerFacts("1", "15.18", 150018))
    (finding,) = keep.judge(backups.manifest(), History((other, PREVIOUS), ()))
    assert (finding.id, "system identifier 7712218975259400564, that of" in finding.evidence) == ("backup_other_server", True)


def test_each_warning_is_a_finding() -> None:
    findings = list(keep.judge(backups.manifest(warnings=("one", "two")), History((), (ManifestError("x"),))))
    assert [(finding.id, finding.evidence) for finding in findings[:2]] == [("backup_incomplete", "one"), ("backup_incomplete", "two")]
    assert len(findings) == 3


def test_a_schedule_that_loses_too_much_is() -> None:
    assert list(keep.judge_schedule("x", 1800, 1800, 3600, 3600)) == []
    (finding,) = keep.judge_schedule("x", 3600, 1.2, 3601.2, 3600)
    assert (finding.id, finding.severity) == ("backup_rpo_missed", "warning")


def test_a_schedule_shorter_than_its_backups_is() -> None:
    before = History(tuple(backups.manifest(seconds={"dump": seconds, "checksums": 1.0}) for seconds in (10, 20, 99)), ())
    assert [before.usual_seconds(seconds) for seconds in (1, 21, 1000)] == [16, 21, 60.5]
    assert History((), ()).usual_seconds(7.5) == 7.5
    assert [finding.id for finding in keep.judge_schedule("x", 20, 20, 21, 99)] == []
    (finding,) = keep.judge_schedule("x", 20, 21, 41, 99)
    assert (finding.id, finding.severity, "21 s" in finding.evidence) == ("backup_schedule_too_short", "critical", True)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Three backups: the first proven, the second failed, the third pinned."""
    made = opened(str(tmp_path), "shop", create=True)
    for name in NAMES[:3]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(backups.manifest(id=name).render())
    made.record(NAMES[0], {"level": "full", "verdict": "passed", "manifest_sha256": backups.manifest(id=NAMES[0]).sha256})
    made.record(NAMES[1], {"level": "checksum", "verdict": "failed"})
    made.pin(NAMES[2], "before the migration")
    return made


def test_what_is_known_of_backups(repository: Repository) -> None:
    assert keep.standing(repository) == Standing({NAMES[0]}, {NAMES[1]}, {NAMES[2]: "before the migration"}, NAMES[0])


def test_a_manifest_that_was_changed_since_is_not_what_was_proven(repository: Repository) -> None:
    changed = backups.manifest(id=NAMES[2])
    (repository.path(NAMES[2]) / "manifest.json").write_text(changed.render())
    repository.record(NAMES[2], {"level": "full", "verdict": "passed", "manifest_sha256": "0" * 64})
    assert keep.standing(repository).newest_proven == NAMES[0]
    (repository.path(NAMES[0]) / "manifest.json").write_text("{")
    assert keep.standing(repository).newest_proven is None


def test_damaged_records_are_no_ground_to_delete_on(repository: Repository) -> None:
    chain = repository.directory / "records" / "chain.jsonl"
    chain.write_text(chain.read_text().replace('"full"', '"data"'))
    assert "damaged" in keep.standing(repository).distrust
    repository.record(NAMES[0], {"level": "full", "verdict": "passed", "manifest_sha256": backups.manifest(id=NAMES[0]).sha256})
    assert (keep.standing(repository).distrust, keep.standing(repository).newest_proven) == ("", NAMES[0])


def test_what_was_there_before_most_was_gone_is_pinned_once(repository: Repository) -> None:
    wiped = backups.manifest(tables=(backups.table("requests", 0),))
    for previous in (NAMES[0], NAMES[1]):
        before = backups.manifest(id=previous)
        keep.hold(repository, before, list(keep.judge(wiped, History((before,), ()))))
    assert {name: reason[:18] for name, reason in repository.pins().items()} == {
        NAMES[0]: "held by pg_backup:",
        NAMES[2]: "before the migrati",
    }
    before = backups.manifest(id=NAMES[1])
    keep.hold(repository, before, list(keep.judge(before, History((before,), ()))))
    assert NAMES[1] not in repository.pins()
