# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a verdict on record is an answer, and of the backup nothing but its manifest has to be read.

What a file's times tell is that nobody has written it. A disk that loses a bit changes no time, so no verdict is an answer for ever."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from .._progress import Progress
from . import files, sealing
from .examine import identify
from .manifest import FILE_NAME, Manifest
from .records import Records
from .verdict import FAILED, LEVELS, PASSED, Asked, Seen
from .verified import Order

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """A verdict on record, what was seen of the backup now, and the bytes that were read for it."""

    entry: Entry
    seen: Seen
    read_bytes: int

    @property
    def told(self) -> dict[str, Any]:
        """What of it are keys of the module's result."""
        kept = {name: self.entry.get(name) for name in ("level", "restore_seconds")}
        return {**kept, "recorded_at": str(self.entry["at"]), "cached": True, "read_bytes": self.read_bytes}


def answer(path: Path, records: Records, order: Order, asked: Asked, progress: Progress) -> Answer | None:
    """The newest verdict on this very manifest and these files that meets all that is asked; none where the backup has to be read."""
    young = [entry for entry in _since_failed(records, path.name) if 0 <= _age(entry) <= order.recorded_max_age_seconds]
    if not order.recorded_max_age_seconds or not young:
        return None
    seen = identify(path, asked, progress)
    if seen.verdict or seen.manifest is None:
        return None
    encrypted = sealing.sealed(path)
    opened = [encrypted] if encrypted and asked.keys.of(encrypted.name) else []
    wanted = {"verdict": PASSED, "manifest_sha256": seen.manifest.sha256, "fingerprint": files.fingerprint(path)}
    for entry in young:
        same = all(entry.get(name) == value for name, value in wanted.items())
        if same and _meets(entry, asked, seen.manifest, opened):
            seen.verdict, seen.roles_unseen = PASSED, not entry.get("roles_seen")
            seen.reason = f"cached: the verdict of {entry['at']}, as nobody has touched the files since"
            seen.scratch_version, seen.structure = str(entry.get("scratch_version", "")), str(entry.get("structure", ""))
            return Answer(entry, seen, sum(file.stat().st_size for file in (path / FILE_NAME, *opened)))
    return None


def _since_failed(records: Records, backup: str) -> Iterator[Entry]:
    """The newest first; what failed is read again whatever was said of it before."""
    for entry in reversed(records.verifications(backup)):
        if entry.get("verdict") == FAILED:
            return
        yield entry


def _meets(entry: Entry, asked: Asked, manifest: Manifest, opened: Sequence[Path]) -> bool:
    """Whether no less was looked at, and as it is asked for. What the manifest tells, and the keys, are looked at anew."""
    level, major = entry.get("level"), str(entry.get("scratch_version", "")).partition(".")[0]
    return (
        level in LEVELS
        and LEVELS.index(str(level)) >= LEVELS.index(asked.level)
        and bool(entry.get("amcheck") or not asked.amcheck)
        and bool(entry.get("roles_seen") or not opened)
        and (asked.accept_newer_server or major in ("", str(manifest.server.major)))
    )


def _age(entry: Entry) -> float:
    """Of a verdict, in seconds; negative, which is no answer, where the clock was set back or the record tells no time."""
    with suppress(ValueError, TypeError):
        return time.time() - datetime.fromisoformat(str(entry.get("at"))).timestamp()
    return -1
