# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A globals.sql that makes other roles than the server had: each fails for the role, although every statement of it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.postgres.damage import Backup

GLOBALS = "globals.sql"
MUTANTS = {
    "a superuser more": ("ALTER ROLE monitoring WITH SUPERUSER;", "role_changed", "monitoring"),
    "a role that may make roles": ("ALTER ROLE api WITH CREATEROLE;", "role_changed", "api"),
    "a role that may make databases": ("ALTER ROLE api WITH CREATEDB;", "role_changed", "api"),
    "a role that nobody can be": ("ALTER ROLE api WITH NOLOGIN;", "role_changed", "api"),
    "a role that replicates": ("ALTER ROLE api WITH REPLICATION;", "role_changed", "api"),
    "a role beyond row security": ("ALTER ROLE api WITH BYPASSRLS;", "role_changed", "api"),
    "a role that inherits nothing": ("ALTER ROLE api WITH NOINHERIT;", "role_changed", "api"),
    "a role with one connection": ("ALTER ROLE api CONNECTION LIMIT 1;", "role_changed", "api"),
    "a role that has ended": ("ALTER ROLE api VALID UNTIL '2020-01-01Z';", "role_changed", "api"),
    "a membership more": ("GRANT owner TO api;", "role_changed", "api"),
    "a membership less": ("REVOKE owner FROM maintenance;", "role_changed", "maintenance"),
    "an administrator of a role": ("GRANT owner TO maintenance WITH ADMIN OPTION;", "role_changed", "maintenance"),
    "a setting more": ("ALTER ROLE api SET statement_timeout = 1;", "role_changed", "api"),
    "a role more": ("CREATE ROLE stranger LOGIN SUPERUSER;", "role_unexpected", "stranger"),
    "a role less": ("DROP ROLE monitoring;", "role_missing", "monitoring"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_in_the_globals_is(name: str, backup: Backup, room: Path) -> None:
    statement, kind, subject = MUTANTS[name]
    backup.replace(GLOBALS, lambda data: data + statement.encode() + b"\n", reseal=True)
    result = backup.verify(room, level="full").result
    found = [(difference["kind"], difference["subject"]) for difference in result["differences"]]
    assert (result["verdict"], found) == ("failed", [(kind, subject)])
