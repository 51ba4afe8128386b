# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups as tests of their logic need them."""

from __future__ import annotations

from typing import Any

from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.accounts import Account
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.backup_file import BackupFile
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.contents import Entry
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.facts import DatabaseFacts, ServerFacts
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.manifest import Manifest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.table_content import TableContent


def table(name: str, rows: int, **changes: Any) -> TableContent:
    """A table of so many rows."""
    facts = {"schema": "public", "name": name, "rows": rows, "group": f"public.{name}", "query": f"SELECT {rows}", "sums": ("1", "2")}
    return TableContent(**{**facts, **changes})


def manifest(**changes: Any) -> Manifest:
    """A small manifest that is as it should be."""
    facts: dict[str, Any] = {
        "id": "20261125T211700Z",
        "database": DatabaseFacts("endpoint_stats", "owner", "UTF8", "C.UTF-8", "C.UTF-8", "libc", "", "", 9_000_000),
        "server": ServerFacts("7712218975259400564", "15.18", 150018),
        "pg_dump_version": "15.18",
        "begun_at": "2026-11-25T21:17:00Z",
        "snapshot_at": "2026-11-25T21:17:01Z",
        "ended_at": "2026-11-25T21:17:04Z",
        "seconds": {"dump": 2.5, "checksums": 0.5},
        "extensions": {"plpgsql": "1.0"},
        "roles": ("api", "owner"),
        "accounts": (Account("api", "LOGIN", "", ""), Account("owner", "LOGIN", "", "")),
        "tables": (table("endpoints", 2), table("requests", 40)),
        "entries": (Entry("TABLE", "public", "endpoints", "owner", "1" * 64),),
        "files": (BackupFile("dump/toc.dat", 100, "2" * 64), BackupFile("globals.sql", 200, "3" * 64)),
        "warnings": (),
    }
    return Manifest(**{**facts, **changes})
