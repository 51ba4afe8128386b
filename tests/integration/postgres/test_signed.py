# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups that are signed and encrypted: made, verified and restored with the keys, without them, and with others."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.integration.postgres import damage, support
from tests.integration.postgres.scene import Scene
from tests.integration.postgres.support import Place

PLANTED = "Planted-key-9f3a7c51d2e84b06a1c7"
KEYS = {"right": PLANTED, "wrong": "another-" + PLANTED}


def key(room: Path, name: str = "right") -> str:
    path = room / f"{name}.key"
    path.write_text(f"{KEYS[name]}\n")
    path.chmod(0o600)
    support.own(path)
    return str(path)


@dataclass(frozen=True)
class Signed:
    """A signed backup that may be damaged."""

    backup: damage.Backup
    room: Path

    def verify(self, *, level: str = "checksum", name: str = "right", **options: Any) -> tuple[str, list[str], str]:
        """The verdict, the kinds of the differences, the reason."""
        outcome = self.backup.verify(self.room, **{"level": level, "manifest_key_file": key(self.room, name), **options})
        assert PLANTED not in outcome.output
        return outcome.result["verdict"], [difference["kind"] for difference in outcome.result["differences"]], outcome.result["reason"]


@pytest.fixture(scope="module")
def made(place: Place) -> Iterator[Path]:
    with place.room() as room:
        outcome = place.good(place.backup(room / "backups", manifest_key_file=key(room)))
        assert PLANTED not in outcome.output
        yield room / "backups"


@pytest.fixture
def signed(place: Place, made: Path, room: Path) -> Signed:
    shutil.copytree(made, room / "backups")
    for path in (room / "backups", *(room / "backups").rglob("*")):
        support.own(path)
    (path,) = (path for path in (room / "backups").iterdir() if path.name.startswith("2"))
    return Signed(damage.Backup(place, path), room)


def test_with_its_key_it_passes(signed: Signed) -> None:
    assert signed.verify(level="full") == ("passed", [], "")
    assert signed.verify(accept_recorded=True)[0] == "passed"
    unasked = signed.backup.verify(signed.room, level="checksum")
    assert (unasked.result["verdict"], unasked.findings()) == ("passed", ["signature_not_checked"])


def test_a_forged_manifest_fails_with_and_without_its_signature(signed: Signed) -> None:
    whole = signed.backup.manifest
    signed.backup.forge(warnings=("forged",))
    assert signed.verify()[:2] == ("failed", ["signature"])
    signed.backup.forge(signature=None)
    assert signed.verify()[:2] == ("failed", ["signature_missing"])
    assert signed.verify(accept_recorded=True)[:2] == ("failed", ["signature_missing"])
    accepted = signed.backup.verify(signed.room, level="checksum", manifest_key_file=key(signed.room), accept_unsigned=True)
    assert (accepted.result["verdict"], accepted.findings()) == ("passed", ["manifest_unsigned"])
    damage.write(signed.backup.path / "manifest.json", replace(whole).render())
    assert signed.verify()[0] == "passed"


def test_another_key_and_none_say_nothing_of_it(signed: Signed) -> None:
    verdict, kinds, reason = signed.verify(name="wrong")
    assert (verdict, kinds, "is signed with the key" in reason) == ("could_not_verify", [], True)
    verdict, kinds, reason = signed.verify(manifest_key_file="/nonexistent")
    assert (verdict, kinds, "No such file" in reason) == ("could_not_verify", [], True)


def test_a_key_that_others_may_read_is_refused_before_anything_is_written(place: Place, room: Path) -> None:
    Path(key(room)).chmod(0o644)
    for check in (True, False):
        outcome = place.backup(room / "backups", check=check, manifest_key_file=str(room / "right.key"))
        assert outcome.failed
        assert "mode is 0644" in outcome.message
        assert PLANTED not in outcome.output
    assert not (room / "backups").exists()


def test_a_restore_looks_at_the_signature(scene: Scene, room: Path) -> None:
    unsigned = scene.run(manifest_key_file=key(room))
    assert (unsigned.failed, "signature_missing" in unsigned.message) == (True, True)
    taken = scene.run({"check": True}, manifest_key_file=key(room), accept_unsigned=True)
    assert not taken.failed, taken.message
    assert scene.databases() == ["endpoint_stats"]
