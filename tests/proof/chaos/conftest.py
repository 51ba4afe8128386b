# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers of the integration tests, for operations that are killed; what needs no lab comes first."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.maintenance.conftest import database, serve, server
from tests.integration.postgres.conftest import backup, backups, made_backup, made_scene, place, room, scene

__all__ = ["backup", "backups", "database", "made_backup", "made_scene", "place", "room", "scene", "serve", "server"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Minutes before hours."""
    items.sort(key=lambda item: Path(item.path).name != "test_killed_operations.py")
