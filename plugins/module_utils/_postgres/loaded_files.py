# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that a server is to have loaded."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from .._errors import OpsError
from .administrator import Administrator, Outcome

_POLL_SECONDS = 1.0
_NEEDS_RESTART = "setting could not be applied"

_SYSTEM_SETTINGS = (
    "SELECT name, coalesce(setting, '') AS setting FROM pg_file_settings WHERE sourcefile LIKE '%/postgresql.auto.conf' ORDER BY 1"
)
_PENDING = "SELECT name FROM pg_settings WHERE pending_restart ORDER BY 1"
_FILE = "SELECT encode(sha256(pg_read_binary_file(%s)), 'hex') AS sha256, (pg_stat_file(%s)).modification > pg_conf_load_time() AS newer"
_MISTAKES = "SELECT coalesce(name, sourcefile) AS name, error FROM pg_file_settings WHERE error IS NOT NULL AND NOT applied ORDER BY 1"


def load_files(administrator: Administrator, files: Mapping[str, str], outcome: Outcome, *, wait_seconds: int, check: bool) -> None:
    """Wait until the server's files are the wanted ones, and have it load what is newer than what it loaded."""
    with administrator.session("postgres") as connection:
        strange = {row["name"]: row["setting"] for row in connection.execute(_SYSTEM_SETTINGS).fetchall()}
        outcome.differ("ALTER SYSTEM", [f"{name} = {value}" for name, value in strange.items()], [])
        stale = _awaited(connection, files, 0 if check else wait_seconds)
        if stale:
            outcome.differ("loaded files", [], stale)
        if check:
            return
        if strange:
            connection.execute("ALTER SYSTEM RESET ALL")
        if strange or stale:
            connection.execute("SELECT pg_reload_conf()")
        mistakes = [f"{row['name']}: {row['error']}" for row in connection.execute(_MISTAKES).fetchall() if row["error"] != _NEEDS_RESTART]
        if mistakes:
            remedy = "Correct app_stack_postgresql_settings."
            raise OpsError(
                "PostgreSQL does not accept its settings", where=administrator.server.address, cause="; ".join(mistakes), remedy=remedy
            )
        outcome.pending_restart = [row["name"] for row in connection.execute(_PENDING).fetchall()]


def _awaited(connection: Any, files: Mapping[str, str], wait_seconds: int) -> list[str]:
    """Files that the server has not loaded yet, once they are the wanted ones."""
    until = time.monotonic() + wait_seconds
    while True:
        found = {path: connection.execute(_FILE, (path, path)).fetchone() for path in files}
        other = [path for path, row in found.items() if row["sha256"] != files[path]]
        if not other or not wait_seconds:
            return sorted({*other, *(path for path, row in found.items() if row["newer"])})
        if time.monotonic() > until:
            remedy = "kubelet updates mounted files within two minutes; see whether its node is well, or delete the pod."
            raise OpsError("The server does not have its new files yet", cause=", ".join(other), remedy=remedy)
        time.sleep(_POLL_SECONDS)
