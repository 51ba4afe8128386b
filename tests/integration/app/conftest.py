# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stores once for all tests, the API once for each file of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.app import servers


@pytest.fixture(scope="session")
def stack() -> Iterator[servers.Stack]:
    """PostgreSQL and Redis with a migrated database."""
    with servers.stack() as made:
        made.program("migrate", account="owner")
        yield made


@pytest.fixture(scope="module")
def api(stack: servers.Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Api]:
    """The API with two workers and short answers of the cache."""
    served = servers.Api(
        Path(tmp_path_factory.mktemp("api")),
        {**stack.environment, "ENDPOINT_STATS_CACHE_TTL_SHORT_SECONDS": "2", "ENDPOINT_STATS_LOG_LEVEL": "DEBUG"},
    )
    served.start()
    try:
        yield served
    finally:
        served.end()
