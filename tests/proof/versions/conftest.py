# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""On the host: containers of newer releases, and what they are given. In a container: the server of the tests, as everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.postgres.conftest import backup, backups, made_backup, place, room
from tests.integration.postgres.support import Place
from tests.proof.versions import older
from tests.proof.versions.releases import Inside, Release, inside

__all__ = ["backup", "backups", "made_backup", "place", "room"]
collect_ignore = ["test_releases.py"] if older.GIVEN else ["test_older.py", "test_newer.py"]


@pytest.fixture(scope="session")
def older_backups(place: Place) -> Iterator[Path]:
    """Backups of PostgreSQL 15."""
    with place.room() as directory:
        yield older.made(place, directory)


@pytest.fixture(scope="module")
def at(request: pytest.FixtureRequest, older_backups: Path) -> Iterator[Inside]:
    """The container of one release."""
    release: Release = request.param
    with ExitStack() as cleanup:
        yield cleanup.enter_context(inside(release, older_backups))
