# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore that is to be: which backup, into what, as whom. Everything that may be refused is refused here, and nothing is touched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .._errors import OpsError
from .._progress import Progress
from .._report.finding import Finding
from . import compressed, properties
from .beside import Beside, Catalog, look
from .connection import NoConnectionError
from .dump import DUMP
from .examine import examine
from .exchange import Outcome, Target
from .facts import DatabaseFacts
from .keep import newest_proven
from .load import PROGRAMS
from .manifest import Manifest, load
from .programs import Programs, found
from .properties import Properties
from .readable import unreadable
from .repository import Repository
from .restore_preflight import ServerSide, acting_role, of_restore, of_swap, refuse, server_side, superusers
from .verdict import PASSED, Asked
from .written import since

NEWEST_PROVEN = "newest_proven"
_SHOWN = 5
_GROWTH = 1.2


@dataclass(frozen=True)
class Order:
    """What is wanted; C(server_free_bytes) is 0 where nobody knows, as no client can see it."""

    backup: str
    require_proven: bool
    jobs: int
    timeout_seconds: float
    server_free_bytes: int
    manifest_key_file: str = ""
    accept_unsigned: bool = False
    accept_other_server: bool = False


@dataclass(frozen=True)
class Plan:
    """What will be done, when nothing stands in the way; C(across) releases of PostgreSQL, or not."""

    manifest: Manifest
    dump: Path
    catalog: Catalog
    wanted: Properties
    facts: DatabaseFacts
    role: str
    programs: Programs
    across: bool
    reused: Beside | None
    aside: str
    findings: tuple[Finding, ...]

    def outcome(self) -> Outcome:
        """As far as it is known before it is done."""
        leftovers = [leftover.name for leftover in self.catalog.leftovers if leftover != self.reused]
        new = self.reused.name if self.reused else f"made from backup {self.manifest.id}"
        return Outcome(
            changed=True,
            backup=self.manifest.id,
            database=self.catalog.database,
            kept_database=self.aside,
            rows=self.manifest.rows,
            before=self.catalog.lines(),
            after=self.catalog.lines_after(self.aside, new, without=leftovers),
            leftovers_removed=leftovers,
            findings=self.findings,
        )


