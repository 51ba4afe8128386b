# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import dump
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.compressed import Plain

STDERR = """\
pg_dump: warning: subscriptions not dumped because current user is not a superuser
pg_dump: warning: there are circular foreign-key constraints on this table:
pg_dump: detail: nodes
pg_dump: hint: You might not be able to restore the dump without using --disable-triggers.

no prefix
"""


def test_each_warning_has_its_details() -> None:
    first, second, third = dump.warnings(STDERR)
    assert first == "subscriptions not dumped because current user is not a superuser"
    assert second.startswith("there are circular foreign-key constraints on this table: (detail: nodes) (hint: You might")
    assert third == "no prefix"
    assert dump.warnings("\n") == []


def test_words_that_are_drawn_anew_are_left_out() -> None:
    one = "\\restrict abc\nCREATE ROLE a;\n\\unrestrict abc\n"
    assert dump.without_restrict(one) == dump.without_restrict(one.replace("abc", "xyz")) == "CREATE ROLE a;\n"
    assert dump.without_restrict(one) != dump.without_restrict(one.replace("ROLE a", "ROLE b"))


def test_every_file_is_sealed(tmp_path: Path) -> None:
    (tmp_path / "dump").mkdir()
    (tmp_path / "dump" / "b").write_bytes(b"bb")
    (tmp_path / "a").write_bytes(b"")
    told: list[float] = []
    found = dump.sealed(tmp_path, told.append, {"b": Plain(7, "4" * 64)})
    assert [(file.path, file.bytes, file.plain_bytes) for file in found] == [("a", 0, 0), ("dump/b", 2, 7)]
    assert [file.plain_sha256 for file in found] == ["", "4" * 64]
    assert found[0].sha256 == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert told == [0, 2]
    assert dump.size(tmp_path) == 2


def test_what_is_not_there_yet_has_no_size(tmp_path: Path) -> None:
    assert dump.size(tmp_path / "absent") == 0


def test_a_file_that_is_no_file_is_no_backup(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError):
        dump.sealed(tmp_path, lambda _: None, {})
