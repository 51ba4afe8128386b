# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of PostgreSQL 15, made where that is and given to a newer release: one of each healthy database, and of one with all objects."""

from __future__ import annotations

import os
from pathlib import Path

from tests.integration.postgres import support
from tests.integration.postgres.conftest import BUCKETS
from tests.integration.postgres.support import DATABASE, Place
from tests.integration.postgres.test_verify_healthy import DATABASES, Database, typed
from tests.proof.mutation.test_healthy import CONTROLS, PROPERTIES

# Where they are in the container; empty outside of it.
GIVEN = os.environ.get("ENDPOINT_STATS_TEST_BACKUPS", "")
EVERYTHING = "one object of every class"
_ALL = Path(__file__).parent.parent / "mutation" / "everything.sql"
# Without those that are about the server rather than the database.
HEALTHY: dict[str, Database] = {
    EVERYTHING: Database(_ALL.read_text(), name="everything"),
    **{name: Database(sql) for name, sql in CONTROLS.items()},
    **PROPERTIES,
    **{name: database for name, database in DATABASES.items() if database.sql and not database.before and database.name != "postgres"},
}


def made(place: Place, directory: Path) -> Path:
    """All of them, each in a directory of its number; the stack's own in C(stack), with sums of parts of its tables."""
    repositories = directory / "older"
    repositories.mkdir()
    support.own(repositories)
    place.good(place.backup(repositories / "stack", bucket_sums=BUCKETS))
    support.credentials(directory / "admin", "admin")
    for number, database in enumerate(HEALTHY.values()):
        quoted = '"' + database.name.replace('"', '""') + '"'
        typed(place, f"CREATE DATABASE {quoted} OWNER owner TEMPLATE template0 {database.properties}", "postgres")
        typed(place, database.sql, database.name)
        known = {"credentials_dir": str(directory / "admin"), "database": database.name, "directory": str(repositories / str(number))}
        place.good(place.run("pg_backup", {**place.options("admin"), **known}))
        typed(place, f"DROP DATABASE {quoted} WITH (FORCE)", "postgres")
    return repositories


def given(name: str) -> tuple[Path, str]:
    """The directory of one, and its database."""
    if name == "stack":
        return Path(GIVEN) / name, DATABASE
    return Path(GIVEN) / str(list(HEALTHY).index(name)), HEALTHY[name].name