@dataclass(frozen=True)
class Planner:
    """What it asks."""

    target: Target
    repository: Repository
    order: Order
    progress: Progress

    def chosen(self) -> str:
        """The name of the backup that is meant."""
        backup = self.order.backup
        if backup == NEWEST_PROVEN:
            backup = newest_proven(self.repository) or ""
        where = str(self.repository.directory)
        if not backup:
            remedy = "Run the playbook endpoint_stats.ops.verify_backups; it restores them on a server of its own and says which are good."
            raise OpsError("No backup is proven by a restore", where=where, cause=f"there are {self._names()}", remedy=remedy)
        if backup not in self.repository.backups():
            raise OpsError(f"There is no backup {backup!r}", where=where, remedy=f"There are {self._names()}.")
        return backup

    def _names(self) -> str:
        return ", ".join(self.repository.backups()[-_SHOWN:]) or "none"

    def plan(self, locker: Any, path: Path) -> Plan:
        """What will be done with the backup of a directory, in the session that holds the lock."""
        manifest = load(path)
        self._refuse_unproven(manifest)
        side, catalog = server_side(locker), look(locker, self.target.database)
        lost = catalog.live is None
        kept = manifest.properties or properties.of_new(manifest.database.owner)
        wanted = kept if lost else properties.read(locker, self.target.database)
        refuse(
            [
                *of_swap(locker, catalog, side),
                *of_restore(locker, manifest, side, wanted),
                *([] if lost else unreadable(self._session(self.target.database))),
                *self._little_space(manifest),
                *([] if lost else [*self._other_server(manifest, side), *self._part(manifest)]),
            ]
        )
        programs = found(PROGRAMS, max(side.major, manifest.dumped_by))
        compressed.program()
        self._refuse_damaged(path)
        reused, moment = self._reusable(catalog, manifest), datetime.now(UTC)
        return Plan(
            manifest=manifest,
            dump=path / DUMP,
            catalog=catalog,
            wanted=wanted,
            facts=replace(manifest.database, name=reused.name if reused else catalog.named("restore", moment), owner=wanted.owner),
            role=acting_role(locker, manifest, side, wanted.owner),
            programs=programs,
            across=(side.major, programs.major) != (manifest.server.major, manifest.dumped_by),
            reused=reused,
            aside="" if lost else catalog.named("before", moment),
            findings=(*superusers(locker, catalog, side), *self._notes(manifest, side, catalog, reused)),
        )

    def _refuse_unproven(self, manifest: Manifest) -> None:
        if not self.order.require_proven or self.repository.is_proven(manifest.id, manifest.sha256):
            return
        raise OpsError(
            f"The backup {manifest.id} is not proven by a restore",
            where=str(self.repository.path(manifest.id)),
            cause="no verification that restored it has passed, or a later one failed, or its manifest was changed since",
            remedy="Run the playbook endpoint_stats.ops.verify_backups; require_proven=false restores what nobody has restored before.",
        )

    def _refuse_damaged(self, path: Path) -> None:
        signed = (self.order.manifest_key_file, self.order.accept_unsigned)
        asked = Asked("checksum", self.target.database, "", "", self.order.jobs, self.order.timeout_seconds, *signed)
        asked = replace(asked, selection=self.repository.selection)
        seen = examine(path, asked, self.progress)
        if seen.verdict != PASSED:
            raise OpsError(
                f"The backup {path.name} is damaged; nothing was touched"
                if seen.differences
                else f"The backup {path.name} could not be read",
                where=str(path),
                cause=seen.reason,
                remedy="Restore another one; the playbook endpoint_stats.ops.verify_backups tells which are good.",
                differences=[asdict(difference) for difference in seen.differences],
            )

    def _little_space(self, manifest: Manifest) -> Iterator[OpsError]:
        needed, free = int(manifest.database_bytes * _GROWTH), self.order.server_free_bytes
        if free and free < needed:
            cause = f"{free:,} bytes are free, about {needed:,} are needed beside the live database"
            yield OpsError(
                "The server has too little room", cause=cause, remedy="Make its volume larger, or drop databases that were put aside."
            )

    def _part(self, manifest: Manifest) -> Iterator[OpsError]:
        """What is not in the backup would be gone."""
        if manifest.selection and manifest.left_out:
            yield OpsError(
                f"The backup {manifest.id} holds a part of the database, and would take the place of all of it",
                cause=f"it lacks {manifest.selection.few}",
                remedy="Bring what is needed into a schema beside the live tables (tables), restore where no database has the name, or"
                " restore a backup of all of it.",
            )

    def _other_server(self, manifest: Manifest, side: ServerSide) -> Iterator[OpsError]:
        """An inventory that leads elsewhere must not cost that server its database's name."""
        if side.system_identifier != manifest.server.system_identifier and not self.order.accept_other_server:
            cause = f"system identifier {side.system_identifier}, in the backup {manifest.server.system_identifier}"
            remedy = "After a rebuild, or when that is meant, say accept_other_server; else find out which server answers under this name."
            yield OpsError("The backup is of another server than the one whose database it would replace", cause=cause, remedy=remedy)

    def _reusable(self, catalog: Catalog, manifest: Manifest) -> Beside | None:
        """What an earlier run has restored from this backup and could not swap in, when nobody has written to it since."""
        for leftover in catalog.leftovers:
            if leftover.ready and leftover.ready.manifest_sha256 == manifest.sha256:
                # One that cannot be entered, as its connection limit is that of the live one, is made anew.
                with suppress(NoConnectionError), self._session(leftover.name) as connection:
                    seen = since(connection, leftover.ready.transaction)
                    if seen.known and not seen.tables and seen.rows == manifest.rows:
                        return leftover
        return None

    def _session(self, database: str) -> AbstractContextManager[Any]:
        return self.target.session(database, statement_seconds=self.order.timeout_seconds)

    def _notes(self, manifest: Manifest, side: ServerSide, catalog: Catalog, reused: Beside | None) -> Iterator[Finding]:
        if reused:
            text = "an earlier run has restored it from this backup and could not swap it in; it is compared again and used"
            yield Finding(
                "restored_database_reused", "info", reused.name, text, "no row was written to it since", "Nothing has to be done."
            )
        elif not self.order.server_free_bytes:
            text = "a client cannot see how much room the server has; without enough the restore fails and the live database stays as it is"
            evidence = f"about {int(manifest.database_bytes * _GROWTH):,} bytes are needed, and as much again for its log of changes"
            remedy = "Look at the server's volume, and say what is free with server_free_bytes."
            yield Finding("server_space_unknown", "info", self.target.server.host, text, evidence, remedy)
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
            yield Finding("database_was_closed", "warning", self.target.database, text, "ALLOW_CONNECTIONS is false", remedy)
        if catalog.live is None:
            whose = "a new one" if manifest.properties is None else "the backup"
            text = f"the live database is gone: rights on the database, its settings, its limit and its comment are those of {whose}"
            remedy = "Run the playbook endpoint_stats.ops.app_stack, which gives the stack's database its rights."
            yield Finding("database_was_gone", "warning", self.target.database, text, "no database has the name", remedy)
