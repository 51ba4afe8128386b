# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups that are signed and encrypted: made, verified and restored with the keys, without them, and with others."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.integration.app import servers
from tests.integration.postgres import by_hand, damage, support
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
    return Signed(damage.copy_of(place, made, room), room)


def test_with_its_key_it_passes(signed: Signed) -> None:
    assert signed.verify(level="full") == ("passed", [], "")
    cached = signed.verify(level="full", recorded_max_age_seconds=60)
    assert (cached[0], cached[2].startswith("cached: ")) == ("passed", True)
    for how in ({"name": "wrong"}, {"manifest_key_file": "/nonexistent"}):
        assert signed.verify(level="full", recorded_max_age_seconds=60, **how)[0] == "could_not_verify"
    unasked = signed.backup.verify(signed.room, level="checksum")
    assert (unasked.result["verdict"], unasked.findings()) == ("passed", ["signature_not_checked"])


def test_a_forged_manifest_fails_with_and_without_its_signature(signed: Signed) -> None:
    whole = signed.backup.manifest
    signed.backup.forge(warnings=("forged",))
    assert signed.verify()[:2] == ("failed", ["signature"])
    signed.backup.forge(signature=None)
    assert signed.verify()[:2] == ("failed", ["signature_missing"])
    assert signed.verify(recorded_max_age_seconds=60)[:2] == ("failed", ["signature_missing"])
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


@dataclass(frozen=True)
class Identity:
    """A pair of keys of age."""

    path: Path

    @property
    def recipients(self) -> str:
        return str(self.path.with_suffix(".recipients"))


def identity(room: Path, name: str = "identity") -> Identity:
    made = Identity(room / name)
    subprocess.run(["age-keygen", "--output", str(made.path)], check=True, capture_output=True)
    public = subprocess.run(["age-keygen", "-y", str(made.path)], check=True, capture_output=True).stdout
    Path(made.recipients).write_bytes(public)
    for path in (made.path, Path(made.recipients)):
        support.own(path)
    return made


@dataclass(frozen=True)
class Sealed:
    """A backup whose roles are encrypted, and the identity that decrypts them."""

    backup: damage.Backup
    identity: Identity


@pytest.fixture(scope="module")
def sealed(place: Place) -> Iterator[Sealed]:
    with place.room() as room:
        owner = identity(room)
        options: dict[str, Any] = {"globals_recipients_file": owner.recipients, "include_role_passwords": True}
        made = place.good(place.backup(room / "backups", **options)).result
        yield Sealed(damage.Backup(place, Path(made["backup_path"])), owner)


def verdict(sealed: Sealed, room: Path, **options: Any) -> tuple[str, list[str], str]:
    result = sealed.backup.verify(room, **options).result
    return result["verdict"], [difference["kind"] for difference in result["differences"]], result["reason"]


def test_roles_with_their_passwords_are_nowhere_in_plain_text(sealed: Sealed) -> None:
    everything = b"".join(path.read_bytes() for path in sealed.backup.path.rglob("*") if path.is_file())
    assert (b"SCRAM-SHA-256" in everything, b"ALTER ROLE" in everything) == (False, False)
    argv = ["age", "--decrypt", "--identity", str(sealed.identity.path), str(sealed.backup.path / "globals.sql.age")]
    plain = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    assert "CREATE ROLE backup;" in plain
    assert "PASSWORD 'SCRAM-SHA-256$" in plain
    assert sealed.backup.manifest.role_passwords
    assert not (sealed.backup.path / "globals.sql").exists()


def test_with_the_identity_they_are_made_and_compared(sealed: Sealed, room: Path) -> None:
    options = {"globals_identity_file": str(sealed.identity.path), "recorded_max_age_seconds": 60}
    assert verdict(sealed, room, **options) == ("passed", [], "")
    assert verdict(sealed, room, **options)[2].startswith("cached: ")


def test_without_it_everything_else_is_looked_at_and_nothing_is_proven(sealed: Sealed, room: Path) -> None:
    found, kinds, reason = verdict(sealed, room)
    assert (found, kinds) == ("could_not_verify", [])
    assert "The roles were not looked at; everything else is as it should be" in reason
    lower = sealed.backup.verify(room, level="data")
    assert (lower.result["verdict"], "roles_not_verified" in lower.findings()) == ("passed", True)
    stranger = str(identity(room, "stranger").path)
    found, kinds, reason = verdict(sealed, room, globals_identity_file=stranger, recorded_max_age_seconds=60)
    assert (found, kinds, "no identity matched" in reason) == ("could_not_verify", [], True)
    assert "no such file" in verdict(sealed, room, globals_identity_file="/nonexistent")[2]


def test_damage_is_found_without_the_identity_and_in_what_is_encrypted(sealed: Sealed, room: Path) -> None:
    damaged = Sealed(damage.copy_of(sealed.backup.place, sealed.backup.repository, room), sealed.identity)
    whole = damaged.backup.manifest
    table = replace(whole.tables[0], rows=whole.tables[0].rows + 1)
    damaged.backup.forge(tables=(table, *whole.tables[1:]))
    assert verdict(damaged, room)[:2] == ("failed", ["rows"])
    damaged.backup.forge(tables=whole.tables)
    damaged.backup.replace("globals.sql.age", damage.flipped(-3 % (damaged.backup.path / "globals.sql.age").stat().st_size), reseal=True)
    assert verdict(damaged, room, globals_identity_file=str(sealed.identity.path))[:2] == ("failed", ["roles"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"globals_recipients_file": "/nonexistent"}, "no such file"),
        ({"globals_recipients_file": "/etc/hostname"}, "malformed recipient"),
        ({"include_role_passwords": True}, "not backed up without encryption"),
    ],
)
def test_what_cannot_be_encrypted_is_refused_before_anything_is_written(
    place: Place, room: Path, options: dict[str, Any], words: str
) -> None:
    outcome = place.backup(room / "backups", **options)
    assert outcome.failed
    assert words in outcome.message
    assert not (room / "backups").exists()


def test_passwords_that_the_role_may_not_read_are_refused(place: Place, room: Path) -> None:
    recipients = identity(room).recipients
    sql = place.postgresql.sql
    sql("REVOKE pg_read_all_data FROM backup; GRANT SELECT ON ALL TABLES IN SCHEMA public TO backup", "endpoint_stats")
    sql("GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO backup; GRANT USAGE ON SCHEMA public TO backup", "endpoint_stats")
    try:
        outcome = place.backup(room / "backups", globals_recipients_file=recipients, include_role_passwords=True)
    finally:
        sql("GRANT pg_read_all_data TO backup")
        place.create_database()
    assert outcome.failed
    assert "may not read the passwords" in outcome.message


def test_the_guide_brings_encrypted_roles_back(sealed: Sealed, room: Path, empty_server: servers.PostgreSQL) -> None:
    typist = by_hand.hand(sealed.backup.path, empty_server, IDENTITY=str(sealed.identity.path), DUMP=str(room / "plain"))
    typist.type("Decompress the dump")
    typist.type("On a server that has neither the roles nor the database")
    assert empty_server.sql("SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'backup'") == "t"
    assert empty_server.sql("SELECT count(*) > 0 FROM requests") == "t"
