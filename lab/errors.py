# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception of the lab."""

from __future__ import annotations


class LabError(Exception):
    """A failure that names the object, the cause and the next step."""

    def __init__(self, subject: str, cause: str, next_step: str = "") -> None:
        self.subject = subject
        self.cause = cause.strip()
        self.next_step = next_step
        lines = [f"{subject}: {self.cause}"]
        if next_step:
            lines.append(f"next step: {next_step}")
        super().__init__("\n".join(lines))
