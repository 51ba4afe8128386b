# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happened to the backups of a directory, one line each, every line holding the SHA-256 of the line before.

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
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from .._errors import OpsError
from .._files import Wanted, sync_directory, write
from .._report.finding import Finding

CHAIN = "chain.jsonl"
HEAD = "head.json"
PROVING_LEVELS = ("data", "constraints", "full")
Kind = Literal["verification", "deletion", "offsite", "pin", "unpin", "restore"]
_NOTHING = "0" * 64
_LINKS = {"sequence": int, "previous": str, "known_breaks": int, "kind": str}


@dataclass(frozen=True)
class Head:
    """How many records there are, and the SHA-256 of the last."""

    length: int
    sha256: str


@dataclass(frozen=True)
class Records:
    """All that can be read. C(problems) names the breaks; those before C(counting) are older than the last break and no proof."""

    entries: tuple[dict[str, Any], ...]
    digests: tuple[str, ...]
    counting: int
    problems: tuple[str, ...]

    @property
    def head(self) -> Head:
        return Head(self.entries[-1]["sequence"], self.digests[-1]) if self.entries else Head(0, _NOTHING)

    @property
    def reliable(self) -> bool:
        """Whether nothing is wrong with them, or a backup was proven after what is wrong."""
        since = self.entries[self.counting :]
        return not self.problems or any(entry.get("verdict") == "passed" and entry.get("level") in PROVING_LEVELS for entry in since)

    def of(self, kind: Kind) -> list[dict[str, Any]]:
        """All of a kind, whether they count or not."""
        return [_content(entry) for entry in self.entries if entry["kind"] == kind]

    def verifications(self, backup: str) -> list[dict[str, Any]]:
        """Verdicts that count."""
        return [_content(entry) for number, entry in self._verdicts.get(backup, ()) if number >= self.counting]

    @cached_property
    def _verdicts(self) -> dict[str, list[tuple[int, dict[str, Any]]]]:
        """Those on each backup, with their place."""
        found: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        for number, entry in enumerate(self.entries):
            if entry["kind"] == "verification":
                found.setdefault(str(entry.get("backup")), []).append((number, entry))
        return found

    def is_proven(self, backup: str, manifest_sha256: str = "") -> bool:
        """Whether the newest verdict at a level that restores it was C(passed), and none after it says that it failed.

        With the SHA-256 of its manifest it also has to be the verdict on that one: a backup that was changed since has another.
        """
        restored = _restored(self.verifications(backup))
        passed = bool(restored) and restored[-1]["verdict"] == "passed"
        return passed and (not manifest_sha256 or restored[-1].get("manifest_sha256") == manifest_sha256)

    def has_failed(self, backup: str) -> bool:
        """Whether its last verdict on a restore, or a later one, was C(failed); also by a record that is no proof."""
        restored = _restored([entry for _is_proof, entry in self._verdicts.get(backup, ())])
        return bool(restored) and restored[-1]["verdict"] == "failed"

    def copies(self, remote: str) -> set[str]:
        """Backups that have a copy in a place elsewhere, by what was done."""
        names: set[str] = set()
        for entry in self.of("offsite"):
            if entry.get("remote") == remote:
                (names.add if entry.get("did") == "copied" else names.discard)(str(entry.get("backup")))
        return names

    def contradiction(self, anchor: Head) -> str:
        """Why these are not the records that once had this head; empty where they are."""
        if anchor.length == 0:
            return ""
        for entry, digest in zip(self.entries, self.digests, strict=True):
            if entry["sequence"] == anchor.length:
                return "" if digest == anchor.sha256 else f"record {anchor.length} is another one than it was"
        return f"record {anchor.length} is missing; the last one is {self.head.length}"

    def findings(self, directory: Path) -> Iterator[Finding]:
        if self.problems:
            text = "records of the backups were changed or lost; those before that prove nothing any more"
            remedy = "Find out who writes there, and verify the backups again; until one has passed, none is deleted."
            told = "Backups were proven since then, and those records count."
            subject, evidence = str(directory), "; ".join(self.problems)
            if self.reliable:
                yield Finding("records_damaged", "info", subject, text, evidence, told)
            else:
                yield Finding("records_damaged", "critical", subject, text, evidence, remedy)

    def to_result(self) -> dict[str, Any]:
        return {**asdict(self.head), "intact": not self.problems}


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


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _links(last: Head, known_breaks: int) -> dict[str, Any]:
    return {"sequence": last.length + 1, "previous": last.sha256, "known_breaks": known_breaks}


def _content(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in _LINKS}


def _restored(verifications: list[dict[str, Any]]) -> list[dict[str, Any]]:
    judged = [entry for entry in verifications if entry.get("verdict") in ("passed", "failed")]
    return [entry for entry in judged if entry["verdict"] == "failed" or entry.get("level") in PROVING_LEVELS]


def _judged(lines: list[bytes], said: Head | None) -> Records:
    entries: list[dict[str, Any]] = []
    digests: list[str] = []
    problems: list[str] = []
    before, told = Head(0, _NOTHING), False
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
        return records.head if len(records.entries) < 2 else Head(records.head.length, _NOTHING)
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
    whole = isinstance(entry, dict) and all(isinstance(entry.get(key), kind) for key, kind in _LINKS.items())
    return entry if whole else None


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
