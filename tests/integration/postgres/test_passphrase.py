# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles of a backup, encrypted with a passphrase: nobody reads them without it, damage is noticed, and gpg leaves nothing behind."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import encryption, passphrase

from tests.integration.app import servers
from tests.integration.postgres import by_hand, damage, support
from tests.integration.postgres.support import Place, processes

PACKAGES = ("gpg",)
PLANTED = "Planted-passphrase-mX4wQ9 \u00e4"
_PLAIN = b"CREATE ROLE planted PASSWORD 'x';\n" * 100


def file(room: Path, text: str = PLANTED, name: str = "passphrase") -> str:
    """One of the user that the modules run as."""
    path = ours(room, text, name=name)
    support.own(Path(path))
    return path


def ours(room: Path, text: str = PLANTED, *, name: str = "passphrase", mode: int = 0o600) -> str:
    """One of our own."""
    path = room / name
    path.write_text(f"{text}\n", encoding="utf-8")
    path.chmod(mode)
    return str(path)


@dataclass(frozen=True)
class Sealed:
    """A backup whose roles are encrypted, and the file with the passphrase."""

    backup: damage.Backup
    passphrase: str

    def verify(self, room: Path, **options: Any) -> tuple[str, list[str], str]:
        """The verdict, the kinds of the differences, the reason."""
        outcome = self.backup.verify(room, **{"globals_passphrase_file": self.passphrase, "level": "data", **options})
        assert PLANTED not in outcome.output
        return outcome.result["verdict"], [difference["kind"] for difference in outcome.result["differences"]], outcome.result["reason"]


@pytest.fixture(scope="module")
def sealed(place: Place) -> Iterator[Sealed]:
    servers.install(PACKAGES)
    with place.room() as room:
        options: dict[str, Any] = {"globals_passphrase_file": file(room), "include_role_passwords": True}
        outcome = place.good(place.backup(room / "backups", **options))
        assert PLANTED not in outcome.output
        yield Sealed(damage.Backup(place, Path(outcome.result["backup_path"])), options["globals_passphrase_file"])


def test_roles_with_their_passwords_are_nowhere_in_plain_text(sealed: Sealed) -> None:
    everything = b"".join(path.read_bytes() for path in sealed.backup.path.rglob("*") if path.is_file())
    assert (b"SCRAM-SHA-256" in everything, b"ALTER ROLE" in everything) == (False, False)
    assert (sealed.backup.manifest.role_passwords, (sealed.backup.path / "globals.sql").exists()) == (True, False)
    assert nothing_left()


def nothing_left() -> bool:
    """No agent, no directory of gpg."""
    agents = [words for words in processes(Path("endpoint-stats-gpg-")).values() if "gpg" in words]
    return (agents, list(Path(tempfile.gettempdir()).glob("endpoint-stats-gpg-*"))) == ([], [])


def test_with_the_passphrase_they_are_made_and_compared_and_next_time_opened(sealed: Sealed, room: Path) -> None:
    assert sealed.verify(room) == ("passed", [], "")
    assert sealed.verify(room, recorded_max_age_seconds=60)[2].startswith("cached: ")
    wrong = file(room, "another passphrase, which is wrong", "wrong")
    verdict, kinds, reason = sealed.verify(room, globals_passphrase_file=wrong, recorded_max_age_seconds=60)
    assert (verdict, kinds, "The roles could not be decrypted" in reason) == ("could_not_verify", [], True)
    assert nothing_left()


def test_without_it_everything_else_is_looked_at_and_nothing_is_proven(sealed: Sealed, room: Path) -> None:
    verdict, kinds, reason = sealed.verify(room, globals_passphrase_file="", level="full")
    assert (verdict, kinds, "globals_passphrase_file" in reason) == ("could_not_verify", [], True)
    assert "The roles were not looked at; everything else is as it should be" in reason


def test_damage_in_what_is_encrypted_has_failed(sealed: Sealed, room: Path) -> None:
    damaged = Sealed(damage.copy_of(sealed.backup.place, sealed.backup.repository, room), sealed.passphrase)
    size = (damaged.backup.path / "globals.sql.gpg").stat().st_size
    damaged.backup.replace("globals.sql.gpg", damage.flipped(size - 3), reseal=True)
    verdict, kinds, reason = damaged.verify(room)
    assert (verdict, kinds, "has been manipulated" in reason) == ("failed", ["roles"], True)


