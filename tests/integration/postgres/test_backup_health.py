# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the health report says of real backups: good ones, and ones that somebody or something has spoilt."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.postgres import damage, support
from tests.integration.postgres.support import Place


def looked_at(place: Place, directory: Path, **options: Any) -> dict[str, Any]:
    """The part, of which nothing was written."""
    before = support.tree(directory) if directory.exists() else {}
    part: dict[str, Any] = place.good(place.run("backup_health_info", {"directory": str(directory), **options})).result["part"]
    assert (support.tree(directory) if directory.exists() else {}) == before
    return part


def found(part: dict[str, Any]) -> dict[str, str]:
    return {finding["id"]: finding["severity"] for finding in part["findings"]}


@pytest.fixture(scope="module")
def proven(place: Place, made_backup: Path) -> Iterator[Path]:
    """A directory with one backup that a restore has proven; who spoils it works on a copy."""
    with place.room() as room:
        directory = damage.copy_of(place, made_backup, room).repository
        place.good(place.run("pg_backup_verify", {"directory": str(directory), "scratch_dir": str(room / "scratch")}))
        yield directory


@pytest.fixture
def spoilt(proven: Path, room: Path) -> Path:
    shutil.copytree(proven, room / "copy", symlinks=True)
    for path in (room / "copy").rglob("*"):
        support.own(path)
    support.own(room / "copy")
    return room / "copy"


def test_a_proven_backup_is_healthy_and_its_numbers_are_told(place: Place, proven: Path) -> None:
    part = looked_at(place, proven)
    assert (part["reason"], part["findings"]) == ("", [])
    data, (backup,) = part["data"], [path.name for path in proven.iterdir() if path.name.startswith("2")]
    assert (data["backups"], data["failed"], data["offsite"]) == (1, [], None)
    assert data["newest"] == data["proven"]
    assert (data["newest"]["backup"], 0 < data["newest"]["age_seconds"] < 3600) == (backup, True)
    assert (data["forecast_basis"], data["forecast_restore_seconds"] > 0, data["records"]["intact"]) == ("scratch", True, True)
    assert [(entry["backup"], entry["verdict"], entry["level"]) for entry in data["verdicts"]] == [(backup, "passed", "full")]


def test_each_limit_is_a_finding_of_its_own(place: Place, proven: Path) -> None:
    at_once, never = {"warning": 0, "critical": 0}, {"warning": 0, "critical": 10**9}
    limits = {"age_seconds": at_once, "proven_age_seconds": never, "offsite_age_seconds": at_once, "restore_seconds": never}
    assert found(looked_at(place, proven, offsite_remote="archive:backups", **limits)) == {
        "backup_too_old": "critical",
        "backup_unproven": "warning",
        "backup_offsite_too_old": "critical",
        "backup_restore_too_slow": "warning",
    }
    assert "backup_offsite_too_old" not in found(looked_at(place, proven, **limits))


def test_a_backup_that_nobody_has_proven_is_one_in_time(place: Place, made_backup: Path) -> None:
    assert found(looked_at(place, made_backup)) == {}
    part = looked_at(place, made_backup, proven_age_seconds={"warning": 0, "critical": 0})
    assert (found(part), part["data"]["proven"]) == ({"backup_unproven": "critical"}, None)
    assert "the oldest backup is" in part["findings"][0]["evidence"]


def test_a_backup_that_failed_is_critical(place: Place, spoilt: Path) -> None:
    (backup,) = (path for path in spoilt.iterdir() if path.name.startswith("2"))
    (backup / "globals.sql").write_text("-- nothing is left\n")
    failed = place.run("pg_backup_verify", {"directory": str(spoilt), "level": "checksum", "require_passed": False})
    assert place.good(failed).result["verdict"] == "failed"
    part = looked_at(place, spoilt)
    assert (found(part), part["data"]["failed"]) == ({"backup_failed_verification": "critical"}, [backup.name])


def test_a_manifest_with_another_byte_is_critical(place: Place, spoilt: Path) -> None:
    (manifest,) = spoilt.glob("2*/manifest.json")
    manifest.write_bytes(manifest.read_bytes().replace(b'"warnings"', b'"Warnings"', 1))
    assert found(looked_at(place, spoilt))["backup_manifest_damaged"] == "critical"


def test_records_that_were_changed_are_critical(place: Place, spoilt: Path) -> None:
    chain = spoilt / "records" / "chain.jsonl"
    entry = json.loads(chain.read_text())
    chain.write_text(json.dumps({**entry, "at": "2026-01-01T00:00:00Z"}, sort_keys=True) + "\n")
    assert found(looked_at(place, spoilt))["records_damaged"] == "critical"


def test_where_there_is_none_that_is_critical_and_what_cannot_be_read_is_not_known(place: Place, proven: Path, room: Path) -> None:
    assert found(looked_at(place, room / "absent")) == {"backup_missing": "critical"}
    assert found(looked_at(place, room)) == {"backup_missing": "critical"}
    other = looked_at(place, proven, database="another")
    assert (other["findings"], "backups of 'endpoint_stats', not of 'another'" in other["reason"]) == ([], True)
    (room / "stranger").write_text("of somebody else\n")
    strange = looked_at(place, room)
    assert (strange["findings"], "no backup of ours" in strange["reason"]) == ([], True)
