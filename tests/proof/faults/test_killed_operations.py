# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each operation is killed at each of its phases: live data is untouched, no backup is half there, and the next run converges."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.maintenance.database import Database
from tests.integration.maintenance.killed import PG, REDIS, pg_killed, redis_killed
from tests.integration.maintenance.redis_server import Serve
from tests.integration.postgres import killed
from tests.integration.postgres.damage import Backup
from tests.integration.postgres.scene import Scene
from tests.integration.postgres.support import Place

IN_THE_SWAP = "in the swap"


@pytest.mark.parametrize("phase", killed.BACKUP)
def test_pg_backup_killed(place: Place, backups: Path, room: Path, phase: str) -> None:
    killed.backup_killed(place, backups, room, phase)
    assert place.content()


@pytest.mark.parametrize("phase", [*killed.RESTORE, IN_THE_SWAP])
def test_pg_restore_killed(scene: Scene, room: Path, phase: str) -> None:
    if phase == IN_THE_SWAP:
        killed.restore_killed_in_the_swap(scene)
    else:
        killed.restore_killed(scene, room, phase)
    assert scene.seen()


@pytest.mark.parametrize("phase", [*killed.UNDO, IN_THE_SWAP])
def test_undo_of_pg_restore_killed(scene: Scene, room: Path, phase: str) -> None:
    if phase == IN_THE_SWAP:
        killed.undo_killed_in_the_swap(scene)
    else:
        killed.undo_killed(scene, room, phase)
    assert scene.seen()


@pytest.mark.parametrize("phase", killed.VERIFICATION)
def test_pg_backup_verify_killed(backup: Backup, room: Path, phase: str) -> None:
    killed.verification_killed(backup, room, phase)
    assert backup.path.is_dir()


@pytest.mark.parametrize("phase", PG)
def test_pg_maintain_killed(database: Database, tmp_path: Path, phase: str) -> None:
    pg_killed(database, tmp_path, phase)
    assert not database.exists("temp_stats")


@pytest.mark.parametrize("phase", REDIS)
def test_redis_maintain_killed(serve: Serve, tmp_path: Path, phase: str) -> None:
    redis_killed(serve, tmp_path, phase)
    assert (tmp_path / "progress").exists()
