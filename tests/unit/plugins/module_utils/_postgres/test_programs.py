# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import programs
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.programs import found, nearest

NAMES = ("pg_dump", "pg_restore")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where distributions put them, and PATH; both empty."""
    for name in ("path", "versions"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(programs, "_INSTALLED", tmp_path / "versions")
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    monkeypatch.setattr("shutil.which", lambda name, path=None: only(tmp_path, name, path))
    return tmp_path


def only(root: Path, name: str, path: str | None) -> str | None:
    """What the machine of the test has is not seen."""
    candidate = Path(path or root / "path") / name
    return str(candidate) if candidate.exists() else None


def put(directory: Path, version: str, *names: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name in names or NAMES:
        (directory / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version} (Debian)'\n")
        (directory / name).chmod(0o755)


def test_those_on_path_come_first(installed: Path) -> None:
    put(installed / "path", "16.4")
    put(installed / "versions" / "15" / "bin", "15.18")
    chosen = found(NAMES, 15)
    assert (chosen["pg_dump"], chosen.version, chosen.major) == (str(installed / "path" / "pg_dump"), "16.4", 16)


def test_the_exact_version_is_found_elsewhere(installed: Path) -> None:
    put(installed / "path", "16.4")
    put(installed / "versions" / "15" / "bin", "15.18")
    chosen = found(NAMES, 15, newer=False)
    assert (chosen["pg_restore"], chosen.version) == (str(installed / "versions" / "15" / "bin" / "pg_restore"), "15.18")


def test_the_nearest_newer_one_is_taken(installed: Path) -> None:
    for version in ("9.6", "17.1", "18beta1", "14.2"):
        put(installed / "versions" / version.split(".", maxsplit=1)[0].replace("beta1", "") / "bin", version)
    put(installed / "versions" / "other" / "bin", "16.0")
    assert found(NAMES, 15).version == "17.1"
    assert found(NAMES, 18).version == "18beta1"


def test_older_ones_are_refused_by_name(installed: Path) -> None:
    put(installed / "path", "14.11")
    with pytest.raises(OpsError) as caught:
        found(NAMES, 15)
    assert "no pg_dump, pg_restore of PostgreSQL 15 or newer" in str(caught.value)
    assert f"{installed}/path/pg_dump 14.11" in caught.value.cause
    assert "postgresql-client-15" in caught.value.remedy


def test_all_of_them_are_needed_and_of_one_version(installed: Path) -> None:
    put(installed / "path", "15.18", "pg_dump")
    with pytest.raises(OpsError, match="no pg_restore beside them"):
        found(NAMES, 15)
    put(installed / "path", "16.1", "pg_restore")
    with pytest.raises(OpsError, match=r"pg_restore 16\.1"):
        found(NAMES, 15)


def test_none_at_all_is_said_so(installed: Path) -> None:
    with pytest.raises(OpsError, match="none is installed"):
        found(NAMES, 15)


def test_a_program_that_is_something_else_is_named(installed: Path) -> None:
    put(installed / "path", "15.18")
    (installed / "path" / "pg_dump").write_text("#!/bin/sh\necho hello\n")
    with pytest.raises(OpsError, match=r"does not tell its version.*hello"):
        found(NAMES, 15)


def test_the_exact_version_comes_before_a_newer_one_wherever_it_is(installed: Path) -> None:
    put(installed / "path", "17.1")
    assert nearest(NAMES, 15, newest=18).version == "17.1"
    put(installed / "versions" / "15" / "bin", "15.18")
    assert nearest(NAMES, 15, newest=18).version == "15.18"


def test_one_that_is_too_new_is_refused_and_the_wanted_one_named(installed: Path) -> None:
    put(installed / "path", "19.1")
    with pytest.raises(OpsError, match="no pg_dump, pg_restore of PostgreSQL 15") as caught:
        nearest(NAMES, 15, newest=18)
    assert "pg_dump 19.1" in caught.value.cause
