# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happened to the backups of a directory, and what that proves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from .._report.finding import Finding

PROVING_LEVELS = ("data", "constraints", "full")
Kind = Literal["verification", "deletion", "offsite", "pin", "unpin", "restore"]
NOTHING = "0" * 64
LINKS = {"sequence": int, "previous": str, "known_breaks": int, "kind": str}


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
        return Head(self.entries[-1]["sequence"], self.digests[-1]) if self.entries else Head(0, NOTHING)

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


def _content(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in LINKS}


def _restored(verifications: list[dict[str, Any]]) -> list[dict[str, Any]]:
    judged = [entry for entry in verifications if entry.get("verdict") in ("passed", "failed")]
    return [entry for entry in judged if entry["verdict"] == "failed" or entry.get("level") in PROVING_LEVELS]
