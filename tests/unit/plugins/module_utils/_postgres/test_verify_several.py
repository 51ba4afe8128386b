# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backups are verified, and how several are told as one."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import verify, verify_several
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.opening import opened
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.repository import Repository
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.verdict import Asked, Seen
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.verified import Order, Outcome

from tests.unit.plugins.module_utils._postgres import backups

NAMES = [
    "20260101T000000Z",
    "20260601T000000Z",
    "20261110T000000Z",
    "20261121T000000Z",
    "20261124T210000Z",
    "20261125T000000Z",
    "20261125T120000Z",
]
ORDER = Order("all", 0, 14400, "", False, Asked("full", "endpoint_stats", "", "", 2, 60))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = opened(str(tmp_path / "backups"), "endpoint_stats", create=True)
    for name in NAMES:
        made.path(name).mkdir()
        (made.path(name) / "manifest.json").write_text(backups.manifest(id=name).render(), encoding="utf-8")
    return made


def judged(repository: Repository, monkeypatch: pytest.MonkeyPatch, verdicts: dict[str, str], which: str = "all") -> Outcome:
    def examine(path: Path, asked: Asked, _progress: object) -> Seen:
        assert 0 < asked.timeout_seconds <= 60
        if verdicts.get(path.name) == "gone":
            (path / "manifest.json").unlink()
            path.rmdir()
            raise OpsError("it is gone")
        verdict = verdicts.get(path.name, "passed")
        return Seen(verdict=verdict, reason="" if verdict == "passed" else f"{path.name} {verdict}")

    monkeypatch.setattr(verify, "examine", examine)
    order = Order(**{**ORDER.__dict__, "backup": which})
    return verify_several.verify_wanted(repository, order, "", check=False)


def test_one_of_each_age_is_a_sample(repository: Repository) -> None:
    assert verify_several.wanted(repository, "sample") == [NAMES[0], NAMES[2], NAMES[3], NAMES[4]]
    for name in (NAMES[0], NAMES[4]):
        repository.record(name, {"level": "full", "verdict": "passed", "at": "2026-11-25T12:00:00Z"})
    assert verify_several.wanted(repository, "sample") == [NAMES[1], NAMES[2], NAMES[3], NAMES[5]]


def test_one_is_one(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [verify_several.wanted(repository, which) for which in ("newest", NAMES[1], "all")] == [[NAMES[-1]], [NAMES[1]], NAMES]
    with pytest.raises(OpsError, match="There is no backup 'none'"):
        verify_several.wanted(repository, "none")
    told = judged(repository, monkeypatch, {}, "newest").to_result()
    assert [one["backup"] for one in told["outcomes"]] == [NAMES[-1]]


@pytest.mark.parametrize(
    ("verdicts", "decides"),
    [
        ({}, NAMES[-1]),
        ({NAMES[2]: "could_not_verify"}, NAMES[2]),
        ({NAMES[1]: "failed", NAMES[2]: "could_not_verify", NAMES[3]: "failed"}, NAMES[3]),
    ],
)
def test_the_worst_decides(repository: Repository, monkeypatch: pytest.MonkeyPatch, verdicts: dict[str, str], decides: str) -> None:
    told = judged(repository, monkeypatch, verdicts).to_result()
    assert (told["backup"], told["verdict"], told["records"]["length"]) == (decides, verdicts.get(decides, "passed"), len(NAMES))
    assert {one["backup"]: one["verdict"] for one in told["outcomes"]} == {name: verdicts.get(name, "passed") for name in NAMES}
    assert len([finding for finding in told["findings"] if finding["id"].startswith("backup_")]) == len(verdicts)


def test_one_that_retention_has_deleted_meanwhile_is_passed_over(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    told = judged(repository, monkeypatch, {NAMES[3]: "gone"})
    assert [one["backup"] for one in told.outcomes] == [name for name in NAMES if name != NAMES[3]]
    assert told.verdict == "passed"


def test_what_tells_of_all_is_told_once(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "examine", lambda *_: Seen(verdict="passed"))
    order = Order(**{**ORDER.__dict__, "max_age_seconds": 1})
    told = verify_several.verify_wanted(repository, order, "", check=False)
    assert [finding.id for finding in told.findings] == ["backup_too_old"]
