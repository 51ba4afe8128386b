# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reasons not to start: collected first, said all at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ._errors import OpsError


def failed(subject: str, summary: str, remedy: str) -> dict[str, str]:
    return {"subject": subject, "summary": summary, "remedy": remedy}


def directory_failures(directories: Sequence[str]) -> Iterator[dict[str, str]]:
    for directory in directories:
        if not Path(directory).is_dir():
            yield failed(directory, "is not a directory on localhost", "Create it, mode 0700.")
        elif not os.access(directory, os.W_OK):
            yield failed(directory, "is not writable on localhost", "Change its owner or mode.")


def refuse(failures: Sequence[dict[str, str]]) -> None:
    if not failures:
        return
    lines = [f"- {item['subject']}: {item['summary']}. {item['remedy']}" for item in failures]
    raise OpsError(
        f"{len(failures)} reason(s) not to start; nothing was changed:\n" + "\n".join(lines) + "\n",
        failures=list(failures),
    )
