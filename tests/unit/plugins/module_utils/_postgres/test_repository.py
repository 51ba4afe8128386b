# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._lock import in_use
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import repository
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.opening import MARKER, opened
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.repository import Repository
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.selection import WHOLE, Selection

OLD, NEW = "20261125T201700Z", "20261125T204700Z"


def tree(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


@pytest.fixture
def made(tmp_path: Path) -> Repository:
    """A directory with two backups, and names that look like some."""
    created = opened(str(tmp_path / "backups"), "shop", create=True)
    for name in (NEW, OLD, "20261125T2047Z", f"{NEW}.old", f".incomplete-{NEW}", f".deleting-{OLD}", ".incomplete-other"):
        (created.directory / name).mkdir()
        (created.directory / name / "manifest.json").touch()
    return created


def test_only_names_of_ours_are_backups_or_leftovers(made: Repository) -> None:
    assert made.backups() == [OLD, NEW]
    assert [path.name for path in made.leftovers()] == [f".deleting-{OLD}", f".incomplete-{NEW}"]


@pytest.mark.parametrize("name", ["", "..", "../x", "20261125T204700Z/..", "20261125T204700Z\n", ".incomplete-20261125T204700Z"])
def test_a_name_that_is_none_is_refused(made: Repository, name: str) -> None:
    with pytest.raises(OpsError, match=f"no name of a backup.*{OLD}, {NEW}"):
        made.path(name)


def test_a_directory_is_made_once(tmp_path: Path) -> None:
    directory = tmp_path / "backups"
    opened(str(directory), "shop", create=True)
    before = (directory / MARKER).stat().st_ino
    assert directory.stat().st_mode & 0o777 == 0o700
    opened(str(directory), "shop", create=True)
    assert (directory / MARKER).stat().st_ino == before
    assert opened(str(directory), "shop").backups() == []


def test_what_a_file_system_makes_does_not_make_a_directory_foreign(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    opened(str(tmp_path), "shop", create=True)
    assert tree(tmp_path) == [MARKER, "lost+found"]


@pytest.mark.parametrize("stranger", ["data", ".hidden", OLD])
def test_a_directory_of_something_else_is_refused_and_left_alone(tmp_path: Path, stranger: str) -> None:
    (tmp_path / stranger).touch()
    with pytest.raises(OpsError, match=rf"nothing was written there.*{stranger}"):
        opened(str(tmp_path), "shop", create=True)
    assert tree(tmp_path) == [stranger]


def test_a_run_that_was_killed_while_it_made_the_directory_ours_does_not_make_it_foreign(tmp_path: Path) -> None:
    (tmp_path / f".{MARKER}.abcd1234").write_text("{")
    assert opened(str(tmp_path), "app", create=True).backups() == []
    assert [path.name for path in tmp_path.iterdir()] == [MARKER]


def test_another_database_is_refused(made: Repository) -> None:
    with pytest.raises(OpsError, match="backups of 'shop', not of 'other'"):
        opened(str(made.directory), "other", create=True)


def test_a_directory_is_of_one_part_of_the_database(tmp_path: Path, made: Repository) -> None:
    part = Selection(exclude_schemas=("audit",))
    opened(str(tmp_path / "part"), "shop", create=True, selection=part)
    assert [opened(str(path), "shop").selection for path in (tmp_path / "part", made.directory)] == [part, WHOLE]
    assert opened(str(tmp_path / "part"), "shop").labels == {"database": "shop", "selection": "partial"}
    with pytest.raises(OpsError, match=r"another part.*there: exclude_schemas: audit; wanted: all of the database"):
        opened(str(tmp_path / "part"), "shop", create=True)
    with pytest.raises(OpsError, match=r"another part.*there: all of the database; wanted: exclude_schemas: audit"):
        opened(str(made.directory), "shop", create=True, check=True, selection=part)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xff", b'{"schema": "other", "database": "shop"}'])
def test_a_damaged_marker_is_no_invitation(made: Repository, content: bytes) -> None:
    (made.directory / MARKER).write_bytes(content)
    with pytest.raises(OpsError, match="marker is damaged"):
        opened(str(made.directory), "shop", create=True)


def test_who_reads_makes_nothing(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "absent"):
        with pytest.raises(OpsError, match="There is no backup"):
            opened(str(directory), "shop")
    assert opened(str(tmp_path / "absent"), "shop", create=True, check=True).backups() == []
    assert tree(tmp_path) == []


def test_a_place_that_cannot_be_written_is_refused_by_a_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OpsError, match="no parent"):
        opened(str(tmp_path / "no" / "where"), "shop", create=True, check=True)
    (tmp_path / "file").touch()
    with pytest.raises(OpsError, match="could not be read"):
        opened(str(tmp_path / "file"), "shop", create=True, check=True)
    monkeypatch.setattr("os.access", lambda *_: False)
    (tmp_path / "empty").mkdir()
    for directory in (tmp_path / "backups", tmp_path / "empty"):
        with pytest.raises(OpsError, match="not writable"):
            opened(str(directory), "shop", create=True, check=True)


def test_a_backup_gets_its_name_at_the_end(made: Repository) -> None:
    name = made.new_name()
    made.incomplete(name).mkdir()
    (made.incomplete(name) / "file").write_text("whole")
    final = made.publish(name)
    assert (final / "file").read_text() == "whole"
    assert made.backups()[-1] == name
    assert not made.incomplete(name).exists()


def test_a_name_is_never_used_twice(made: Repository) -> None:
    first = made.new_name()
    made.path(first).mkdir()
    second = made.new_name()
    assert second > first
    made.path(second).mkdir()
    assert made.delete(second, "a test") == ""
    third = made.new_name()
    assert third > second
    assert abs(datetime.strptime(third, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) - datetime.now(UTC)) < timedelta(seconds=10)


def test_a_clock_that_runs_behind_is_named(made: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "_CLOCK_SECONDS", 0)
    made.path("20991231T235959Z").mkdir()
    with pytest.raises(OpsError, match=r"of the future.*20991231T235959Z.*clock"):
        made.new_name()


def test_a_deletion_is_on_record_and_complete(made: Repository) -> None:
    assert made.delete(NEW, "others are enough", retention={"last": 1}) == ""
    assert made.backups() == [OLD]
    (deletion,) = made.records().of("deletion")
    assert {key: value for key, value in deletion.items() if key != "at"} == {
        "backup": NEW,
        "why": "others are enough",
        "retention": {"last": 1},
    }
    assert not (made.directory / f".deleting-{NEW}").exists()


def test_what_is_read_is_not_deleted(made: Repository) -> None:
    with in_use(made.path(OLD)):
        assert made.delete(OLD, "a test") == "somebody reads it"
    assert made.backups() == [OLD, NEW]
    assert not (made.directory / "records").exists()


def test_what_is_pinned_is_not_deleted(made: Repository) -> None:
    (made.directory / f".deleting-{OLD}" / "manifest.json").unlink()
    made.pin(OLD, "a reason")
    (made.directory / "records" / f"{NEW}.pin").write_text("  by\n hand ")
    (made.directory / "records" / "20261125T2047Z.pin").touch()
    assert made.pins() == {OLD: "a reason", NEW: "by hand"}
    assert [made.delete(name, "a test") for name in (OLD, NEW)] == ["somebody has pinned it"] * 2
    made.unpin(OLD, "")
    (made.directory / "records" / f"{NEW}.pin").write_text("")
    assert (made.pins(), made.delete(OLD, "a test"), made.backups()) == ({NEW: "no reason is given"}, "", [NEW])
    assert [entry["backup"] for kind in ("pin", "unpin", "deletion") for entry in made.records().of(kind)] == [OLD] * 3
    with pytest.raises(OpsError, match="cannot be read"):
        made.pin(OLD, "it is gone")


def judged(made: Repository, *verdicts: tuple[str, str]) -> bool:
    for level, verdict in verdicts:
        made.record(NEW, {"level": level, "verdict": verdict})
    return made.is_proven(NEW)


@pytest.mark.parametrize(
    ("verdicts", "proven"),
    [
        ([], False),
        ([("data", "passed")], True),
        ([("full", "passed")], True),
        ([("checksum", "passed")], False),
        ([("data", "failed")], False),
        ([("data", "could_not_verify")], False),
        ([("data", "passed"), ("data", "could_not_verify")], True),
        ([("data", "passed"), ("checksum", "failed")], False),
        ([("data", "passed"), ("checksum", "failed"), ("checksum", "passed")], False),
        ([("data", "failed"), ("constraints", "passed")], True),
    ],
)
def test_only_a_restore_proves_and_any_failure_disproves(made: Repository, verdicts: list[tuple[str, str]], proven: bool) -> None:
    assert judged(made, *verdicts) is proven
    assert not made.is_proven(OLD)
