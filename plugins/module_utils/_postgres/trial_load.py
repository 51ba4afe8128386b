# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup, loaded into the server of a trial: roles, rows, then indexes and constraints as far as the level says."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import accounts, archive, compare, indexes, load
from .scratch_place import NoScratchError
from .trial import Trial
from .verdict import CONSTRAINTS, FULL


@dataclass(frozen=True)
class Loaded:
    """Rows that were loaded, what follows them, and the name of the copy without rows, empty for none."""

    dump: archive.Archive
    following: indexes.Following
    twin: str


def prepared(trial: Trial) -> bool:
    """Roles first, as objects and grants name them; without them a restore is not begun."""
    facts = trial.manifest.database
    trial.progress.phase("roles")
    sql = trial.examination.roles()
    if sql is not None:
        trial.loader.globals(sql)
    with trial.session("template1") as connection:
        if sql is None:
            load.stand_in(connection, trial.manifest)
        else:
            made = [account for account in accounts.accounts(connection) if account.name != trial.loader.who.username]
            trial.seen.differences += accounts.differences(trial.manifest.accounts, made)
        if extensions := load.missing_extensions(connection, trial.manifest):
            remedy = f"Install what postgresql-{trial.manifest.server.major} needs for them where the verification runs."
            raise NoScratchError("The scratch server lacks extensions", cause=", ".join(extensions), remedy=remedy)
        if trial.seen.differences:
            return False
        # The server is new: the only database that may be there is the one that every server has.
        connection.execute("DROP DATABASE postgres")
        load.create_database(connection, facts)
    return True


def loaded(trial: Trial, opened: archive.Archive) -> Loaded:
    """The rows, and a copy that has none of them where the level wants one."""
    trial.progress.phase("restore", trial.manifest.database_bytes, "bytes")
    following = _following(trial, opened)
    twin = f"twin_{secrets.token_hex(4)}" if following.parsed else ""
    with trial.session("template1") as connection:
        how = load.How(trial.asked.jobs, _growing(trial, connection), fleeting=True, twin=twin)
        trial.loader.load(opened, trial.manifest.database.name, how)
    return Loaded(opened, following, twin)


def indexed(trial: Trial, loaded: Loaded, connection: Any) -> compare.Twin:
    """As far as the level says; gives what was made in a copy that has no rows."""
    trial.progress.phase("indexes", trial.manifest.database_bytes, "bytes")
    how, following = load.How(trial.asked.jobs, _growing(trial, connection)), loaded.following
    for lines in following.stages:
        trial.loader.finish(loaded.dump, lines, trial.manifest.database.name, how)
    trial.loader.finish(loaded.dump, following.parsed, loaded.twin, how)
    trial.seen.checked["indexes_parsed"] = following.parsed_indexes
    return compare.Twin(following.parsed_entries, trial.loader.structure(loaded.twin) if loaded.twin else "")


def _growing(trial: Trial, connection: Any) -> Callable[[], None]:
    """Tells how far it is by the size of the database."""
    name, expected = trial.manifest.database.name, trial.manifest.database_bytes

    def watch() -> None:
        size = connection.execute("SELECT pg_database_size(%s) AS bytes", [name]).fetchone()["bytes"]
        trial.examination.advance(min(size, expected))

    return watch


def _following(trial: Trial, opened: archive.Archive) -> indexes.Following:
    if trial.asked.level == CONSTRAINTS:
        return indexes.breakable(opened, trial.loader.programs, trial.loader.deadline)
    return indexes.everything(opened) if trial.asked.level == FULL else indexes.Following(())
