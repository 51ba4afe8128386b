# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles of a server, encrypted for who has an identity of age or a passphrase: by what, in which file, and how it is opened."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .._errors import OpsError
from .._temporary import memory
from . import encryption, passphrase

AGE, GPG = "globals.sql.age", "globals.sql.gpg"
# What brings the statements back by hand.
COMMANDS = {
    AGE: f'age --decrypt --identity "$IDENTITY" {AGE}',
    GPG: f'gpg --batch --no-autostart --pinentry-mode loopback --passphrase-file "$PASSPHRASE" --decrypt {GPG}',
}
NEEDED = {
    AGE: "the program `age`, and its identity in the file named by `IDENTITY`",
    GPG: "the program `gpg`, and the passphrase in the file named by `PASSPHRASE`",
}
_OPTIONS = {AGE: "the identity with globals_identity_file", GPG: "the passphrase with globals_passphrase_file"}


@dataclass(frozen=True)
class Sealing:
    """How the roles of a backup are encrypted; not at all where no file is named."""

    recipients_file: str = ""
    passphrase_file: str = ""

    def __post_init__(self) -> None:
        if self.recipients_file and self.passphrase_file:
            remedy = "Name the recipients or the passphrase; whoever has either could read them."
            raise OpsError("globals_recipients_file and globals_passphrase_file exclude each other", remedy=remedy)

    @property
    def name(self) -> str:
        """Of the file that it makes; empty for none."""
        return AGE if self.recipients_file else GPG if self.passphrase_file else ""

    def refuse(self) -> None:
        """What would keep a backup from being encrypted, before it is made."""
        with memory() as nowhere:
            self._encrypt(b"", nowhere.path)

    def encrypt(self, plain: bytes, directory: Path) -> None:
        self._encrypt(plain, str(directory / self.name))

    def _encrypt(self, plain: bytes, destination: str) -> None:
        if self.recipients_file:
            encryption.encrypt(plain, self.recipients_file, destination)
        elif self.passphrase_file:
            passphrase.encrypt(plain, self.passphrase_file, destination)


@dataclass(frozen=True)
class Keys:
    """What opens the roles of backups; a directory may have some of each kind."""

    identity_file: str = ""
    passphrase_file: str = ""

    def of(self, name: str) -> str:
        """The file for an encrypted one of this name; empty for none."""
        return {AGE: self.identity_file, GPG: self.passphrase_file}.get(name, "")

    def decrypt(self, source: Path) -> bytes:
        opened = {AGE: encryption.decrypt, GPG: passphrase.decrypt}
        return opened[source.name](source, self.of(source.name))


def sealed(directory: Path) -> Path | None:
    """The encrypted file of a backup; none where its roles are not."""
    return next((directory / name for name in (AGE, GPG) if (directory / name).exists()), None)


def named(paths: Iterable[str]) -> str:
    """The encrypted one of these files; empty for none."""
    known = set(paths)
    return next((name for name in (AGE, GPG) if name in known), "")


def remedy(name: str) -> str:
    """What lets a verification see the roles in a file."""
    return f"Name {_OPTIONS[name]}."
