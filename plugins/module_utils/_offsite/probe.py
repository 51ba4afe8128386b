# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is what was promised true: can what lies there be changed by whoever has our keys?"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from .._errors import OpsError
from .failure import UnreachableError
from .rclone import Rclone

# Without a dot: the name of a version has its time before what looks like an ending.
_NAME = "immutability-probe-"
_CONTENT, _OTHER = b"probe\n", b"overwritten\n"


def is_immutable(rclone: Rclone) -> bool:
    """Whether a file that was written stays readable when it is deleted, in each of its versions, and overwritten.

    Where objects are locked a deletion only hides them, so that the versions count. There is one file a day: under a lock it stays.
    """
    root = (rclone.inner or rclone.path()).rstrip("/")
    name = f"{_NAME}{datetime.now(UTC):%Y%m%d}"
    where = f"{root}{'' if root.endswith(':') else '/'}"
    if not _versions(rclone, root, name):
        rclone.send(_CONTENT, f"{where}{name}")
    _try(rclone, "deletefile", f"{where}{name}")
    for version in _versions(rclone, root, name):
        _try(rclone, "deletefile", "--s3-versions", f"{where}{version}")
    left = _versions(rclone, root, name)
    if name in left:
        # It could not even be hidden.
        try:
            rclone.send(_OTHER, f"{where}{name}")
        except UnreachableError:
            raise
        except OpsError:
            return True
        left = _versions(rclone, root, name)
    return len(_CONTENT) in left.values()


def _versions(rclone: Rclone, root: str, name: str) -> dict[str, int]:
    """The file and what S3 keeps of it, with their sizes."""
    listed = rclone.run("lsjson", "--files-only", "--no-modtime", "--no-mimetype", "--s3-versions", f"--include=/{name}*", root)
    return {str(entry["Name"]): int(entry["Size"]) for entry in json.loads(listed.stdout or "[]")}


def _try(rclone: Rclone, *words: str) -> None:
    """Being refused is what is hoped for."""
    try:
        rclone.run(*words)
    except UnreachableError:
        raise
    except OpsError:
        return
