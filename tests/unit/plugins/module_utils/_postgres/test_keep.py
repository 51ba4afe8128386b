# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import keep
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.keep import History
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.manifest import ManifestError, ServerFacts, TableRows
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.repository import opened

from tests.unit.plugins.module_utils._postgres import backups

NAMES = [f"2026112{day}T000000Z" for day in range(6)]
PREVIOUS = backups.manifest(id=NAMES[0])


def identities(made: object, before: History) -> list[str]:
    return [finding.id for finding in keep.judge(made, before)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("number", "proven", "doomed"),
    [
        (1, None, NAMES[:5]),
        (4, None, NAMES[:2]),
        (6, None, []),
        (99, None, []),
        (2, NAMES[1], [NAMES[0], NAMES[2], NAMES[3]]),
        (2, NAMES[5], NAMES[:4]),
        (0, None, NAMES[:5]),
    ],
)
def test_the_newest_and_the_proven_stay(number: int, proven: str | None, doomed: list[str]) -> None:
    assert keep.dispensable(list(reversed(NAMES)), proven, number) == doomed


def test_none_is_dispensable_where_there_is_none() -> None:
    assert keep.dispensable([], None, 1) == []


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
    half = backups.manifest(tables=(TableRows("public", "requests", 21),))
    assert identities(half, History((PREVIOUS,), ())) == []


def test_less_than_half_of_the_rows_or_bytes_is() -> None:
    fewer = backups.manifest(tables=(TableRows("public", "requests", 20),))
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
    assert list(keep.judge_schedule("x", 3600, 3600)) == []
    (finding,) = keep.judge_schedule("x", 3601.2, 3600)
    assert (finding.id, finding.severity) == ("backup_rpo_missed", "warning")
