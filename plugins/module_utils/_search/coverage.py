# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was checked, what could not be, and what there was nothing to check of: the three are never mixed up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .._errors import OpsError
from .._report.finding import Finding
from .._report.part import Part
from .http import QuestionError

State = Literal["checked", "could_not_check", "not_applicable"]


@dataclass(frozen=True)
class Seen:
    """What one check saw. C(gap) says what of it could not be seen, C(absent) why there is nothing to see."""

    data: Mapping[str, Any] = field(default_factory=dict)
    findings: Sequence[Finding] = ()
    gap: str = ""
    absent: str = ""


class Visit:
    """One look at something: what was seen, what was found, and how far it reached."""

    def __init__(self, checks: Iterable[str]) -> None:
        self.data: dict[str, Any] = {}
        self.findings: list[Finding] = []
        self.coverage = {name: _covered("could_not_check", "it was not asked") for name in checks}

    def check(self, name: str, ask: Callable[[], Seen]) -> None:
        """One check; whatever is wrong with its answer ends this one alone."""
        try:
            seen = ask()
        except QuestionError as error:
            self.blind(" ".join(filter(None, [f"{error.where}: {error.cause.rstrip('.')}.", error.remedy])), name)
        except OpsError as error:
            self.blind(str(error), name)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            self.blind(f"its answer has an unknown form ({type(error).__name__}: {error})", name)
        else:
            self.data.update(seen.data)
            self.findings += seen.findings
            state: State = "could_not_check" if seen.gap else "not_applicable" if seen.absent else "checked"
            self.coverage[name] = _covered(state, seen.gap or seen.absent)

    def blind(self, reason: str, *names: str) -> None:
        """These checks, or all, could not be made."""
        self.coverage.update({name: _covered("could_not_check", reason) for name in names or tuple(self.coverage)})

    def part(self) -> Part:
        """For the report; a reason that several checks share is told once."""
        reasons: dict[str, list[str]] = {}
        for name, covered in self.coverage.items():
            if covered["state"] == "could_not_check":
                reasons.setdefault(covered["reason"].rstrip("."), []).append(name)
        whole = [*reasons.values()] == [list(self.coverage)]
        told = [f"{reason}." if whole else f"{', '.join(names)}: {reason}." for reason, names in reasons.items()]
        return Part({**self.data, "coverage": self.coverage}, self.findings, " ".join(told))


def _covered(state: State, reason: str) -> dict[str, str]:
    return {"state": state, "reason": reason}
