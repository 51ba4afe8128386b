# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One server for all files of tests; each test has directories of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.app import servers
from tests.integration.offsite.s3 import S3
from tests.integration.postgres import damage, support
from tests.integration.postgres.elsewhere import Elsewhere
from tests.integration.postgres.parts import made_partial, partial, source
from tests.integration.postgres.scene import PRISTINE, Scene
from tests.integration.postgres.support import DATABASE, Place

__all__ = ["made_partial", "partial", "source"]
KEYED, BUCKETS = f"{DATABASE}_keyed", 16
_buckets = itertools.count()


@pytest.fixture(scope="session")
def place() -> Iterator[support.Place]:
    """The server, with a migrated database that holds rows. Who changes the database calls C(create_database) afterwards."""
    with support.place() as made:
        yield made


@pytest.fixture
def room(place: support.Place) -> Iterator[Path]:
    """An empty directory of the user the modules run as."""
    with place.room() as made:
        yield made
        place.end_started()


@pytest.fixture
def empty_server(place: Place) -> Iterator[servers.PostgreSQL]:
    """A server that knows nothing of the stack."""
    with place.room() as directory:
        for name in ("tls.crt", "tls.key"):
            (directory / name).write_bytes((place.directory / name).read_bytes())
            (directory / name).chmod(0o600)
            support.own(directory / name)
        server = servers.PostgreSQL(directory)
        server.start()
        try:
            yield server
        finally:
            server.end()


@pytest.fixture(scope="session")
def made_backup(place: support.Place) -> Iterator[Path]:
    """A directory with one good backup that nobody changes."""
    with place.room() as directory:
        place.good(place.backup(directory / "backups"))
        yield directory / "backups"


@pytest.fixture
def backup(place: support.Place, made_backup: Path, room: Path) -> damage.Backup:
    """A copy of it that may be damaged."""
    return damage.copy_of(place, made_backup, room)


@pytest.fixture
def backups(backup: damage.Backup) -> Path:
    """The directory it is in."""
    return backup.repository


@pytest.fixture(scope="session")
def made_keyed(place: Place) -> Iterator[damage.Backup]:
    """A backup of tables with keys of every kind, with sums of their parts."""
    with place.room() as directory:
        place.postgresql.sql(f"CREATE DATABASE {KEYED} OWNER owner TEMPLATE template0", "postgres")
        place.postgresql.sql(Path(__file__).with_name("keyed.sql").read_text(), KEYED)
        known = {"credentials_dir": str(support.credentials(directory / "admin", "admin")), "directory": str(directory / "backups")}
        backup = place.run("pg_backup", {**place.options("admin"), **known, "database": KEYED, "bucket_sums": BUCKETS})
        yield damage.Backup(place, Path(place.good(backup).result["backup_path"]))
        place.postgresql.sql(f"DROP DATABASE {KEYED} WITH (FORCE)", "postgres")


@pytest.fixture
def keyed(place: Place, made_keyed: damage.Backup, room: Path) -> damage.Backup:
    """A copy of it that may be damaged."""
    return damage.copy_of(place, made_keyed.repository, room)


@pytest.fixture(scope="module")
def made_scene(place: Place) -> Iterator[Scene]:
    """It with a proven backup, and a copy of it to begin each test from."""
    with place.room() as room:
        place.create_database()
        place.postgresql.sql("CREATE EXTENSION pg_trgm")
        backup = place.good(place.backup(room / "backups")).result["backup"]
        options = {"directory": str(room / "backups"), "database": DATABASE, "scratch_dir": str(room / "scratch")}
        assert place.good(place.run("pg_backup_verify", options)).result["verdict"] == "passed"
        scene = Scene(place, room / "backups", backup, {})
        place.postgresql.sql(f"CREATE DATABASE {PRISTINE} TEMPLATE {DATABASE} OWNER owner STRATEGY file_copy", "postgres")
        yield replace(scene, content=scene.seen())
        scene.renew()
        place.postgresql.sql(f"DROP DATABASE {PRISTINE}", "postgres")
        place.create_database()


@pytest.fixture
def scene(made_scene: Scene) -> Scene:
    made_scene.renew()
    return made_scene


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    servers.install(("rclone",))
    server = S3(tmp_path_factory.mktemp("s3"))
    server.start()
    yield server
    server.end()


@pytest.fixture
def elsewhere(place: Place, service: S3, room: Path, backups: Path) -> Elsewhere:
    bucket = f"backups-{next(_buckets)}"
    service.make(bucket)
    return Elsewhere(place, service, room, backups, bucket)
