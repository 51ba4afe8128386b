# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of a directory, one line each, every line holding the SHA-256 of the line before.

chain.jsonl   {"sequence": 7, "previous": "<SHA-256 of line 6>", "kind": "verification", "backup": "20261125T211700Z", …}
head.json     {"length": 7, "sha256": "<SHA-256 of line 7>"}

By itself that shows accidents: a line that was changed, lost or cut off. Who may write here can also compute all of it anew; only a copy
of the head that he cannot reach shows that.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .._clock import now
from .._errors import OpsError
from .._files import Wanted, sync_directory, write
from .records import LINKS, NOTHING, Head, Kind, Records

CHAIN = "chain.jsonl"
HEAD = "head.json"


def read(directory: Path) -> Records:
    """The records of a directory, or none where it is not made yet."""
    if not directory.is_dir():
        return Records((), (), 0, ())
    try:
        with _locked(directory, fcntl.LOCK_SH):
            return _judged(_lines(directory / CHAIN), _said(directory / HEAD))
    except OSError as error:
        remedy = "Give them to the user that the operations run as; one that ran as another user may have made them."
        raise OpsError("The records of the backups could not be read", where=str(directory), cause=str(error), remedy=remedy) from error


def append(directory: Path, kind: Kind, backup: str, entry: Mapping[str, Any]) -> Head:
    """Keep a record. A break before it stays visible: it continues what the head says, also where that is lost."""
    try:
        return _appended(directory, kind, backup, entry)
    except OSError as error:
        remedy = "What was recorded before is unchanged; give the volume room, or our user the right to write there."
        raise OpsError("A record could not be written", where=str(directory), cause=str(error.strerror), remedy=remedy) from error


def _appended(directory: Path, kind: Kind, backup: str, entry: Mapping[str, Any]) -> Head:
    directory.mkdir(mode=0o700, exist_ok=True)
    with _locked(directory, fcntl.LOCK_EX):
        lines, said = _lines(directory / CHAIN), _said(directory / HEAD)
        known = _judged(lines, said)
        last = _following(known, said)
        record = {"at": now(), **entry, **_links(last, len(known.problems)), "kind": kind, "backup": backup}
        line = json.dumps(record, sort_keys=True, ensure_ascii=False).encode(errors="surrogatepass")
        _write(directory / CHAIN, sum(len(whole) + 1 for whole in lines), line)
        head = Head(last.length + 1, _digest(line))
        write(Wanted(directory / HEAD, 0o600, (json.dumps(asdict(head), sort_keys=True) + "\n").encode()))
        return head


def _links(last: Head, known_breaks: int) -> dict[str, Any]:
    return {"sequence": last.length + 1, "previous": last.sha256, "known_breaks": known_breaks}


def _judged(lines: list[bytes], said: Head | None) -> Records:
    entries: list[dict[str, Any]] = []
    digests: list[str] = []
    problems: list[str] = []
    before, told = Head(0, NOTHING), False
    for line in lines:
        entry, digest = _parsed(line), _digest(line)
        if entry is None or entry["sequence"] <= before.length:
            problems += [] if told else [f"what follows record {before.length} is not the next one"]
            told = True
            continue
        if (entry["sequence"], entry["previous"]) != (before.length + 1, before.sha256) and not told:
            problems.append(f"record {entry['sequence']} does not follow the one before it, {before.length}")
        before, told = Head(entry["sequence"], digest), False
        entries.append(entry)
        digests.append(digest)
    if trouble := _trouble(entries, digests, said):
        problems.append(trouble)
    # Who wrote one of them knew of so many breaks: what is younger than the last break counts.
    counting = next((number for number, entry in enumerate(entries) if entry["known_breaks"] >= len(problems)), len(entries))
    return Records(tuple(entries), tuple(digests), counting, tuple(problems))


def _trouble(entries: list[dict[str, Any]], digests: list[str], said: Head | None) -> str:
    """What the head says against the end. One that is behind is that of a run that was killed between the two."""
    if said is None:
        return f"{HEAD} is missing or damaged" if len(entries) > 1 else ""
    return Records(tuple(entries), tuple(digests), 0, ()).contradiction(said)


def _following(records: Records, said: Head | None) -> Head:
    """What the next record has to continue."""
    if said is None:
        return records.head if len(records.entries) < 2 else Head(records.head.length, NOTHING)
    return said if records.contradiction(said) else records.head


@contextmanager
def _locked(directory: Path, how: int) -> Iterator[None]:
    """Nobody reads while a record and the head are written; that takes no longer than a disk does."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _lines(chain: Path) -> list[bytes]:
    """Whole ones: what a killed run has left half was never a record."""
    lines = chain.read_bytes().split(b"\n") if chain.exists() else [b""]
    return lines if _parsed(lines[-1]) else lines[:-1]


def _write(chain: Path, known: int, line: bytes) -> None:
    descriptor = os.open(chain, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+b") as stream:
        length = os.fstat(descriptor).st_size
        os.ftruncate(descriptor, min(known, length))
        stream.seek(0, os.SEEK_END)
        stream.write((b"\n" if length < known else b"") + line + b"\n")
        stream.flush()
        os.fsync(descriptor)
    sync_directory(chain.parent)


def _said(head: Path) -> Head | None:
    try:
        said = json.loads(head.read_bytes())
        return Head(int(said["length"]), str(said["sha256"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _parsed(line: bytes) -> dict[str, Any] | None:
    """The record of a line, or none where it is not one."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    whole = isinstance(entry, dict) and all(isinstance(entry.get(key), kind) for key, kind in LINKS.items())
    return entry if whole else None


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
