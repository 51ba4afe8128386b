# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be maintained, and how gently: what was asked for, and what of it the server has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._errors import OpsError
from . import leftovers
from .attempt import Budget
from .connection import Server
from .leftovers import Leftover
from .need import Limits

_MINIMUM_VERSION = 150000
_LONGEST_DELAY_SECONDS = 0.1
_SETTINGS = """
SELECT current_setting('server_version_num')::int AS version, current_setting('vacuum_freeze_table_age')::int8 AS freeze_age,
       current_setting('track_counts')::bool AS counts, pg_catalog.pg_is_in_recovery() AS in_recovery
"""
_VIEW = """
SELECT c.oid::int8 AS oid, c.relispopulated AS is_populated, EXISTS (
         SELECT FROM pg_catalog.pg_index i
         WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
       ) AS has_key
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'm' AND n.nspname = %s AND c.relname = %s
"""


@dataclass(frozen=True)
class Task:
    """What is to be done, and how gently."""

    vacuum: bool
    vacuum_threshold: int
    vacuum_scale: float
    analyze_scale: float
    budget: Budget
    cost_delay_seconds: float
    old_transaction_seconds: float
    drop_leftovers: tuple[str, ...]
    refresh: tuple[str, ...]

    @classmethod
    def of_options(cls, options: Mapping[str, Any]) -> Task:
        for name in ("lock_budget_seconds", "statement_timeout_seconds"):
            if options[name] <= 0:
                raise OpsError(f"{name} is {options[name]:g}", cause="PostgreSQL would wait for ever", remedy="Set it to more than 0.")
        for name in ("vacuum_threshold", "vacuum_scale", "analyze_scale", "old_transaction_seconds"):
            if options[name] < 0:
                raise OpsError(f"{name} is {options[name]:g}", remedy="Set it to 0 or more.")
        delay = options["vacuum_cost_delay_seconds"]
        if not 0 <= delay <= _LONGEST_DELAY_SECONDS:
            remedy = f"Set it to 0 for none, or to at most {_LONGEST_DELAY_SECONDS:g}, which is all that PostgreSQL accepts."
            raise OpsError(f"vacuum_cost_delay_seconds is {delay:g}", remedy=remedy)
        same = ("vacuum", "vacuum_threshold", "vacuum_scale", "analyze_scale", "old_transaction_seconds")
        return cls(
            **{name: options[name] for name in same},
            budget=Budget(options["lock_budget_seconds"], options["statement_timeout_seconds"]),
            cost_delay_seconds=delay,
            drop_leftovers=tuple(dict.fromkeys(options["drop_leftovers"])),
            refresh=tuple(dict.fromkeys(options["refresh"])),
        )


@dataclass(frozen=True)
class View:
    """A materialized view that is to be refreshed; C(refusal) says why it cannot be."""

    schema: str
    name: str
    oid: int
    refusal: str

    @property
    def identity(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Plan:
    """What was found when the run began."""

    limits: Limits
    leftovers: Sequence[Leftover]
    views: Sequence[View]


def planned(connection: Any, server: Server, task: Task) -> Plan:
    """What the server has of it; one that cannot be maintained is refused."""
    settings = connection.execute(_SETTINGS).fetchone()
    if settings["version"] < _MINIMUM_VERSION:
        raise OpsError("The server is older than PostgreSQL 15", where=server.address, remedy="Upgrade the server first.")
    if settings["in_recovery"]:
        raise OpsError("The server is a standby", where=server.address, remedy="Name its primary.")
    if not settings["counts"]:
        remedy = "Set track_counts to on; autovacuum needs it too."
        raise OpsError("The server does not count what is done to tables", where=server.address, cause="track_counts is off", remedy=remedy)
    limits = Limits(task.vacuum_threshold, task.vacuum_scale, task.analyze_scale, settings["freeze_age"])
    views = [_view(connection, server, name) for name in task.refresh]
    return Plan(limits, [found for name in task.drop_leftovers if (found := leftovers.find(connection, name))], views)


def _view(connection: Any, server: Server, name: str) -> View:
    """The materialized view of a name with or without its schema."""
    schema, _dot, bare = name.rpartition(".")
    schema = schema or leftovers.SCHEMA
    row = connection.execute(_VIEW, (schema, bare)).fetchone()
    if row is None:
        raise OpsError(f"There is no materialized view {schema}.{bare}", where=server.address, remedy="Correct refresh.")
    refusal = "" if row["is_populated"] else "it was never filled"
    if not row["has_key"]:
        refusal = "it has no unique index over columns, without which it cannot be refreshed while it is read"
    return View(schema, bare, row["oid"], refusal)
