# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import manifest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.backup_file import BackupFile, hash_file
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.manifest import ManifestError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.selection import WHOLE, Selected, Selection
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.table_content import Buckets

from tests.unit.plugins.module_utils._postgres import backups


def written(directory: Path, text: str) -> Path:
    (directory / manifest.FILE_NAME).write_text(text, encoding="utf-8")
    return directory


def changed(**changes: Any) -> str:
    """A document that was changed after it was signed."""
    return json.dumps({**json.loads(backups.manifest().render()), **changes})


def signed(**changes: Any) -> str:
    """A document whose SHA-256 is right, whatever it says."""
    document = {**json.loads(backups.manifest().render()), **changes}
    document.pop("sha256")
    return json.dumps({**document, "sha256": manifest._digest(document)})


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    parts = Buckets('"public"."t"', ("id",), 'r."id"', "int8", ("7",), "SELECT", ("1 -2 3", "0 0 0"))
    made = backups.manifest(warnings=("zażółć \u2028",), tables=(backups.table("requests", 40, buckets=parts), backups.table("t", 2)))
    assert manifest.load(written(tmp_path, made.render())) == made
    assert json.loads(made.render())["sha256"] == made.sha256
    assert (made.rows, made.bytes, made.server.major) == (42, 300, 15)


def test_what_was_left_out_is_read_again(tmp_path: Path) -> None:
    asked = Selection.parsed({"exclude_tables": ["a.b", "a.a", "a.b"], "include_schemas": []})
    part = Selected(asked, ("c",), ("a.a", "a.b"), ("a.d",), 8_000_000)
    made = backups.manifest(selection=part)
    assert manifest.load(written(tmp_path, made.render())) == made
    assert (made.database_bytes, made.left_out, str(made.asked)) == (
        1_000_000,
        ["schema c", "a.a", "a.b", "rows of a.d"],
        "exclude_tables: a.a, a.b",
    )
    assert (backups.manifest().database_bytes, backups.manifest().asked) == (9_000_000, WHOLE)


def test_the_same_content_has_the_same_text() -> None:
    assert backups.manifest().render() == backups.manifest().render()
    assert backups.manifest().sha256 != backups.manifest(id="20261125T211701Z").sha256


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "damaged"),
        ("[]", "damaged"),
        ("null", "damaged"),
        ('{"schema": "endpoint_stats.pg_backup"}', "damaged"),
        ("[" * 100000, "damaged"),
        (backups.manifest().render()[:-40], "damaged"),
        (changed(tables=[]), "its own SHA-256"),
        (changed(sha256="0" * 64), "its own SHA-256"),
        (changed(begun_at="2026-11-25T21:17:01Z"), "its own SHA-256"),
        (signed(schema="another"), "of 'another'"),
        (signed(schema_version=2), "version 2; known is 1"),
        (signed(unknown=1), "damaged"),
        (signed(tables=[{"schema": "public"}]), "damaged"),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ManifestError, match=why) as caught:
        manifest.load(written(tmp_path, text))
    assert caught.value.where == str(tmp_path / manifest.FILE_NAME)


def test_bytes_that_are_no_text_are_damage(tmp_path: Path) -> None:
    (tmp_path / manifest.FILE_NAME).write_bytes(b"\xff\xfe{}")
    with pytest.raises(ManifestError, match="damaged"):
        manifest.load(tmp_path)


def test_none_is_told_from_one_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="has no manifest"):
        manifest.load(tmp_path)
    (tmp_path / manifest.FILE_NAME).mkdir()
    with pytest.raises(ManifestError, match=r"could not be read.*Is a directory"):
        manifest.load(tmp_path)


@pytest.mark.parametrize("path", ["/etc/passwd", "../other/dump", "dump/../../x", "dump//x", "./dump", "", ".", "dump/", "a\0b"])
def test_a_file_outside_of_the_backup_is_refused(tmp_path: Path, path: str) -> None:
    text = replace(backups.manifest(), files=(BackupFile(path, 1, "0" * 64),)).render()
    with pytest.raises(ManifestError, match="outside of the backup"):
        manifest.load(written(tmp_path, text))


def test_a_file_below_is_not(tmp_path: Path) -> None:
    made = replace(backups.manifest(), files=(BackupFile("dump/a..b.dat", 1, "0" * 64),))
    assert manifest.load(written(tmp_path, made.render())) == made


def test_a_file_is_hashed_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a" * 3_000_000)
    assert hash_file(path) == hashlib.sha256(b"a" * 3_000_000).hexdigest()


def test_tables_are_named_as_people_do() -> None:
    assert backups.table("requests", 1).identity == "public.requests"
