# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What PostgreSQL says when it does not take a part of a backup."""

from __future__ import annotations

import re

from .._errors import OpsError

# A locale that the host of the server does not have: PostgreSQL says so only when something uses it. And what only a server can have that
# was started with it, as pg_cron or timescaledb.
_LACKING = re.compile(
    r"invalid (?:LC_\w+|ICU|locale)|could not (?:create locale|open collator)|collation \S+ for encoding \S+ does not exist"
    r"|only be loaded via shared_preload_libraries|must be (?:pre)?loaded"
)


class LoadError(OpsError):
    """PostgreSQL does not take a part of the backup; C(here) tells whether it lacks what the backup cannot be blamed for."""

    def __init__(self, kind: str, part: str, error: OpsError) -> None:
        super().__init__(error.summary, where=error.where, cause=error.cause)
        self.kind = kind
        self.part = part

    @property
    def here(self) -> bool:
        return bool(_LACKING.search(self.cause))