def test_the_guide_brings_them_back(sealed: Sealed, room: Path, empty_server: servers.PostgreSQL) -> None:
    typist = by_hand.hand(sealed.backup.path, empty_server, PASSPHRASE=sealed.passphrase, DUMP=str(room / "plain"), GNUPGHOME=str(room))
    room.chmod(0o700)
    typist.type("Decompress the dump")
    typist.type("On a server that has neither the roles nor the database")
    assert empty_server.sql("SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'backup'") == "t"


REFUSED: dict[str, tuple[Callable[[Path], str], str]] = {
    "none": (lambda _room: "/nonexistent", "No such file"),
    "a directory": (str, "Is a directory"),
    "one that others may read": (lambda room: ours(room, mode=0o644), "mode is 0644"),
    "one that the group may change": (lambda room: ours(room, mode=0o660), "mode is 0660"),
    "one that is short": (lambda room: ours(room, "short"), "it has 5 bytes"),
    "one that is long": (lambda room: ours(room, 256 * "x"), "it has 256 bytes"),
    "two lines": (lambda room: ours(room, f"{PLANTED}\nmore"), "more than one line"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_passphrase_is_refused_that_is_in(name: str, tmp_path: Path) -> None:
    make, words = REFUSED[name]
    with pytest.raises(OpsError, match="The passphrase of the roles") as error:
        passphrase.encrypt(_PLAIN, make(tmp_path), str(tmp_path / "sealed"))
    assert words in str(error.value)
    assert PLANTED not in str(error.value)
    assert not (tmp_path / "sealed").exists()


@pytest.mark.parametrize("check", [True, False])
def test_what_cannot_be_encrypted_is_refused_before_anything_is_written(place: Place, room: Path, check: bool) -> None:
    both: dict[str, Any] = {"globals_passphrase_file": file(room), "globals_recipients_file": "/etc/hostname"}
    missing: dict[str, Any] = {"globals_passphrase_file": "/nonexistent"}
    for options, words in ((both, "exclude each other"), (missing, "No such file")):
        outcome = place.backup(room / "backups", check=check, **options)
        assert (outcome.failed, words in outcome.message) == (True, True)
    assert not (room / "backups").exists()


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, str]:
    """What gpg makes of statements, and the file of the passphrase."""
    servers.install(PACKAGES)
    room = tmp_path_factory.mktemp("passphrase")
    secret = ours(room)
    passphrase.encrypt(_PLAIN, secret, str(room / "sealed"))
    return (room / "sealed").read_bytes(), secret


def opened(data: bytes, secret: str, room: Path) -> bytes:
    (room / "globals.sql.gpg").write_bytes(data)
    return passphrase.decrypt(room / "globals.sql.gpg", secret)


def test_it_comes_back_by_its_passphrase_alone(encrypted: tuple[bytes, str], tmp_path: Path) -> None:
    data, secret = encrypted
    assert opened(data, secret, tmp_path) == _PLAIN
    with pytest.raises(OpsError, match="could not be decrypted") as error:
        opened(data, ours(tmp_path, "another passphrase, which is wrong"), tmp_path)
    assert not isinstance(error.value, encryption.DamagedError)
    assert nothing_left()


# Where gpg cannot tell it from another passphrase, in the salt and what follows that, it is left out.
CHANGED: dict[str, Callable[[bytes], bytes]] = {
    "the head": damage.flipped(0),
    "its length": damage.flipped(1),
    "a statement": lambda data: damage.flipped(len(data) // 2)(data),
    "the sum of all": lambda data: damage.flipped(len(data) - 1)(data),
    "the end": lambda data: data[:-1],
    "half of it": lambda data: data[: len(data) // 2],
    "all but the first packet": lambda data: data[:15],
    "everything": lambda _data: b"",
}


@pytest.mark.parametrize("what", CHANGED)
def test_damage_is_told_from_a_wrong_passphrase(what: str, encrypted: tuple[bytes, str], tmp_path: Path) -> None:
    data, secret = encrypted
    with pytest.raises(encryption.DamagedError, match="cannot be decrypted"):
        opened(CHANGED[what](data), secret, tmp_path)
