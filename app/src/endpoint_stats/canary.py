# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The canary stream: numbered rows, so that lost ones can be counted.

The numbers of a stream begin at 1. The next one is posted only after the last was acknowledged, and one whose answer
was lost is posted again, so every number up to the acknowledged one has to be stored: once, or more often.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


class StateError(Exception):
    """A state file that cannot be used."""


@dataclass(frozen=True)
class Stored:
    """What the database holds of a stream between two numbers."""

    count: int
    numbers: int
    minimum: int | None
    maximum: int | None
    missing: list[tuple[int, int]] = field(default_factory=list)
    truncated: bool = False

    @property
    def duplicates(self) -> int:
        """Rows beyond the first of each number."""
        return self.count - self.numbers

    def document(self) -> dict[str, Any]:
        """As the API answers it."""
        return {**asdict(self), "duplicates": self.duplicates}

    @classmethod
    def none(cls) -> Stored:
        """An empty stream."""
        return cls(0, 0, None, None)

    @classmethod
    def of(cls, document: dict[str, Any]) -> Stored:
        """From the API's answer."""
        known = {name: document[name] for name in ("count", "numbers", "minimum", "maximum", "truncated")}
        return cls(**known, missing=[(first, last) for first, last in document["missing"]])


@dataclass
class State:
    """How far a stream is, kept in a file that is whole at any moment."""

    path: Path
    stream: str
    acknowledged: int = 0

    @classmethod
    def read(cls, path: Path, stream: str) -> State:
        """The kept state, or the beginning of a new stream."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            state = cls(path, str(document["stream"]), int(document["acknowledged"]))
        except FileNotFoundError:
            return cls(path, stream)
        except (ValueError, KeyError, TypeError) as error:
            raise StateError(f"{path} is no state of a canary stream: {error}") from error
        if state.stream != stream:
            raise StateError(f"{path} belongs to the stream {state.stream}, not to {stream}")
        return state

    def record(self, number: int) -> None:
        """A number was acknowledged."""
        self.acknowledged = number
        part = self.path.with_name(self.path.name + ".part")
        with part.open("w", encoding="utf-8") as file:
            json.dump({"stream": self.stream, "acknowledged": number}, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.path)
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Two generators of one stream would number their rows alike."""
        with self.path.with_name(self.path.name + ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StateError(f"{self.path} is used by another generator") from error
            yield


def judged(state: State, stored: Stored) -> dict[str, Any]:
    """Whether everything that was acknowledged is stored; `stored` covers the numbers from 1 to the acknowledged one."""
    lost = state.acknowledged - stored.numbers
    return {
        "stream": state.stream,
        "acknowledged": state.acknowledged,
        "stored": stored.numbers,
        "lost": lost,
        "lost_ranges": [list(gap) for gap in stored.missing],
        "duplicates": stored.duplicates,
        "verdict": "lost" if lost else "complete",
    }
