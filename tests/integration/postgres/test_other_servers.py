# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that our programs are too old for is left alone, and one that the backup is not of takes it only when told so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.integration.app import servers
from tests.integration.postgres import damage, other_servers, support
from tests.integration.postgres.support import DATABASE, Place

_DATABASES = "SELECT oid, datname FROM pg_database ORDER BY 1"
_ROWS = "SELECT count(*) FROM requests"


@pytest.fixture(scope="module")
def newer(place: Place) -> Iterator[servers.PostgreSQL]:
    with other_servers.another(place, other_servers.Newer) as made:
        assert made.sql("SHOW server_version_num").startswith("17")
        yield made


def to(server: servers.PostgreSQL, place: Place, backup: damage.Backup, **changes: Any) -> dict[str, Any]:
    """A restore there, as its administrator."""
    where = {"host": "127.0.0.1", "port": server.port, "ca_file": str(place.directory / "tls.crt"), "database": DATABASE}
    who = {"user": "admin", "password": servers.PASSWORD}
    return {**where, **who, "directory": str(backup.repository), "backup": backup.path.name, "require_proven": False, **changes}


def test_a_newer_server_is_not_backed_up_by_older_programs(place: Place, newer: servers.PostgreSQL, room: Path) -> None:
    support.credentials(room / "admin", "admin")
    options = place.backup_options(room / "backups", port=newer.port, credentials_dir=str(room / "admin"))
    before = support.tree(room)
    for check in (True, False):
        refused = place.run("pg_backup", options, check=check)
        assert refused.failed
        assert "There is no pg_dump, pg_dumpall, pg_restore of PostgreSQL 17 or newer" in refused.message
        assert "Install the package postgresql-17 or postgresql-client-17" in refused.message
    assert support.tree(room) == before


def test_nothing_is_restored_on_a_newer_server_by_older_programs(place: Place, newer: servers.PostgreSQL, backup: damage.Backup) -> None:
    before = newer.sql(_DATABASES, "postgres")
    refused = place.run("pg_restore", to(newer, place, backup, accept_other_server=True))
    assert "There is no pg_restore, pg_dump, psql of PostgreSQL 17 or newer" in refused.message
    assert newer.sql(_DATABASES, "postgres") == before


def test_a_backup_of_a_newer_server_is_neither_judged_nor_restored_here(
    place: Place, newer: servers.PostgreSQL, backup: damage.Backup, room: Path
) -> None:
    version = int(newer.sql("SHOW server_version_num"))
    identifier = newer.sql("SELECT system_identifier FROM pg_control_system()")
    backup.forge(server=replace(backup.manifest.server, version_number=version, system_identifier=identifier))
    result = backup.verify(room).result
    assert (result["verdict"], result["differences"]) == ("could_not_verify", [])
    assert "There is no postgres, initdb of PostgreSQL 17" in result["reason"]
    before = place.postgresql.sql(_DATABASES, "postgres")
    refused = place.run("pg_restore", to(place.postgresql, place, backup, user="restore"))
    assert "The server is older than the one the backup is of" in refused.message
    assert "The backup is of another server" in refused.message
    assert place.postgresql.sql(_DATABASES, "postgres") == before


def test_a_backup_of_another_server_takes_the_name_only_when_told(place: Place, backup: damage.Backup) -> None:
    with other_servers.another(place, servers.PostgreSQL) as server:
        server.sql("CREATE TABLE of_this_server ()")
        before = server.sql(_DATABASES, "postgres")
        refused = place.run("pg_restore", to(server, place, backup))
        assert "The backup is of another server than the one whose database it would replace" in refused.message
        assert server.sql(_DATABASES, "postgres") == before
        restored = place.good(place.run("pg_restore", to(server, place, backup, accept_other_server=True)))
        assert "other_server" in restored.findings()
        assert server.sql(_ROWS) == str(support.ROWS)
        assert server.sql("SELECT to_regclass('of_this_server') IS NOT NULL", restored.result["kept_database"]) == "t"
