# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL for all tests of a file, in which nothing needs anything when a test begins, and a Redis for each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.app import servers
from tests.integration.maintenance.database import Database
from tests.integration.maintenance.redis_server import Redis, Serve, Served
from tests.integration.postgres import support


@pytest.fixture(scope="module")
def server() -> Iterator[support.Place]:
    with support.place() as made:
        # Autovacuum would do some of the work in the middle of a test.
        for setting in ("autovacuum = off", "max_prepared_transactions = 5"):
            made.postgresql.sql(f"ALTER SYSTEM SET {setting}")
        made.postgresql.stop()
        made.postgresql.start()
        yield made


@pytest.fixture
def database(server: support.Place) -> Iterator[Database]:
    """Nothing needs anything when a test begins."""
    made = Database(server)
    made.sql("REFRESH MATERIALIZED VIEW endpoint_daily_stats")
    made.sql("VACUUM (ANALYZE) requests, endpoints, endpoint_daily_stats, alembic_version")
    yield made
    made.sql("DROP TABLE IF EXISTS temp_stats CASCADE; DROP VIEW IF EXISTS leftover; DROP MATERIALIZED VIEW IF EXISTS other")


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    servers.install()
    with ExitStack() as cleanup:

        def serve(**settings: str) -> Served:
            directory = tmp_path / "redis"
            directory.mkdir()
            servers.certificate(directory)
            redis = Redis(directory, {name.replace("_", "-"): value for name, value in settings.items()})
            redis.start()
            cleanup.callback(redis.end)
            reached = {"host": "127.0.0.1", "port": redis.port, "ca_file": str(directory / "tls.crt"), "timeout_seconds": 10}
            return Served(redis, {**reached, "credentials_dir": str(support.credentials(tmp_path / "ops", "ops"))})

        yield serve
