# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a verification says of a dump without a manifest. It is on no record: no backup is kept, restored or reported for its sake."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from .._errors import OpsError
from .._progress import Progress
from .._report.finding import Finding
from . import foreign
from .connection import forget_environment
from .foreign_restore import Looked
from .judgements import judgements, odd
from .manifest import FILE_NAME
from .opening import MARKER
from .verdict import FULL, PASSED
from .verified import Order, Outcome, restore_seconds

_MAGIC = b"PGDMP"
_TIME_IN_NAME = re.compile(r"(?<!\d)(20\d\d)-?(\d\d)-?(\d\d)(?:[T_-]?(\d\d)[:-]?(\d\d)(?:[:-]?(\d\d))?)?(?!\d)")
# An algorithm in one byte since then, a level as a number before.
_ONE_BYTE_SINCE = 15
_SHOWN = 5


def verify_path(path: Path, order: Order, progress: Progress, *, check: bool) -> Outcome:
    """Restore a dump that somebody made, and say what can be said of it."""
    forget_environment()
    begun = time.monotonic()
    _refuse(path, order)
    seen, looked = foreign.verify(path, order.asked, progress, check=check)
    age, age_from = _age(path)
    fresh = not order.max_age_seconds or age <= order.max_age_seconds
    told = {"age_seconds": age, "age_from": age_from, "fresh": fresh, "tables": looked.tables}
    told |= {"level": foreign.LEVEL, "read_bytes": seen.checked["bytes"]}
    outcome = Outcome.of(path, seen, progress, begun, restore_seconds=restore_seconds(progress), **told)
    outcome.findings += [*judgements(order, outcome), *_findings(path, outcome, looked), *map(odd, seen.odd)]
    return outcome


def _refuse(path: Path, order: Order) -> None:
    if not path.exists():
        raise OpsError("There is no such file or directory", where=str(path), remedy="Name the dump, or the directory that pg_dump made.")
    for name in (MARKER, FILE_NAME):
        if (path / name).exists():
            remedy = "Name the directory of backups with the option directory, and the backup with the option backup."
            raise OpsError(
                "This is of pg_backup, and is verified at a higher level", where=str(path), cause=f"it has a {name}", remedy=remedy
            )
    if order.asked.level != FULL:
        cause, remedy = "a dump without a manifest has one level, at which it is restored and compared with nothing", "Leave level out."
        raise OpsError(f"The level {order.asked.level} does not go together with path", cause=cause, remedy=remedy)
    for option, value in {
        "metrics_path": order.metrics_path,
        "amcheck": order.asked.amcheck,
    }.items():
        if value:
            cause = "metrics and records are of backups with a manifest, which this proves nothing of"
            raise OpsError(f"{option} does not go together with path", cause=cause, remedy=f"Leave {option} out.")


def _findings(path: Path, outcome: Outcome, looked: Looked) -> Iterator[Finding]:
    if looked.roles_made:
        shown = ", ".join(looked.roles_made[:_SHOWN]) + (
            f" and {len(looked.roles_made) - _SHOWN} more" if len(looked.roles_made) > _SHOWN else ""
        )
        text, remedy = (
            "it names roles that it does not make; they were made without a login here",
            "Keep the output of pg_dumpall --globals-only beside it.",
        )
        yield Finding("dump_without_roles", "warning", path.name, text, shown, remedy)
    if outcome.verdict != PASSED:
        return
    counted = f"{outcome.checked['rows']} rows of {outcome.checked['tables']} tables"
    text = "it restores and is whole as far as that can be told; what it should hold, nothing says"
    remedy = "Compare the numbers of rows in tables with what you know; backups of pg_backup are compared by their manifests."
    yield Finding("backup_unattested", "info", path.name, text, counted, remedy)
    if not outcome.checked["rows"]:
        text, remedy = "no table in it has a row", "Look at what was dumped, unless that is meant."
        yield Finding("dump_without_rows", "warning", path.name, text, counted, remedy)


def _age(path: Path) -> tuple[float, str]:
    """In seconds, and where that is from; nothing in it is vouched for."""
    for source, moment in (("dump_header", _in_header(path)), ("name", _in_name(path))):
        if moment is not None:
            return round(time.time() - moment.timestamp(), 3), source
    return round(time.time() - path.stat().st_mtime, 3), "modified"


def _in_header(path: Path) -> datetime | None:
    """An archive says when it was made, in the time of the machine it was made on."""
    with suppress(OSError, ValueError, IndexError, OverflowError), (path / "toc.dat" if path.is_dir() else path).open("rb") as stream:
        head = stream.read(100)
        if head.startswith(_MAGIC):
            size, place = head[8] + 1, 11 + (1 if head[6] >= _ONE_BYTE_SINCE else head[8] + 1)
            numbers = [int.from_bytes(head[at + 1 : at + size], "little") for at in range(place, place + 6 * size, size)]
            second, minute, hour, day, month, year = numbers
            return datetime(year + 1900, month + 1, day, hour, minute, second).astimezone()
    return None


def _in_name(path: Path) -> datetime | None:
    with suppress(ValueError):
        if found := _TIME_IN_NAME.search(path.name):
            year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
            return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    return None
