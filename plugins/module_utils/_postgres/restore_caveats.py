# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the manifest of a backup says against a restore, and what has to be known of one that goes on."""

from __future__ import annotations

from collections.abc import Iterator

from .._errors import OpsError
from .._report.finding import Finding
from .beside import Beside, Catalog
from .manifest import Manifest
from .restore_order import Order
from .restore_preflight import ServerSide

_GROWTH = 1.2


def of_order(order: Order, manifest: Manifest, side: ServerSide, *, lost: bool) -> Iterator[OpsError]:
    """Of a live database that is C(lost) nothing can be lost by it."""
    yield from _little_space(order, manifest)
    if not lost:
        yield from _other_server(order, manifest, side)
        yield from _part(manifest)


def notes(order: Order, manifest: Manifest, side: ServerSide, catalog: Catalog, reused: Beside | None, *, host: str) -> Iterator[Finding]:
    """What is worth knowing before it is done, and stops nothing."""
    if reused:
        text = "an earlier run has restored it from this backup and could not swap it in; it is compared again and used"
        yield Finding("restored_database_reused", "info", reused.name, text, "no row was written to it since", "Nothing has to be done.")
    elif not order.server_free_bytes:
        text = "a client cannot see how much room the server has; without enough the restore fails and the live database stays as it is"
        evidence = f"about {int(manifest.database_bytes * _GROWTH):,} bytes are needed, and as much again for its log of changes"
        remedy = "Look at the server's volume, and say what is free with server_free_bytes."
        yield Finding("server_space_unknown", "info", host, text, evidence, remedy)
    if side.system_identifier != manifest.server.system_identifier:
        evidence = f"system identifier {side.system_identifier}, in the backup {manifest.server.system_identifier}"
        remedy = "Expected after a rebuild; otherwise find out which server answers under this name."
        yield Finding("other_server", "warning", manifest.id, "the backup is of another server", evidence, remedy)
    if manifest.selection and manifest.left_out:
        text, remedy = "the backup holds a part of the database; the rest will not be there", "Bring the rest from elsewhere."
        yield Finding("backup_partial", "warning", manifest.id, text, f"it lacks {manifest.selection.few}", remedy)
    if not catalog.open:
        text = "somebody has closed the live database to all connections; the restored one will be open"
        remedy = "Find out who closed it, and why, before the application writes to the restored one."
        yield Finding("database_was_closed", "warning", catalog.database, text, "ALLOW_CONNECTIONS is false", remedy)
    if catalog.live is None:
        whose = "a new one" if manifest.properties is None else "the backup"
        text = f"the live database is gone: rights on the database, its settings, its limit and its comment are those of {whose}"
        remedy = "Run the playbook endpoint_stats.ops.app_stack, which gives the stack's database its rights."
        yield Finding("database_was_gone", "warning", catalog.database, text, "no database has the name", remedy)


def _little_space(order: Order, manifest: Manifest) -> Iterator[OpsError]:
    needed, free = int(manifest.database_bytes * _GROWTH), order.server_free_bytes
    if free and free < needed:
        cause = f"{free:,} bytes are free, about {needed:,} are needed beside the live database"
        yield OpsError(
            "The server has too little room", cause=cause, remedy="Make its volume larger, or drop databases that were put aside."
        )


def _part(manifest: Manifest) -> Iterator[OpsError]:
    """What is not in the backup would be gone."""
    if manifest.selection and manifest.left_out:
        yield OpsError(
            f"The backup {manifest.id} holds a part of the database, and would take the place of all of it",
            cause=f"it lacks {manifest.selection.few}",
            remedy="Bring what is needed into a schema beside the live tables (tables), restore where no database has the name, or"
            " restore a backup of all of it.",
        )


def _other_server(order: Order, manifest: Manifest, side: ServerSide) -> Iterator[OpsError]:
    """An inventory that leads elsewhere must not cost that server its database's name."""
    if side.system_identifier != manifest.server.system_identifier and not order.accept_other_server:
        cause = f"system identifier {side.system_identifier}, in the backup {manifest.server.system_identifier}"
        remedy = "After a rebuild, or when that is meant, say accept_other_server; else find out which server answers under this name."
        yield OpsError("The backup is of another server than the one whose database it would replace", cause=cause, remedy=remedy)
