# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database with a proven backup, which may lose rows, be restored and be renewed."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.app import servers
from tests.integration.modules import Outcome
from tests.integration.postgres.support import DATABASE, Place

PRISTINE = f"{DATABASE}_pristine"
ADD = "INSERT INTO requests (timestamp, endpoint, response_time, status, number) VALUES (now(), '/api/1', 1, 200, 9999)"
LOSE = f"{ADD}; DELETE FROM requests WHERE number < 1000; DROP TABLE endpoints CASCADE"  # noqa: S608 - a statement of ours
RIGHTS = f"""
REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC;
GRANT CONNECT ON DATABASE {DATABASE} TO api, backup, monitoring, maintenance, restore;
"""
_DATABASES = f"SELECT datname FROM pg_database WHERE datname LIKE '{DATABASE}%' AND datname <> '{PRISTINE}' ORDER BY 1"  # noqa: S608 - names of ours
_CATALOG = """
SELECT to_jsonb(d) - 'datfrozenxid' - 'datminmxid' FROM pg_database d ORDER BY 1;
SELECT * FROM pg_db_role_setting ORDER BY 1, 2; SELECT * FROM pg_shdescription ORDER BY 1
"""


@dataclass(frozen=True)
class Scene:
    """A database with a proven backup."""

    place: Place
    repository: Path
    backup: str
    content: Mapping[str, str]

    def options(self, **changes: Any) -> dict[str, Any]:
        known = {**self.place.options("restore"), "directory": str(self.repository), "database": DATABASE, "password": servers.PASSWORD}
        return {name: value for name, value in {**known, **changes}.items() if name != "credentials_dir"}

    def run(self, how: Mapping[str, Any] | None = None, **changes: Any) -> Outcome:
        return self.place.run("pg_restore", self.options(**changes), **(how or {}))

    def good(self, **changes: Any) -> dict[str, Any]:
        return self.place.good(self.run(**changes)).result

    def undo(self, **changes: Any) -> Outcome:
        return self.run(state="undone", **changes)

    def sql(self, statement: str, database: str = DATABASE) -> str:
        return self.place.postgresql.sql(statement, database)

    def lose(self) -> dict[str, str]:
        """What is left then."""
        self.sql(LOSE)
        return self.seen()

    def seen(self, database: str = DATABASE) -> dict[str, str]:
        """A hash over all rows of each table."""
        return self.place.content(database)

    def databases(self) -> list[str]:
        return self.sql(_DATABASES, "postgres").splitlines()

    def catalog(self) -> str:
        """What the server knows of its databases."""
        return self.sql(_CATALOG, "postgres")

    def renew(self) -> None:
        """The database as it was when it was backed up, and no other one."""
        for name in self.databases():
            self.sql(f'DROP DATABASE "{name}" WITH (FORCE)', "postgres")
        self.sql(f"CREATE DATABASE {DATABASE} TEMPLATE {PRISTINE} OWNER owner STRATEGY file_copy", "postgres")
        self.sql(RIGHTS, "postgres")

    @contextlib.contextmanager
    def client(self, role: str, database: str = DATABASE, application: str = "psql") -> Iterator[subprocess.Popen[str]]:
        """A session with an open transaction."""
        where = f"host={self.place.postgresql.host} port={self.place.postgresql.port} user={role} dbname={database} sslmode=require"
        remote = [str(servers.BINARIES / "psql"), "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", where]
        argv = self.place.postgresql.psql(database) if role == "admin" else remote
        environment = {**os.environ, "PGPASSWORD": servers.PASSWORD, "PGAPPNAME": application}
        pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        with subprocess.Popen(argv, env=environment, text=True, **pipes) as session:
            assert session.stdin is not None
            assert session.stdout is not None
            session.stdin.write("BEGIN;\nSELECT 'open';\n")
            session.stdin.flush()
            assert session.stdout.readline() == "open\n"
            try:
                yield session
            finally:
                with contextlib.suppress(BrokenPipeError):
                    session.stdin.close()
