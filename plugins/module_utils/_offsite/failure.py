# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What it means when rclone fails, by its exit status and its words."""

from __future__ import annotations

import re

from .._completed import killed
from .._errors import OpsError

_NOT_FOUND = 3
_UNREACHABLE = (
    "connection refused|connection reset|no such host|server misbehaving|i/o timeout|timeout awaiting|TLS handshake timeout"
    "|no route to host|network is unreachable|context deadline exceeded|broken pipe|RequestTimeout|ServiceUnavailable"
    "|InternalError|SlowDown|status code: 5\\d\\d|couldn't connect SSH|connection lost|RequestError: send request failed"
)
_NO_TRUST = "x509|certificate is not trusted|knownhosts"
_REFUSED = (
    "SignatureDoesNotMatch|InvalidAccessKeyId|AccessDenied|Forbidden|Unauthorized|status code: 40[13]|unable to authenticate"
    "|ExpiredToken|InvalidClientTokenId|permission denied|invalid_grant"
)
_FULL = "no space left on device|file too big for remaining disk space"
# A connection that ends in the middle. What is encrypted and was changed ends so as well, for rclone.
_CUT = "unexpected EOF|EOF$"
_DAMAGED = "unexpected EOF|corrupted on transfer|failed to authenticate decrypted block|not an encrypted file|file is too short"
_BAD_TRUST = (
    "The off-site's certificate is not trusted",
    "Name its authority in ca_file; for SFTP its key in known_hosts_file of config_file.",
)
_BAD_KEYS = ("The off-site refuses the credentials", "Look at the keys in config_file, and at what they may.")
_CHANGED = ("Bytes have changed on the way, or where they lie", "Run it again; if it stays so, look at the service and its disks.")
_NO_ROOM = ("The disk here is full", "Make room there; the next run goes on where this one stopped.")
_SILENT = ("The off-site does not answer", "Look at the network and at the service; nothing is lost.")


class UnreachableError(OpsError):
    """Nobody answers, or not to the end; it may be otherwise in a while."""


class DamagedError(OpsError):
    """What was read is not what was written."""


class RefusedError(OpsError):
    """It answers, and does not do it for us."""


class MissingError(OpsError):
    """There is no such bucket, directory or file."""


def understood(command: str, returncode: int, said: str, *, where: str, encrypts: bool) -> OpsError:
    """What the words of a command that failed mean; a remote that encrypts cannot tell what was changed from a connection that was cut."""
    if returncode < 0:
        return killed(f"rclone {command} was killed", where, -returncode)
    known: list[tuple[str, type[OpsError], tuple[str, str]]] = [
        (_FULL, OpsError, _NO_ROOM),
        (_NO_TRUST, OpsError, _BAD_TRUST),
        (_REFUSED, RefusedError, _BAD_KEYS),
        (_UNREACHABLE, UnreachableError, _SILENT),
        *([] if encrypts else [(_CUT, UnreachableError, _SILENT)]),
        (_DAMAGED, DamagedError, _CHANGED),
    ]
    for pattern, kind, (summary, remedy) in known:
        if re.search(pattern, said):
            return kind(summary, where=where, cause=said, remedy=remedy)
    if returncode == _NOT_FOUND:
        remedy = "Make the bucket or the directory, or correct remote; it is not made by itself."
        return MissingError("The off-site has no such bucket or directory", where=where, cause=said, remedy=remedy)
    cause = f"exit status {returncode}: {said or 'it said nothing'}"
    return OpsError(f"rclone {command} failed", where=where, cause=cause, remedy="Look at config_file and at the service.")
