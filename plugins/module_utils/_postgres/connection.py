# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to PostgreSQL: credentials from files, the server's name and certificate checked, every wait bounded."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .._deps import declare
from .._errors import OpsError
from .._tls import Credentials, credentials
from . import silence

with declare("psycopg", minimum="3.1"):
    import psycopg
    import psycopg.rows

# PostgreSQL keeps timeouts as milliseconds in 31 bits.
LONGEST_TIMEOUT_SECONDS = 2_000_000
_STARTING = ("57P03", "53300")
_STATEMENT_TIMEOUT = re.compile(r"statement_timeout=(\d+)")


@dataclass(frozen=True)
class Server:
    """Where a database is and who connects; an empty C(ca_file) means no TLS, for servers on loopback."""

    host: str
    port: int
    database: str
    credentials_dir: str
    ca_file: str
    timeout_seconds: int

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}/{self.database}"


class NoConnectionError(OpsError):
    """No connection; C(down) tells a server that does not serve from one that does not let us in."""

    def __init__(self, server: Server, cause: str, sqlstate: str) -> None:
        remedy = silence.LOOK if self._is_down(sqlstate) else "Check the credentials that are mounted and the rights of their role."
        super().__init__("PostgreSQL does not let us connect", where=server.address, cause=cause, remedy=remedy, sqlstate=sqlstate)
        self.down = self._is_down(sqlstate)

    @staticmethod
    def _is_down(sqlstate: str) -> bool:
        return not sqlstate.startswith(("28", "3D", "42"))


@contextmanager
def connected(server: Server) -> Iterator[Any]:
    """A read-only session that gives rows as dictionaries; nobody's functions are taken for the system's."""
    settings = "-c default_transaction_read_only=on -c search_path=pg_catalog"
    with session(server, credentials(server.credentials_dir), settings) as connection:
        yield connection


@contextmanager
def session(server: Server, who: Credentials, settings: str = "") -> Iterator[Any]:
    """A session that gives rows as dictionaries and commits each statement by itself."""
    bound = server.timeout_seconds * 1000
    options = f"{silence.SERVER} -c statement_timeout={bound} -c lock_timeout={bound} -c idle_in_transaction_session_timeout={bound}"
    statement_seconds = int(_STATEMENT_TIMEOUT.findall(f"{options} {settings}")[-1]) / 1000
    try:
        connection = psycopg.connect(
            host=server.host,
            port=server.port,
            dbname=server.database,
            user=who.username,
            password=who.password,
            connect_timeout=server.timeout_seconds,
            sslmode="verify-full" if server.ca_file else "disable",
            sslrootcert=server.ca_file or None,
            application_name="endpoint-stats-ops",
            # Names are text also in a database without an encoding, for which psycopg gives bytes.
            client_encoding="UTF8",
            options=f"{options} {settings}",
            **silence.CLIENT,
            row_factory=psycopg.rows.dict_row,
            autocommit=True,
        )
    except psycopg.OperationalError as error:
        raise NoConnectionError(server, _said(error), error.sqlstate or _sqlstate(str(error))) from error
    with silence.watched(connection, statement_seconds) as watch:
        try:
            with connection:
                try:
                    yield connection
                except BaseException:
                    watch.failing()
                    raise
        except psycopg.Error as error:
            if watch.silent:
                raise watch.error(server.address) from error
            raise _failed(server, error) from error


def _failed(server: Server, error: psycopg.Error) -> OpsError:
    if isinstance(error, psycopg.OperationalError) and not error.sqlstate:
        return OpsError("The connection to PostgreSQL was lost", where=server.address, cause=_said(error), remedy=silence.LOOK, sqlstate="")
    cause = f"{_said(error)} (SQLSTATE {error.sqlstate})" if error.sqlstate else _said(error)
    remedy = "Look at what the server says here and in its log."
    return OpsError("PostgreSQL refused a query", where=server.address, cause=cause, remedy=remedy, sqlstate=error.sqlstate or "")


def forget_environment() -> None:
    """What the shell or a service file tells libpq must lead nothing of ours to another server."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def libpq_environment(server: Server, who: Credentials) -> dict[str, str]:
    """How the programs of PostgreSQL reach the server; the password goes by the environment, which only the same user can read."""
    return {
        "PGHOST": server.host,
        "PGPORT": str(server.port),
        "PGDATABASE": server.database,
        "PGUSER": who.username,
        "PGPASSWORD": who.password,
        "PGSSLMODE": "verify-full" if server.ca_file else "disable",
        "PGSSLROOTCERT": server.ca_file,
        "PGCONNECT_TIMEOUT": str(server.timeout_seconds),
        "PGAPPNAME": "endpoint-stats-ops",
        "PGOPTIONS": silence.SERVER,
    }


def named(database: str) -> str:
    """How a program is told a database, and to notice a server that is gone; a bare name with an equals sign would be taken for more."""
    escaped = database.replace("\\", "\\\\").replace("'", "\\'")
    return " ".join([f"dbname='{escaped}'", *(f"{name}={value}" for name, value in silence.CLIENT.items())])


def _said(error: Exception) -> str:
    return " ".join(str(error).split())


def _sqlstate(message: str) -> str:
    """libpq gives no SQLSTATE for a failed start of a session, only the server's words in English or none at all."""
    words = {
        "password authentication failed": "28P01",
        "no pg_hba.conf entry": "28000",
        "is not permitted to log in": "28000",
        "does not exist": "3D000",
        "permission denied": "42501",
        "starting up": _STARTING[0],
        "shutting down": _STARTING[0],
        "too many clients": _STARTING[1],
        "remaining connection slots": _STARTING[1],
    }
    return next((state for word, state in words.items() if word in message), "")
