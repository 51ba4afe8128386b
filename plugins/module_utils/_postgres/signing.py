# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A manifest that only the holder of a key can have written: HMAC-SHA256 over the text that its own SHA-256 is of."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, replace

from .._errors import OpsError
from .contents import EntryDifference
from .key_file import KeyFile
from .manifest import FILE_NAME, Manifest, Signature

_LEAST_BYTES = 32
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
    file = KeyFile(path, "The key of the manifests", remedy)
    material = file.content().strip(b"\r\n")
    if len(material) < _LEAST_BYTES:
        raise file.not_used(f"it has {len(material)} bytes; at least {_LEAST_BYTES} are a key")
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
