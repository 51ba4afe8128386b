# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far long work is, as a file that the action base reads, and how long each of its phases took."""

from __future__ import annotations

import json
import time
from pathlib import Path

_INTERVAL_SECONDS = 0.5


class Progress:
    """Phases one after the other; an empty path writes nothing and still measures."""

    def __init__(self, path: str = "") -> None:
        self._path = Path(path) if path else None
        self._name = ""
        self._total = 0.0
        self._unit = ""
        self._begun = 0.0
        self._written = 0.0
        self._seconds: dict[str, float] = {}

    def phase(self, name: str, total: float = 0, unit: str = "") -> None:
        """End the phase before and begin one; a total of 0 is not known."""
        self.end()
        self._name, self._total, self._unit, self._begun = name, total, unit, time.monotonic()
        self._write(0)

    def advance(self, done: float) -> None:
        """Say how much of the phase is done; may be called as often as one likes."""
        if time.monotonic() - self._written >= _INTERVAL_SECONDS:
            self._write(done)

    def end(self) -> None:
        """End the phase; a name that comes twice adds up."""
        if self._name:
            self._seconds[self._name] = self._seconds.get(self._name, 0.0) + time.monotonic() - self._begun
            self._name = ""

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of each phase that has ended, in the order they began."""
        return {name: round(value, 3) for name, value in self._seconds.items()}

    def _write(self, done: float) -> None:
        self._written = time.monotonic()
        if self._path is None:
            return
        elapsed = self._written - self._begun
        left = round(elapsed * (self._total - done) / done, 1) if 0 < done <= self._total else None
        said = {"phase": self._name, "done": done, "total": self._total, "unit": self._unit, "eta_seconds": left}
        # Read by others while it is written, and worth nothing after a crash: renamed, not synchronised.
        fresh = self._path.with_name(self._path.name + ".new")
        try:
            fresh.write_text(json.dumps(said))
            fresh.replace(self._path)
        except OSError:
            # The work matters, not the word about it.
            self._path = None
