# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and directories as they should be: compared first, written whole under a temporary name, then renamed."""

from __future__ import annotations

import hashlib
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path

from ._errors import OpsError
from ._temporary import locked_sibling


@dataclass(frozen=True)
class Wanted:
    """One file or directory; C(data) is none for a directory, C(text) says whether a diff may show it."""

    path: Path
    mode: int
    data: bytes | None
    text: bool = True


@dataclass(frozen=True)
class Difference:
    """What differs at a path: before and after, as a diff shows them."""

    path: str
    before: str
    after: str

    def to_diff(self) -> dict[str, str]:
        return {
            "before_header": self.path,
            "after_header": self.path,
            "before": self.before,
            "after": self.after,
        }


def members(archive: str, names: list[str]) -> dict[str, bytes]:
    """The contents of some members of a tar archive, read in one pass."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r|*") as opened:
            for entry in opened:
                content = opened.extractfile(entry) if entry.name in names else None
                if content is not None:
                    found[entry.name] = content.read()
        missing = [name for name in names if name not in found]
        if missing:
            raise KeyError(f"it has no file {', '.join(missing)}")
    except (OSError, tarfile.TarError, KeyError) as error:
        raise OpsError(
            f"{archive} could not be read",
            cause=str(error),
            remedy="Check that the archive is the release it is meant to be.",
        ) from error
    return found


def difference(wanted: Wanted) -> Difference | None:
    """What would change, without changing it; none where all is as it should be."""
    path = wanted.path
    kind = "directory" if wanted.data is None else "file"
    after = _described(wanted.data, wanted.mode, wanted.text)
    if not path.exists():
        return Difference(str(path), "", after or f"{kind}, mode {wanted.mode:04o}\n")
    status = path.stat()
    if (wanted.data is None) != path.is_dir():
        raise OpsError(f"{path} should be a {kind} and is none", remedy="Move it away and run again.")
    data = None if wanted.data is None else path.read_bytes()
    same_owner = (status.st_uid, status.st_gid) == (os.geteuid(), os.getegid())
    mode = status.st_mode & 0o7777
    if data == wanted.data and mode == wanted.mode and same_owner:
        return None
    if data == wanted.data:
        owner = f"owner {status.st_uid}:{status.st_gid}, mode {mode:04o}\n"
        return Difference(str(path), owner, f"owner {os.geteuid()}:{os.getegid()}, mode {wanted.mode:04o}\n")
    return Difference(str(path), _described(data, mode, wanted.text), after)


def write(wanted: Wanted) -> None:
    """Puts it there, whole or not at all; missing parents get mode 0755. What was there stays until the new content is on disk."""
    try:
        _put(wanted)
    except OSError as error:
        raise OpsError(
            f"{wanted.path} could not be written",
            cause=error.strerror or str(error),
            remedy="What was there before is unchanged; give the disk room or the directory its rights, and run again.",
        ) from error


def _put(wanted: Wanted) -> None:
    path = wanted.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if wanted.data is None:
        path.mkdir(exist_ok=True)
        path.chmod(wanted.mode)
        os.chown(path, os.geteuid(), os.getegid())
        return
    descriptor, temporary = locked_sibling(path)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(wanted.data)
            stream.flush()
            os.fchmod(stream.fileno(), wanted.mode)
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink()
        raise
    sync_directory(path.parent)


def sync_tree(directory: Path) -> None:
    """Everything that others have written below it survives a power cut."""
    for path in (*directory.rglob("*"), directory):
        _sync(path)


def sync_directory(directory: Path) -> None:
    """A name that was made, moved or removed in it survives a power cut."""
    _sync(directory, os.O_DIRECTORY)


def _sync(path: Path, how: int = 0) -> None:
    descriptor = os.open(path, os.O_RDONLY | how)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _described(data: bytes | None, mode: int, text: bool) -> str:
    if data is None:
        return ""
    if text:
        return data.decode("utf-8", errors="replace")
    return f"sha256 {hashlib.sha256(data).hexdigest()}, {len(data)} bytes, mode {mode:04o}\n"
