# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory of backups is opened, and made where that is wanted: whose it is, and of which part of the database, its marker says."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from .._errors import OpsError
from .._files import Wanted, write
from .repository import LOCK, Repository
from .selection import WHOLE, Selection

MARKER = ".endpoint-stats-backups.json"
SCHEMA = "endpoint_stats.pg_backups"
_MADE_BY_FILE_SYSTEMS = {"lost+found"}


def opened(directory: str, database: str, *, create: bool = False, check: bool = False, selection: Selection = WHOLE) -> Repository:
    """The backups of a database; `create` makes an empty or absent directory one of them, `check` only says whether that could be done.

    Who creates says of which part of it; a directory that was made for another one is refused.
    """
    path = Path(directory)
    try:
        names = {entry.name for entry in path.iterdir()} if path.exists() else set()
    except OSError as error:
        raise OpsError("The directory of backups could not be read", where=directory, cause=str(error.strerror)) from error
    if MARKER in names:
        found = _said(path, database)
        if create and found != selection:
            _refuse_other_selection(path, found, selection)
        selection = found
    elif strangers := sorted(name for name in names - _MADE_BY_FILE_SYSTEMS - {LOCK} if not name.startswith(f".{MARKER}.")):
        shown = ", ".join(strangers[:5]) + (" …" if len(strangers) > 5 else "")
        remedy = "Name an empty directory, or one that pg_backup has made."
        raise OpsError(
            "The directory holds what is no backup of ours, so nothing was written there", where=directory, cause=shown, remedy=remedy
        )
    elif not create:
        raise OpsError(
            "There is no backup", where=directory, remedy="Run the playbook endpoint_stats.ops.backup, or name another directory."
        )
    elif not check:
        _make(path, database, selection)
    if create:
        _refuse_unwritable(path)
    return Repository(path, database, selection)


def _refuse_unwritable(path: Path) -> None:
    existing = path if path.exists() else path.parent
    if not existing.is_dir():
        raise OpsError("The directory of backups has no parent", where=str(path), remedy="Make its parent, or name another directory.")
    if not os.access(existing, os.W_OK | os.X_OK):
        remedy = "Give the user that runs the backup the right to write there."
        raise OpsError("The directory of backups is not writable", where=str(existing), remedy=remedy)


def _make(path: Path, database: str, selection: Selection) -> None:
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        remedy = "Make its parent, or name another directory; it has to be writable."
        raise OpsError("The directory of backups could not be made", where=str(path), cause=str(error.strerror), remedy=remedy) from error
    part = {} if selection == WHOLE else {"selection": selection.asked}
    document = {"schema": SCHEMA, "schema_version": 1, "database": database, **part}
    write(Wanted(path / MARKER, 0o600, (json.dumps(document, sort_keys=True) + "\n").encode()))


def _said(path: Path, database: str) -> Selection:
    """Of which part of the database the backups of a directory are; one of another database is refused."""
    found = _parsed((path / MARKER).read_bytes())
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise OpsError(
            "The directory's marker is damaged", where=str(path / MARKER), remedy="Look at the backups before you write it anew."
        )
    if found.get("database") != database:
        raise OpsError(
            f"The directory holds backups of {found.get('database')!r}, not of {database!r}",
            where=str(path),
            remedy="Name the directory of this database.",
        )
    return Selection.parsed(found.get("selection") or {})


def _refuse_other_selection(path: Path, found: Selection, wanted: Selection) -> None:
    """One backup takes the place of another there, and stands for it."""
    raise OpsError(
        "The directory holds backups of another part of the database",
        where=str(path),
        cause=f"there: {found}; wanted: {wanted}",
        remedy="Name another directory for backups with this selection.",
    )


def _parsed(line: bytes) -> Any:
    """The document, or none where the bytes are not one."""
    try:
        return json.loads(line)
    except ValueError:
        return None
