# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives depend on nothing but their members."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

from lab.archive import sha256, write_tar_gz


def _program(directory: Path, name: str, text: str, mtime: int) -> Path:
    path = directory / name
    path.write_text(text)
    os.utime(path, (mtime, mtime))
    return path


def test_same_bytes_whatever_order_time_and_owner(tmp_path: Path) -> None:
    """Order of members, their times and modes and the archive's name leave no trace."""
    one = {"bin/a": _program(tmp_path, "a", "A", 1), "bin/b": _program(tmp_path, "b", "B", 2)}
    write_tar_gz(tmp_path / "first.tar.gz", one)
    later = {"bin/b": _program(tmp_path, "b2", "B", 3000), "bin/a": _program(tmp_path, "a2", "A", 4000)}
    later["bin/a"].chmod(0o600)
    write_tar_gz(tmp_path / "second.tgz", later)
    assert sha256(tmp_path / "first.tar.gz") == sha256(tmp_path / "second.tgz")


def test_other_bytes_for_another_member(tmp_path: Path) -> None:
    """A changed program is another archive."""
    write_tar_gz(tmp_path / "first.tgz", {"a": _program(tmp_path, "a", "A", 1)})
    write_tar_gz(tmp_path / "second.tgz", {"a": _program(tmp_path, "a", "B", 1)})
    assert sha256(tmp_path / "first.tgz") != sha256(tmp_path / "second.tgz")


def test_members_are_programs_of_root(tmp_path: Path) -> None:
    """Names are kept as upstream writes them, modes are those of programs."""
    write_tar_gz(tmp_path / "cni.tgz", {"./bridge": _program(tmp_path, "x", "X", 5)})
    with tarfile.open(tmp_path / "cni.tgz") as archive:
        (member,) = archive.getmembers()
    assert (member.name, member.mode, member.uid, member.mtime) == ("./bridge", 0o755, 0, 0)
