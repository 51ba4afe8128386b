# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which keys may go, and how gently."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .glob import matcher


@dataclass(frozen=True)
class Rule:
    """Keys of a name that may go once nobody has read or written them for a time."""

    match: str
    idle_seconds_minimum: int
    ttl: str
    names: Callable[[bytes], bool] = field(compare=False, repr=False)

    @classmethod
    def of_option(cls, option: dict[str, Any]) -> Rule:
        return cls(option["match"], option["idle_seconds_minimum"], option["ttl"], compiled(option["match"]))


@dataclass(frozen=True)
class Wish:
    """What may go, and how gently; a maximum of 0 keys is none."""

    rules: Sequence[Rule]
    protect: Sequence[Callable[[bytes], bool]]
    page_size: int
    maximum_keys: int
    restart_wait_seconds: float


def compiled(glob: str) -> Callable[[bytes], bool]:
    """A glob of an option, whose text may hold bytes that are no UTF-8."""
    return matcher(glob.encode("utf-8", errors="surrogateescape"))
