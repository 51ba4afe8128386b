# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stores once for all tests of operations; each test has its own directories and the database as it should be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.operations.support import Site, redis_user
from tests.integration.postgres import support


@pytest.fixture(scope="session")
def place() -> Iterator[support.Place]:
    with support.place() as made:
        redis_user(made, "ops")
        yield made


@pytest.fixture
def site(place: support.Place) -> Iterator[Site]:
    """An inventory without Kubernetes."""
    with place.room() as room:
        (room / "metrics").mkdir()
        support.own(room / "metrics")
        yield Site(place, room)
