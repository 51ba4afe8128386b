# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A manifest that only the holder of a key can have written: HMAC-SHA256 over the text that its own SHA-256 is of."""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace

from .._errors import OpsError
from .contents import EntryDifference
from .manifest import FILE_NAME, Manifest, Signature

_LEAST_BYTES = 32
_MOST_BYTES = 1 << 16
_ID_CHARACTERS = 16


@dataclass(frozen=True, repr=False)
class Key:
    """Bytes that are never shown; C(id) tells keys apart and says nothing of them."""

    material: bytes

    @property
    def id(self) -> str:
        return self._of("endpoint_stats.pg_backup key")[:_ID_CHARACTERS]

    def sign(self, manifest: Manifest) -> Manifest:
        return replace(manifest, signature=Signature(self.id, self._of(manifest.signed_text)))

    def has_signed(self, manifest: Manifest) -> bool:
        said = manifest.signature.hmac_sha256 if manifest.signature else ""
        return hmac.compare_digest(said.encode(), self._of(manifest.signed_text).encode())

    def _of(self, text: str) -> str:
        return hmac.new(self.material, text.encode(), hashlib.sha256).hexdigest()


def key(path: str) -> Key | None:
    """The key of a file that nobody else can read or change; none where no file is named."""
    if not path:
        return None
    remedy = "Make it with: (umask 077; openssl rand -hex 32 > FILE), and give it to the user that runs the operation."
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            refusal = _refusal(os.fstat(descriptor))
            material = b"" if refusal else stream.read(_MOST_BYTES + 1).strip(b"\r\n")
    except OSError as error:
        raise OpsError("The key of the manifests could not be read", where=path, cause=str(error.strerror), remedy=remedy) from error
    if not refusal and not _LEAST_BYTES <= len(material) <= _MOST_BYTES:
        refusal = f"it has {len(material)} bytes; at least {_LEAST_BYTES} and at most {_MOST_BYTES} are a key"
    if refusal:
        raise OpsError("The key of the manifests is not used", where=path, cause=refusal, remedy=remedy)
    return Key(material)


def differences(manifest: Manifest, trusted: Key | None, *, accept_unsigned: bool) -> Iterator[EntryDifference]:
    """What is wrong with its signature. Another key than ours says nothing of the manifest, and is an error."""
    if trusted is None:
        return
    if manifest.signature is None:
        if not accept_unsigned:
            # Who can write the manifest can also take its signature away.
            yield EntryDifference("signature_missing", FILE_NAME, f"signed with the key {trusted.id}", "not signed")
    elif manifest.signature.key_id != trusted.id:
        cause = f"it is signed with the key {manifest.signature.key_id}, the one that was given is {trusted.id}"
        remedy = "Give the key that it was made with."
        raise OpsError("Nobody can say who has written the manifest", where=manifest.id, cause=cause, remedy=remedy)
    elif not trusted.has_signed(manifest):
        yield EntryDifference("signature", FILE_NAME, f"what the key {trusted.id} has signed", "something else, under its signature")


def _refusal(status: os.stat_result) -> str:
    """Why a file is no place for a key. The group may read it, as it does where a Secret is mounted."""
    if not stat.S_ISREG(status.st_mode):
        return "it is no file"
    if status.st_mode & (stat.S_IRWXO | stat.S_IWGRP):
        return f"its mode is {stat.S_IMODE(status.st_mode):04o}: others may read or change it"
    if status.st_uid not in (0, os.geteuid()):
        return f"it belongs to user {status.st_uid}"
    return ""
