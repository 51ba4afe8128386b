# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the end of an external program means."""

from __future__ import annotations

import shlex
import signal
from dataclasses import dataclass

from ._errors import OpsError

_SHOWN_OUTPUT_CHARACTERS = 2000
_WHAT_IT_SAYS = "What it says tells what it lacks."
_WHO_KILLS = "Find out who ended it: the kernel does when memory runs out (dmesg, the events of the pod). Then run it again."


class KilledError(OpsError):
    """A program was ended by a signal, which says nothing of what it worked on."""


@dataclass(frozen=True)
class Completed:
    """A program that has ended."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str

    def check(self, summary: str, *, remedy: str = "") -> Completed:
        if self.returncode == 0:
            return self
        if self.returncode < 0:
            raise killed(summary, shlex.join(self.argv), -self.returncode)
        said = tail(self.stderr) or tail(self.stdout) or "it printed nothing"
        raise OpsError(
            summary,
            where=shlex.join(self.argv),
            cause=f"exit status {self.returncode}: {said}",
            remedy=remedy or _WHAT_IT_SAYS,
            returncode=self.returncode,
        )


def killed(summary: str, where: str, number: int) -> KilledError:
    """What to say of a program that a signal has ended."""
    name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
    return KilledError(summary, where=where, cause=f"it was ended by the signal {name}", remedy=_WHO_KILLS)


def tail(text: str) -> str:
    return text.strip()[-_SHOWN_OUTPUT_CHARACTERS:]
