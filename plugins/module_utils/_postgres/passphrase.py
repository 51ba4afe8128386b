# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles of a server, encrypted with a passphrase by gpg; as plain text they are in memory alone.

It has no keyring, asks no agent and starts none: nothing of it is left. What was changed on the way is noticed, as it authenticates.
"""

from __future__ import annotations

from pathlib import Path

from .._completed import Completed
from .._process import run
from .._temporary import memory, private_directory
from .encryption import TIMEOUT_SECONDS, DamagedError, program
from .key_file import KeyFile

_LEAST_BYTES, _MOST_BYTES = 16, 255
# The most that it can do against who tries passphrases.
_STRETCHED = ("--s2k-mode", "3", "--s2k-digest-algo", "SHA512", "--s2k-count", "65011712")
_HOME_PREFIX = "endpoint-stats-gpg-"
_OKAY, _WRONG, _DAMAGED = "[GNUPG:] DECRYPTION_OKAY", "BAD_PASSPHRASE", ("[GNUPG:] DECRYPTION_FAILED", "[GNUPG:] NODATA")


def encrypt(plain: bytes, passphrase_file: str, destination: str) -> None:
    with memory(plain) as source:
        argv = ["--symmetric", "--cipher-algo", "AES256", *_STRETCHED, "--compress-algo", "none", "--set-filename", ""]
        _gpg(passphrase_file, *argv, "--output", destination, source.path).check("The roles could not be encrypted")


def decrypt(source: Path, passphrase_file: str) -> bytes:
    with memory() as destination:
        done = _gpg(passphrase_file, "--decrypt", "--output", destination.path, str(source))
        if done.returncode == 0 and _OKAY in done.stdout:
            return destination.content()
        # It ends well as well where it has decrypted nothing. One wrong passphrase of 65536 is not told from damage by gpg itself.
        damaged = done.returncode == 0 or any(words in done.stdout for words in _DAMAGED)
        if damaged and _WRONG not in done.stdout:
            raise DamagedError("The roles cannot be decrypted", where=source.name, cause=done.stderr.strip() or "it ends too early")
        done.check("The roles could not be decrypted", remedy="Name the file of the passphrase that the backup was made with.")
        return b""


def _gpg(passphrase_file: str, *words: str) -> Completed:
    # As gpg reads it by hand: a line, whatever its end is on other systems.
    with private_directory(_HOME_PREFIX) as home, memory(_passphrase(passphrase_file)) as secret:
        alone = ["--no-options", "--homedir", str(home), "--no-keyring", "--no-random-seed-file", "--no-autostart", "--no-symkey-cache"]
        unasked = ["--batch", "--yes", "--no-tty", "--pinentry-mode", "loopback", "--passphrase-file", secret.path, "--status-fd", "1"]
        return run([program("gpg"), *alone, *unasked, *words], timeout_seconds=TIMEOUT_SECONDS, environment={}, inherit=False)


def _passphrase(path: str) -> bytes:
    remedy = "Make it with: (umask 077; openssl rand -base64 32 > FILE), and give it to the user that runs the operation."
    file = KeyFile(path, "The passphrase of the roles", remedy)
    line, _end, more = file.content().partition(b"\n")
    if more:
        raise file.not_used("it has more than one line, of which gpg would take the first")
    if not _LEAST_BYTES <= len(line) <= _MOST_BYTES:
        raise file.not_used(f"it has {len(line)} bytes; at least {_LEAST_BYTES} and at most {_MOST_BYTES} are a passphrase")
    return line
