# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import psycopg
from sqlalchemy import Engine, NullPool, create_engine
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from endpoint_stats.logs import redact
from endpoint_stats.settings import Settings

# What a store that does not answer raises: a credential file that is missing is no answer either.
UNAVAILABLE = (SQLAlchemyError, psycopg.Error, OSError)
# These say that the data is wrong, not the database.
REFUSED = (DataError, IntegrityError)

_CONNECT_SECONDS = 3
_POOL_WAIT_SECONDS = 2
_RECYCLE_SECONDS = 1800
_SESSION = {
    "statement_timeout": "10s",
    "lock_timeout": "5s",
    "timezone": "UTC",
    # A row is acknowledged after its commit, and the commit has to mean the disk whatever the server's default is.
    "synchronous_commit": "on",
}
# How long a peer may be silent before the connection counts as lost.
_LIVENESS: dict[str, Any] = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 10_000}


def connect(settings: Settings, application: str, session: Mapping[str, str]) -> psycopg.Connection[Any]:
    """One connection, with the credentials as they are now."""
    database = settings.database
    username, password = database.credentials.read()
    security: dict[str, Any] = {"sslmode": "verify-full", "sslrootcert": database.ca_file} if database.ca_file else {"sslmode": "disable"}
    return psycopg.connect(
        host=database.host,
        port=database.port,
        dbname=settings.database_name,
        user=username,
        password=password,
        application_name=application,
        connect_timeout=_CONNECT_SECONDS,
        options=" ".join(f"-c {name}={value}" for name, value in session.items()),
        **_LIVENESS,
        **security,
    )


def pooled(settings: Settings) -> Engine:
    """The pool of one worker. Each statement is its own transaction, which saves two round trips for each request."""
    minimum, maximum = settings.database.share(settings.server.workers)
    return create_engine(
        "postgresql+psycopg://",
        creator=lambda: connect(settings, f"endpoint-stats-api {os.getpid()}", _SESSION),
        isolation_level="AUTOCOMMIT",
        pool_size=minimum or 1,
        max_overflow=maximum - (minimum or 1),
        pool_timeout=_POOL_WAIT_SECONDS,
        pool_pre_ping=True,
        pool_recycle=_RECYCLE_SECONDS,
        pool_use_lifo=True,
        hide_parameters=True,
    )


def single(settings: Settings, command: str) -> Engine:
    """For a command that takes as long as it needs, in transactions of its own."""
    return create_engine(
        "postgresql+psycopg://",
        creator=lambda: connect(settings, f"endpoint-stats {command}", {"timezone": "UTC", "synchronous_commit": "on"}),
        poolclass=NullPool,
        hide_parameters=True,
    )


def warm(engine: Engine, connections: int) -> None:
    """Open the smallest number of connections that the pool keeps."""
    held = []
    try:
        for _ in range(connections):
            held.append(engine.connect())  # noqa: PERF401 - those before a failure have to be given back
    finally:
        for connection in held:
            connection.close()


def reason(error: BaseException) -> str:
    """The first line of the error that lies at the bottom, fit for an answer."""
    cause = getattr(error, "orig", None) or error
    lines = str(cause).strip().splitlines() or [type(cause).__name__]
    return redact(lines[0])[:300]
