# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import manifest, signing
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.signing import Key

from tests.unit.plugins.module_utils._postgres import backups

KEY, OTHER = Key(b"Planted-key-" + b"k" * 32), Key(b"o" * 32)
SIGNED = KEY.sign(backups.manifest())


def kinds(made: manifest.Manifest, trusted: Key | None = KEY, *, accept: bool = False) -> list[str]:
    return [difference.kind for difference in signing.differences(made, trusted, accept_unsigned=accept)]


def written(path: Path, content: bytes, mode: int = 0o600) -> str:
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


def test_what_was_signed_is_read_again_and_right(tmp_path: Path) -> None:
    (tmp_path / manifest.FILE_NAME).write_text(SIGNED.render(), encoding="utf-8")
    read = manifest.load(tmp_path)
    assert (read, read.sha256, kinds(read)) == (SIGNED, backups.manifest().sha256, [])


def test_whoever_has_no_key_does_not_ask() -> None:
    assert [kinds(made, None) for made in (SIGNED, backups.manifest())] == [[], []]


def test_a_manifest_that_says_something_else_is_forged() -> None:
    assert kinds(replace(SIGNED, roles=("api", "mallory", "owner"))) == ["signature"]
    assert SIGNED.signature
    assert kinds(replace(SIGNED, signature=replace(SIGNED.signature, hmac_sha256="0" * 64))) == ["signature"]


def test_a_signature_that_was_taken_away_is_missed_unless_nobody_minds() -> None:
    unsigned = replace(SIGNED, signature=None)
    assert (kinds(unsigned), kinds(unsigned, accept=True)) == (["signature_missing"], [])
    assert kinds(replace(SIGNED, warnings=("x",)), accept=True) == ["signature"]


def test_another_key_says_nothing_of_it() -> None:
    with pytest.raises(OpsError, match=f"signed with the key {KEY.id}, the one that was given is {OTHER.id}"):
        kinds(SIGNED, OTHER)


def test_a_key_is_never_shown() -> None:
    for text in (repr(KEY), str(KEY), KEY.id, repr(SIGNED), SIGNED.render()):
        assert "Planted" not in text


@pytest.mark.parametrize(
    ("content", "mode"), [(b"k" * 32, 0o400), (b"k" * 32 + b"\r\n", 0o440), (b"\0" * 64, 0o600), (b"k" * 65536, 0o640)]
)
def test_a_key_is_read_from_a_file_of_ones_own(tmp_path: Path, content: bytes, mode: int) -> None:
    written(tmp_path / "key", content, mode)
    (tmp_path / "link").symlink_to("key")
    for path in (tmp_path / "key", tmp_path / "link"):
        read = signing.key(str(path))
        assert read
        assert read.material == content.strip(b"\r\n")
    assert signing.key("") is None


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (b"Planted", 0o600, "it has 7 bytes; at least 32"),
        (b"Planted" + b"\n" * 60, 0o600, "it has 7 bytes"),
        (b"P" * 70000, 0o600, "it has more than 65536 bytes"),
        (b"P" * 32, 0o604, "mode is 0604"),
        (b"P" * 32, 0o620, "mode is 0620"),
        (b"P" * 32, 0o601, "mode is 0601"),
    ],
)
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes, mode: int, words: str) -> None:
    path = written(tmp_path / "key", content, mode)
    with pytest.raises(OpsError, match=words) as caught:
        signing.key(path)
    assert "Planted" not in str(caught.value)


def test_a_place_without_a_key_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OpsError, match=r"could not be read.*No such file"):
        signing.key(str(tmp_path / "absent"))
    with pytest.raises(OpsError, match="Is a directory"):
        signing.key(str(tmp_path))
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(OpsError, match="it is no file"):
        signing.key(str(tmp_path / "pipe"))
    path = written(tmp_path / "key", b"k" * 32)
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    assert signing.key(path)
    os.chown(path, 54321, -1)
    with pytest.raises(OpsError, match="belongs to user 54321"):
        signing.key(path)
