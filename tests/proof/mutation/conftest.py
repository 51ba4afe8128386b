# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database that has one object of every class, and a proven backup of it that is damaged once by each test."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.postgres import support
from tests.integration.postgres.conftest import backup, backups, keyed, made_backup, made_keyed, place, room
from tests.integration.postgres.damage import Backup, copy_of
from tests.integration.postgres.parts import made_partial, partial, source
from tests.integration.postgres.support import Place

__all__ = ["backup", "backups", "keyed", "made_backup", "made_keyed", "made_partial", "partial", "place", "room", "source"]
_DATABASE = "everything"


@pytest.fixture(scope="session")
def made_everything(place: Place) -> Iterator[Path]:
    """The repository with the one backup."""
    with place.room() as directory:
        place.postgresql.sql(f"CREATE DATABASE {_DATABASE} OWNER owner TEMPLATE template0", "postgres")
        argv = [*place.postgresql.psql(_DATABASE), "--single-transaction", f"--file={Path(__file__).with_name('everything.sql')}"]
        subprocess.run(argv, check=True, capture_output=True)
        support.credentials(directory / "admin", "admin")
        options = {"credentials_dir": str(directory / "admin"), "database": _DATABASE, "directory": str(directory / "backups")}
        made = place.good(place.run("pg_backup", {**place.options("admin"), **options}))
        judged = Backup(place, Path(made.result["backup_path"])).verify(directory, database=_DATABASE).result
        assert (judged["verdict"], judged["reason"]) == ("passed", "")
        yield directory / "backups"
        place.postgresql.sql(f"DROP DATABASE {_DATABASE} WITH (FORCE)", "postgres")


@pytest.fixture
def everything(place: Place, made_everything: Path, room: Path) -> Backup:
    """A copy of it."""
    return copy_of(place, made_everything, room)
