# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The superuser of a server, and what changed by it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from .._tls import Credentials
from .connection import NoConnectionError, Server, session

_NOT_AUTHENTICATED = "28P01"


@dataclass
class Outcome:
    """What changed, as lines before and after."""

    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    pending_restart: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return self.before != self.after

    def differ(self, where: str, before: Sequence[str], after: Sequence[str]) -> None:
        self.before += [f"{where}: {line}" for line in before if line not in after]
        self.after += [f"{where}: {line}" for line in after if line not in before]


@dataclass
class Administrator:
    """The superuser of a server. Where its password is being changed, the server may still know the former one."""

    server: Server
    user: str
    passwords: Sequence[str]

    def session(self, database: str) -> AbstractContextManager[Any]:
        return session(replace(self.server, database=database), Credentials(self.user, self.passwords[0]))

    def choose(self, database: str) -> None:
        """Keep the password that works."""
        for password in self.passwords:
            try:
                with session(replace(self.server, database=database), Credentials(self.user, password)):
                    self.passwords = [password]
                    return
            except NoConnectionError as error:
                if error.details.get("sqlstate") != _NOT_AUTHENTICATED or password == self.passwords[-1]:
                    raise
