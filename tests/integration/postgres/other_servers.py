# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers beside the one of the tests: another one of its version, and one of a newer major version, whose clients nobody has here."""

from __future__ import annotations

import contextlib
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tests.integration.app import servers
from tests.integration.postgres import support
from tests.integration.postgres.support import Place
from tests.integration.search import artifacts, engines

LOCK = Path(__file__).parent / "newer" / "artifacts.lock"
_ROLES = "SELECT rolname FROM pg_roles WHERE rolname <> 'admin' AND rolname !~ '^pg_'"
_ARCHIVE = "postgres-linux-x86_64.txz"


class Newer(servers.PostgreSQL):
    """PostgreSQL 17, of which there are the server's programs alone."""

    def __init__(self, directory: Path) -> None:
        engines.install()
        installed = artifacts.assembled("postgresql-newer", LOCK, [Path(__file__)], _unpack)
        # The cache may be in a home that only root may enter.
        shutil.copytree(installed / "server", directory / "programs")
        self.binaries = directory / "programs" / "bin"
        super().__init__(directory)


def _unpack(home: Path) -> None:
    with (
        zipfile.ZipFile(next((home / "archive").glob("*.jar"))) as jar,
        jar.open(_ARCHIVE) as packed,
        tarfile.open(fileobj=packed) as archive,
    ):
        # Debian's Python knows no filters yet; what is in the archive is known by its checksum.
        archive.extractall(home / "server")  # noqa: S202


@contextlib.contextmanager
def another(place: Place, kind: type[servers.PostgreSQL]) -> Iterator[servers.PostgreSQL]:
    """One with the certificate of the first, its roles, an empty database, and an administrator who may come by TCP as well."""
    with place.room() as room:
        for name in ("tls.crt", "tls.key"):
            shutil.copy(place.directory / name, room)
            support.own(room / name)
        made = kind(room)
        made.start()
        try:
            quoted = servers.PASSWORD.replace("'", "''")
            made.sql(f"ALTER ROLE admin PASSWORD '{quoted}'", "postgres")
            made.sql("CREATE DATABASE endpoint_stats", "postgres")
            for role in place.postgresql.sql(_ROLES, "postgres").splitlines():
                made.sql(f'CREATE ROLE "{role}"', "postgres")
            yield made
        finally:
            made.end()
