# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that runs away from its connection, followed to its end by few questions."""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure

from ..module_utils._errors import OpsError
from . import _detached

SILENT_SECONDS = 10
EVERY_SECONDS = 5
_PAUSES_SECONDS = (0, 1, 2, 4, 8, 15)
_SHOWN_CHARACTERS = 2000
_UNITS = (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024), ("B", 1))

Answer = Mapping[str, Any]


class LostError(OpsError):
    """Nobody answers any more."""


@dataclass
class Job:
    """One program on one host; C(send) runs a Python text there and gives what C(_low_level_execute_command) gives."""

    name: str
    host: str
    remote_tmp: str
    send: Callable[[str], Answer]
    say: Callable[[str], None]
    pause: Callable[[float], None] = time.sleep
    directory: str = field(default="")
    progress: str = field(default="")

    def __post_init__(self) -> None:
        self.directory = self.directory or f"{self.remote_tmp.rstrip('/')}/{_detached.PREFIX}{secrets.token_hex(8)}"
        self.progress = self.progress or f"{self.directory}/progress"

    def run(self, program: bytes) -> Answer:
        """Start it, say how far it is, and give its exit status and what it printed."""
        try:
            begun = self.send(self._text("start", SILENT_SECONDS, program=base64.b64encode(program).decode()))
            answer = _answer(begun) or self._begun_all_the_same()
            if answer is None:
                return begun
            self._refuse(answer)
            ended = self._follow(answer)
        except LostError:
            raise
        except BaseException:
            self.stop()
            raise
        self._ask("forget")
        return self._result(ended)

    def stop(self) -> None:
        """End it: whoever waited for it waits no more."""
        with contextlib.suppress(AnsibleConnectionFailure):
            for order in ("stop", "forget"):
                self.send(self._text(order, 0))

    def _follow(self, answer: Answer) -> Answer:
        shown = ""
        while answer["state"] == "running":
            text = line(self.name, answer["progress"])
            if text and text != shown:
                self.say(text)
            shown = text
            answer = self._ask("look", EVERY_SECONDS)
        return answer

    def _ask(self, do: str, wait_seconds: float = 0) -> Answer:
        """Ask until somebody answers; the program goes on meanwhile."""
        cause = ""
        for pause in _PAUSES_SECONDS:
            self.pause(pause)
            try:
                said = self.send(self._text(do, wait_seconds))
            except AnsibleConnectionFailure as error:
                cause = str(error)
                continue
            answer = _answer(said)
            if answer is not None:
                return answer
            cause = str(said["stderr"] or said["stdout"]).strip()[-_SHOWN_CHARACTERS:]
        raise LostError(
            f"{self.name} could not be followed to its end; it goes on all the same",
            where=f"{self.host}:{self.directory}",
            cause=cause or "the connection gave no answer",
            remedy="See that the host is reached, wait for the lock of that work to be free, and run it again.",
        )

    def _begun_all_the_same(self) -> Answer | None:
        """The connection broke before the answer; none when nothing runs there."""
        try:
            answer = _answer(self.send(self._text("look", 0)))
        except AnsibleConnectionFailure:
            return None
        return None if answer is None or answer["state"] == "absent" else answer

    def _refuse(self, answer: Answer) -> None:
        if answer["state"] == "refused":
            remedy = "Give the user of the connection room and rights there, or name another directory with ansible_remote_tmp."
            raise OpsError(f"{self.name} could not be started", where=f"{self.host}:{self.directory}", cause=answer["cause"], remedy=remedy)

    def _result(self, ended: Answer) -> Answer:
        again = "What it had begun is recognised and cleaned by the next run."
        if ended["state"] != "ended":
            cause = "its process was killed, or its container or host started again"
            raise OpsError(f"{self.name} is gone {self._at(ended)}", where=self.host, cause=cause, remedy=again)
        if ended["returncode"] < 0:
            name = signal.Signals(-ended["returncode"]).name
            said = str(ended["stderr"]).strip()[-_SHOWN_CHARACTERS:]
            cause = said or "somebody ended it, or the kernel did for want of memory"
            raise OpsError(f"{self.name} was ended by {name} {self._at(ended)}", where=self.host, cause=cause, remedy=again)
        streams = {name: ended[name] for name in ("stdout", "stderr")}
        return {"rc": ended["returncode"], **streams, **{f"{name}_lines": text.splitlines() for name, text in streams.items()}}

    def _at(self, ended: Answer) -> str:
        said = ended.get("progress")
        return f"in the phase {said['phase']}" if said else "before it said how far it was"

    def _text(self, do: str, wait_seconds: float, **more: str) -> str:
        order = {"do": do, "directory": self.directory, "progress": self.progress, "wait_seconds": wait_seconds, **more}
        return f"{Path(_detached.__file__).read_text(encoding='utf-8')}\n\nmain({order!r})\n"


def line(name: str, said: Mapping[str, Any] | None) -> str:
    """C(pg_backup: dump 45 of 120 MiB, 12 s left)."""
    if not said:
        return ""
    parts = [f"{name}: {said['phase']}{_amount(said['done'], said['total'], said['unit'])}"]
    if said["eta_seconds"] is not None:
        parts.append(f"{_duration(said['eta_seconds'])} left")
    return ", ".join(parts)


def _amount(done: float, total: float, unit: str) -> str:
    if not done and not total:
        return ""
    if unit == "bytes":
        unit, size = next((pair for pair in _UNITS if pair[1] <= max(done, total)), _UNITS[-1])
        done, total = done / size, total / size
    whole = f" of {_number(total)}" if total else ""
    return f" {_number(done)}{whole} {unit}".rstrip()


def _number(value: float) -> str:
    return f"{value:.1f}" if value < 10 and value != int(value) else f"{value:.0f}"


def _duration(seconds: float) -> str:
    for length, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{_number(round(seconds / length, 1))} {unit}"
    return f"{seconds:.0f} s"


def _answer(said: Answer) -> Answer | None:
    """The line of ours among what the connection printed."""
    for text in reversed(str(said["stdout"]).splitlines()):
        if text.startswith(_detached.MARK):
            found: Answer = json.loads(text.removeprefix(_detached.MARK))
            return found
    return None
