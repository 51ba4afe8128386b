# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore that is to be: which backup, into what, as whom. Everything that may be refused is refused here, and nothing is touched."""

from __future__ import annotations

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
from .load import PROGRAMS
from .manifest import Manifest, load
from .programs import Programs, found
from .properties import Properties
from .readable import unreadable
from .repository import Repository
from .restore_caveats import notes, of_order
from .restore_order import Order, refuse_unproven
from .restore_preflight import acting_role, of_restore, of_swap, refuse, server_side, superusers
from .verdict import PASSED, Asked
from .written import since


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

    def plan(self, locker: Any, path: Path) -> Plan:
        """What will be done with the backup of a directory, in the session that holds the lock."""
        manifest = load(path)
        refuse_unproven(self.order, self.repository, manifest)
        side, catalog = server_side(locker), look(locker, self.target.database)
        lost = catalog.live is None
        kept = manifest.properties or properties.of_new(manifest.database.owner)
        wanted = kept if lost else properties.read(locker, self.target.database)
        refuse(
            [
                *of_swap(locker, catalog, side),
                *of_restore(locker, manifest, side, wanted),
                *([] if lost else unreadable(self._session(self.target.database))),
                *of_order(self.order, manifest, side, lost=lost),
            ]
        )
        programs = found(PROGRAMS, max(side.major, manifest.dumped_by))
        compressed.program()
        self._refuse_damaged(path)
        reused, moment = self._reusable(catalog, manifest), datetime.now(UTC)
        noted = notes(self.order, manifest, side, catalog, reused, host=self.target.server.host)
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
            findings=(*superusers(locker, catalog, side), *noted),
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
