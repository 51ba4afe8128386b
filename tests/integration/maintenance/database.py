# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database of the stack, and the module as the role that maintains it."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.integration.app import servers
from tests.integration.postgres import support

PARTITION = "SELECT tableoid::regclass FROM requests WHERE number = 1"


@dataclass(frozen=True)
class Database:
    """The database of the stack, and the module as the role C(maintenance) runs it."""

    place: support.Place

    def sql(self, statement: str) -> str:
        return self.place.postgresql.sql(statement)

    def options(self, role: str = "maintenance", **changes: Any) -> dict[str, Any]:
        gentle = {"vacuum_cost_delay_seconds": 0, "lock_budget_seconds": 0.3}
        return {**self.place.options(role), **gentle, **changes}

    def maintain(self, role: str = "maintenance", *, check: bool = False, **changes: Any) -> dict[str, Any]:
        return self.place.good(self.place.run("pg_maintain", self.options(role, **changes), check=check)).result

    def refused(self, role: str = "maintenance", **changes: Any) -> dict[str, Any]:
        outcome = self.place.run("pg_maintain", self.options(role, **changes))
        assert outcome.failed, outcome.output
        failure: dict[str, Any] = outcome.result["failure"]
        return failure

    def spoil(self) -> None:
        """Make dead rows, and have them counted at once: a session that ends does so after its client has gone."""
        self.sql("UPDATE requests SET response_time = response_time + 1; SELECT pg_stat_force_next_flush()")

    def partition(self) -> str:
        return f"public.{self.sql(PARTITION)}"

    def dead_rows(self, table: str) -> int:
        return int(self.sql(f"SELECT pg_stat_get_dead_tuples('{table}'::regclass)"))

    def exists(self, name: str) -> bool:
        return self.sql(f"SELECT to_regclass('{name}') IS NOT NULL") == "t"

    @contextlib.contextmanager
    def busy(self, role: str, *statements: str) -> Iterator[None]:
        """A session of a role that has done something and is idle in its transaction."""
        where = f"host=127.0.0.1 port={self.place.postgresql.port} dbname=endpoint_stats sslmode=require user={role}"
        argv = [str(servers.BINARIES / "psql"), where, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]
        environment = {**os.environ, "PGPASSWORD": servers.PASSWORD}
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as session:
            assert session.stdin is not None
            assert session.stdout is not None
            session.stdin.write("".join(f"{statement};\n" for statement in ("BEGIN", *statements)) + "\\echo ready\n")
            session.stdin.flush()
            assert "ready\n" in iter(session.stdout.readline, "")
            yield
            session.stdin.close()


def actions(result: dict[str, Any]) -> dict[str, str]:
    return {entry["table"]: entry["action"] for entry in result["tables"]}
