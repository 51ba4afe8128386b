# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A limit of time for everything that an operation does, whatever it does it with."""

from __future__ import annotations

import time

from ._errors import OpsError


class TimeIsUpError(OpsError):
    """There is no time left."""


class Deadline:
    """So many seconds from now, as an option of the module says."""

    def __init__(self, seconds: float, option: str = "timeout_seconds") -> None:
        self.seconds = seconds
        self.option = option
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds that are left; none is an error."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeIsUpError(f"It took longer than {self.seconds:g} seconds", remedy=f"Give it more with {self.option}.")
        return left
