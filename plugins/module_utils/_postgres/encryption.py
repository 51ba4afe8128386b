# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles of a server, encrypted by age; as plain text they are in memory alone."""

from __future__ import annotations

import shutil
from pathlib import Path

from .._errors import OpsError
from .._process import run
from .._temporary import memory

TIMEOUT_SECONDS = 60
# What age says of bytes that are not what it has written, whoever reads them.
_DAMAGED = ("failed to read header", "payload chunk")


class DamagedError(OpsError):
    """What was encrypted cannot be brought back by anybody."""


def encrypt(plain: bytes, recipients_file: str, destination: str) -> None:
    with memory(plain) as source:
        argv = [program("age"), "--encrypt", "--recipients-file", recipients_file, "--output", destination, source.path]
        remedy = "Name a file with a recipient of age in each line, as age-keygen -y prints it."
        run(argv, timeout_seconds=TIMEOUT_SECONDS).check("The roles could not be encrypted", remedy=remedy)


def decrypt(source: Path, identity_file: str) -> bytes:
    with memory() as destination:
        argv = [program("age"), "--decrypt", "--identity", identity_file, "--output", destination.path, str(source)]
        done = run(argv, timeout_seconds=TIMEOUT_SECONDS)
        if done.returncode and any(words in done.stderr for words in _DAMAGED):
            raise DamagedError("The roles cannot be decrypted", where=source.name, cause=done.stderr.strip())
        done.check("The roles could not be decrypted", remedy="Name the identity of a recipient that the backup was encrypted for.")
        return destination.content()


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        remedy = f"Install the package {name} on the host the operation runs on."
        raise OpsError(f"There is no program {name}, which encrypts and decrypts the roles", where="PATH", remedy=remedy)
    return found
