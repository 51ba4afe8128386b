# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema: migrations, and the months of the partitioned table. Run as the owner of the database."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from endpoint_stats import database
from endpoint_stats.settings import Settings

# Any number that nobody else takes: two migrations of one database never overlap.
_LOCK = 0x656E6470_73746174
_PAUSE_SECONDS = 1.0
_TABLE_LOCK_SECONDS = 5
_TABLE_LOCK_ATTEMPTS = 5
_LOCK_NOT_AVAILABLE = "55P03"

_LEFT_IN_DEFAULT = text("SELECT DISTINCT date_trunc('month', timestamp) FROM requests_default")
_EXISTS = text("SELECT to_regclass(:name) IS NOT NULL")
# A member of the owner makes the months ahead, and they belong to whoever the others belong to.
_AS_THE_OWNER = text("SELECT set_config('role', pg_get_userbyid(relowner), true) FROM pg_class WHERE oid = 'requests'::regclass")


def months_from(moment: datetime, ahead: int) -> list[datetime]:
    """The first moments of the month of `moment` and of those after it."""
    first = moment.year * 12 + moment.month - 1
    return [datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC) for month in range(first, first + ahead + 1)]


def partition_name(month: datetime) -> str:
    """What the partition of a month is called."""
    return f"requests_y{month:%Y}m{month:%m}"


def migrate(settings: Settings, months: int, wait_seconds: float, lock_seconds: int) -> dict[str, Any]:
    """Bring the schema to this release's state, and say what was done."""
    with _locked(settings, "migrate", wait_seconds, lock_seconds) as connection:
        script = ScriptDirectory.from_config(_configuration(connection))
        before = _revision(connection)
        known = {revision.revision for revision in script.walk_revisions()}
        if before is not None and before not in known:
            # An older release that is rolled out again: it works with a schema that has what it needs, or does not become ready.
            return _migrated(before, before, [], [], newer=True)
        configuration = _configuration(connection)
        command.upgrade(configuration, "head")
        made = _make_partitions(connection, months)
        return _migrated(before, _revision(connection), configuration.attributes["applied"], made, newer=False)


def _migrated(before: str | None, after: str | None, applied: list[str], made: list[str], *, newer: bool) -> dict[str, Any]:
    return {
        "command": "migrate",
        "changed": bool(applied or made),
        "before": before,
        "after": after,
        "applied": applied,
        "partitions": made,
        "newer": newer,
    }


def partitions(settings: Settings, months: int, wait_seconds: float, lock_seconds: int) -> dict[str, Any]:
    """Make the months ahead, and say which were missing."""
    with _locked(settings, "partitions", wait_seconds, lock_seconds) as connection:
        made = _make_partitions(connection, months)
        return {"command": "partitions", "changed": bool(made), "partitions": made}


@contextmanager
def _locked(settings: Settings, name: str, wait_seconds: float, lock_seconds: int) -> Iterator[Connection]:
    """A connection that alone changes the schema; the lock ends with it."""
    engine = database.single(settings, name)
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            connection = engine.connect()
            break
        except (OperationalError, OSError):
            if time.monotonic() >= deadline:
                raise
            time.sleep(_PAUSE_SECONDS)
    with connection:
        connection.execute(text(f"SET lock_timeout = '{lock_seconds}s'"))
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.execute(text(f"SET lock_timeout = '{_TABLE_LOCK_SECONDS}s'"))
        connection.commit()
        yield connection


def _configuration(connection: Connection) -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    configuration.attributes.update(connection=connection, applied=[])
    return configuration


def _revision(connection: Connection) -> str | None:
    found = MigrationContext.configure(connection).get_current_revision()
    connection.commit()
    return found


def _make_partitions(connection: Connection, months: int) -> list[str]:
    """Those ahead, and those whose rows had to go to the default partition."""
    wanted = set(months_from(datetime.now(UTC), months))
    wanted |= {row[0].astimezone(UTC) for row in connection.execute(_LEFT_IN_DEFAULT)}
    connection.commit()
    return [partition_name(month) for month in sorted(wanted) if _make_partition(connection, month)]


def _make_partition(connection: Connection, month: datetime) -> bool:
    """Attach the partition of a month with the rows that were waiting for it.

    The lock on the default partition stops writers into it, so it is waited for only shortly, and again.
    """
    for attempt in range(1, _TABLE_LOCK_ATTEMPTS + 1):
        try:
            with connection.begin():
                if connection.execute(_EXISTS, {"name": partition_name(month)}).scalar_one():
                    return False
                _attach(connection, month)
                return True
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE or attempt == _TABLE_LOCK_ATTEMPTS:
                raise
            time.sleep(_PAUSE_SECONDS)
    return False


def _attach(connection: Connection, month: datetime) -> None:
    name = partition_name(month)
    begin, end = months_from(month, 1)
    connection.execute(_AS_THE_OWNER)
    bounds = f"timestamp >= '{begin.isoformat()}' AND timestamp < '{end.isoformat()}'"
    for statement in (
        "LOCK TABLE requests_default IN ACCESS EXCLUSIVE MODE",
        f"CREATE TABLE {name} (LIKE requests INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
        f"WITH moved AS (DELETE FROM requests_default WHERE {bounds} RETURNING *) INSERT INTO {name} SELECT * FROM moved",  # noqa: S608
        f"ALTER TABLE requests ATTACH PARTITION {name} FOR VALUES FROM ('{begin.isoformat()}') TO ('{end.isoformat()}')",
    ):
        connection.execute(text(statement))
