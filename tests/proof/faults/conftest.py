# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers of the integration tests, with a database that has something to send."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.maintenance.conftest import database, serve, server
from tests.integration.postgres import support
from tests.integration.postgres.conftest import backup, backups, elsewhere, made_backup, made_scene, room, scene, service

__all__ = ["backup", "backups", "database", "elsewhere", "made_backup", "made_scene", "room", "scene", "serve", "server", "service"]

# It hardly compresses.
_PAYLOAD = """
CREATE TABLE payload (number bigint PRIMARY KEY, content bytea NOT NULL);
INSERT INTO payload SELECT n, decode(md5(n::text) || md5((-n)::text), 'hex') FROM generate_series(1, 40000) n;
ALTER TABLE payload OWNER TO owner;
ANALYZE payload;
"""


def filled(place: support.Place) -> support.Place:
    """It, with a table that takes a while."""
    place.postgresql.sql(_PAYLOAD, support.MIGRATED)
    place.create_database()
    return place


@pytest.fixture(scope="session")
def place() -> Iterator[support.Place]:
    with support.place() as made:
        yield filled(made)
