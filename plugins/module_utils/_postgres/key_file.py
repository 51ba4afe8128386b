# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files with a secret: who else may read or change them, and what is in them."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from .._errors import OpsError

_MOST_BYTES = 1 << 16


@dataclass(frozen=True)
class KeyFile:
    """One such file; C(what) is in it, and C(remedy) says how to make another one. The secret is never shown."""

    path: str
    what: str
    remedy: str

    def content(self) -> bytes:
        """What only its owner and group may read, and its owner alone may change."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as stream:
                refusal = _refusal(os.fstat(descriptor))
                found = b"" if refusal else stream.read(_MOST_BYTES + 1)
        except OSError as error:
            raise OpsError(f"{self.what} could not be read", where=self.path, cause=str(error.strerror), remedy=self.remedy) from error
        if refusal or len(found) > _MOST_BYTES:
            raise self.not_used(refusal or f"it has more than {_MOST_BYTES} bytes")
        return found

    def not_used(self, cause: str) -> OpsError:
        return OpsError(f"{self.what} is not used", where=self.path, cause=cause, remedy=self.remedy)


def _refusal(status: os.stat_result) -> str:
    """Why a file is no place for a key. The group may read it, as it does where a Secret is mounted."""
    if not stat.S_ISREG(status.st_mode):
        return "it is no file"
    if status.st_mode & (stat.S_IRWXO | stat.S_IWGRP):
        return f"its mode is {stat.S_IMODE(status.st_mode):04o}: others may read or change it"
    if status.st_uid not in (0, os.geteuid()):
        return f"it belongs to user {status.st_uid}"
    return ""
