# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._files import Wanted, difference, members, write


def test_a_file_is_written_once_with_its_mode(tmp_path: Path) -> None:
    wanted = Wanted(tmp_path / "etc/app/config", 0o640, b"port 1\n")
    found = difference(wanted)
    assert found is not None
    assert (found.before, found.after) == ("", "port 1\n")
    write(wanted)
    assert difference(wanted) is None
    assert (wanted.path.read_bytes(), wanted.path.stat().st_mode & 0o777) == (b"port 1\n", 0o640)
    assert [entry.name for entry in wanted.path.parent.iterdir()] == ["config"]


def test_content_and_mode_are_both_compared(tmp_path: Path) -> None:
    wanted = Wanted(tmp_path / "config", 0o600, b"port 1\n")
    write(wanted)
    wanted.path.write_bytes(b"port 2\n")
    changed = difference(wanted)
    assert changed is not None
    assert (changed.before, changed.after) == ("port 2\n", "port 1\n")
    write(wanted)
    wanted.path.chmod(0o644)
    loosened = difference(wanted)
    assert loosened is not None
    assert "mode 0644" in loosened.before


def test_a_binary_is_shown_by_its_hash(tmp_path: Path) -> None:
    found = difference(Wanted(tmp_path / "program", 0o755, b"\0secret-bytes", text=False))
    assert found is not None
    assert "sha256 " in found.after
    assert "secret-bytes" not in found.after


def test_directories(tmp_path: Path) -> None:
    wanted = Wanted(tmp_path / "state", 0o700, None)
    assert difference(wanted) is not None
    write(wanted)
    assert difference(wanted) is None
    wanted.path.chmod(0o755)
    assert difference(wanted) is not None
    with pytest.raises(OpsError, match="should be a file"):
        difference(Wanted(tmp_path / "state", 0o600, b"x"))


def test_members_of_archives(tmp_path: Path) -> None:
    (tmp_path / "ctr").write_bytes(b"program")
    with tarfile.open(tmp_path / "release.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "ctr", "bin/ctr")
    assert members(str(tmp_path / "release.tar.gz"), ["bin/ctr"]) == {"bin/ctr": b"program"}
    with pytest.raises(OpsError, match="it has no file bin/absent"):
        members(str(tmp_path / "release.tar.gz"), ["bin/absent"])


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OpsError, match=r"file/below could not be written\. Cause: File exists"):
        write(Wanted(tmp_path / "file" / "below", 0o600, b"x"))
    assert (tmp_path / "file").read_text() == "kept"
