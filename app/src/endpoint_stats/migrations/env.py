# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the migrations on the connection that holds the lock."""

from __future__ import annotations

from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationInfo

attributes = context.config.attributes


def _applied(*, step: MigrationInfo, **_others: Any) -> None:
    attributes["applied"].append(step.up_revision_id)


context.configure(connection=attributes["connection"], transaction_per_migration=True, on_version_apply=_applied)  # type: ignore[arg-type]
with context.begin_transaction():
    context.run_migrations()
