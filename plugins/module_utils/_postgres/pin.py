# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup that is kept whatever the rules say, for a reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._errors import OpsError
from .repository import Repository


def settle(repository: Repository, backup: str, reason: str, *, wanted: bool, check: bool) -> dict[str, Any]:
    """Pin or unpin it, where that is not so already, and say which pins there are."""
    reason, before = " ".join(reason.split()), repository.pins()
    if wanted and not reason:
        raise OpsError("A pin needs a reason", where=backup, remedy="Say why, for whoever wonders whether it may go.")
    if wanted and backup not in repository.backups():
        remedy = f"There are {', '.join(repository.backups()) or 'none'}."
        raise OpsError(f"There is no backup {backup!r}", where=str(repository.directory), remedy=remedy)
    repository.path(backup)
    after = {**before, backup: reason} if wanted else {name: why for name, why in before.items() if name != backup}
    if after != before and not check:
        try:
            if wanted:
                repository.pin(backup, reason)
            else:
                repository.unpin(backup, reason)
        except OSError as error:
            remedy = "Give the user that runs it the right to write there."
            raise OpsError("The pin could not be written", where=str(repository.directory), cause=str(error), remedy=remedy) from error
    where = str(repository.directory)
    diff = {"before_header": where, "after_header": where, "before": _lines(before), "after": _lines(after)}
    pinned = [{"backup": name, "reason": why} for name, why in sorted(after.items())]
    return {"changed": after != before, "backup": backup, "pinned": pinned, "diff": diff}


def _lines(pins: Mapping[str, str]) -> str:
    return "".join(f"{name}  {why}\n" for name, why in sorted(pins.items()))
