# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One restore of a backup on a server that is thrown away: what is restored, how, and what is seen of it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from .._progress import Progress
from . import load, scratch
from .connection import session
from .examination import Examination
from .manifest import Manifest
from .verdict import Asked, Seen


@dataclass(frozen=True)
class Trial:
    """One restore; C(statements) are those of the dump."""

    examination: Examination
    loader: load.Loader
    statements: str

    @property
    def asked(self) -> Asked:
        return self.examination.asked

    @property
    def manifest(self) -> Manifest:
        return self.examination.manifest

    @property
    def progress(self) -> Progress:
        return self.examination.progress

    @property
    def seen(self) -> Seen:
        return self.examination.seen

    def session(self, database: str) -> AbstractContextManager[Any]:
        return session(
            replace(self.loader.server, database=database, timeout_seconds=scratch.timeout(self.loader.deadline)), self.loader.who
        )
