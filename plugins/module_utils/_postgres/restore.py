# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup becomes the live database: loaded beside it, compared with its manifest, and only then given the name. The old one is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .._deadline import Deadline
from .._deps import declare
from .._errors import OpsError
from .._progress import Progress
from .._report.finding import Finding
from . import compare, properties
from .beside import Beside, Catalog, Ready, look, restoring
from .contents import EntryDifference
from .dump import DUMP
from .examine import PASSED, Asked, examine
from .exchange import Exchange, Outcome, Policy, Successor, Target, drop
from .keep import newest_proven
from .load import PROGRAMS, Loader, create_database, statements
from .manifest import DatabaseFacts, Manifest, load
from .programs import Programs, found
from .properties import Properties
from .repository import Repository
from .restore_preflight import ServerSide, acting_role, of_restore, of_swap, refuse, server_side, superusers
from .written import next_transaction, since

with declare("psycopg", minimum="3.1"):
    import psycopg
    import psycopg.sql

NEWEST_PROVEN = "newest_proven"
_SHOWN = 5
_GROWTH = 1.2

_OID = "SELECT oid::int8 AS oid FROM pg_database WHERE datname = %s"
_SIZE = "SELECT pg_database_size(%s::oid)::int8 AS bytes"


@dataclass(frozen=True)
class Order:
    """What is wanted; C(server_free_bytes) is 0 where nobody knows, as no client can see it."""

    backup: str
    require_proven: bool
    jobs: int
    timeout_seconds: float
    server_free_bytes: int


@dataclass(frozen=True)
class Plan:
    """What will be done, when nothing stands in the way."""

    manifest: Manifest
    dump: Path
    catalog: Catalog
    wanted: Properties
    facts: DatabaseFacts
    role: str
    programs: Programs
    other_version: bool
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
class Restore:
    """One restore."""

    target: Target
    policy: Policy
    repository: Repository
    order: Order
    progress: Progress

    def run(self, *, check: bool) -> Outcome:
        self.progress.phase("preflight")
        backup = self._chosen()
        with self.repository.reading(backup) as path, self.target.alone(self.order.timeout_seconds) as locker:
            plan = self._planned(locker, path)
            outcome = plan.outcome()
            if not check:
                self.progress.phase("leftovers")
                for leftover in outcome.leftovers_removed:
                    drop(locker, leftover, force=True)
                outcome = self._made(locker, plan, outcome)
            self.progress.end()
            return outcome

    def _chosen(self) -> str:
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

    def _planned(self, locker: Any, path: Path) -> Plan:
        """Everything that may be refused is refused here, and nothing is touched."""
        manifest = load(path)
        self._refuse_unproven(manifest)
        side, catalog = server_side(locker), look(locker, self.target.database)
        lost = catalog.live is None
        kept = manifest.properties or properties.of_new(manifest.database.owner)
        wanted = kept if lost else properties.read(locker, self.target.database)
        refuse([*of_swap(locker, catalog, side), *of_restore(locker, manifest, side, wanted), *self._little_space(manifest)])
        dumped_by = int(manifest.pg_dump_version.split(".", maxsplit=1)[0])
        programs = found(PROGRAMS, max(side.major, dumped_by))
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
            other_version=programs.major != dumped_by,
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
        asked = Asked("checksum", self.target.database, "", "", self.order.jobs, self.order.timeout_seconds)
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
        needed, free = int(manifest.database.size_bytes * _GROWTH), self.order.server_free_bytes
        if free and free < needed:
            cause = f"{free:,} bytes are free, about {needed:,} are needed beside the live database"
            yield OpsError(
                "The server has too little room", cause=cause, remedy="Make its volume larger, or drop databases that were put aside."
            )

    def _reusable(self, catalog: Catalog, manifest: Manifest) -> Beside | None:
        """What an earlier run has restored from this backup and could not swap in, when nobody has written to it since."""
        for leftover in catalog.leftovers:
            if leftover.ready and leftover.ready.manifest_sha256 == manifest.sha256:
                with self.target.session(leftover.name, statement_seconds=self.order.timeout_seconds) as connection:
                    seen = since(connection, leftover.ready.transaction)
                if seen.known and not seen.tables and seen.rows == manifest.rows:
                    return leftover
        return None

    def _notes(self, manifest: Manifest, side: ServerSide, catalog: Catalog, reused: Beside | None) -> Iterator[Finding]:
        if reused:
            text = "an earlier run has restored it from this backup and could not swap it in; it is compared again and used"
            yield Finding(
                "restored_database_reused", "info", reused.name, text, "no row was written to it since", "Nothing has to be done."
            )
        elif not self.order.server_free_bytes:
            text = "a client cannot see how much room the server has; without enough the restore fails and the live database stays as it is"
            evidence = f"about {int(manifest.database.size_bytes * _GROWTH):,} bytes are needed, and as much again for its log of changes"
            remedy = "Look at the server's volume, and say what is free with server_free_bytes."
            yield Finding("server_space_unknown", "info", self.target.server.host, text, evidence, remedy)
        if side.system_identifier != manifest.server.system_identifier:
            evidence = f"system identifier {side.system_identifier}, in the backup {manifest.server.system_identifier}"
            remedy = "Expected after a rebuild; otherwise find out which server answers under this name."
            yield Finding("other_server", "warning", manifest.id, "the backup is of another server", evidence, remedy)
        if not catalog.open:
            text = "somebody has closed the live database to all connections; the restored one will be open"
            remedy = "Find out who closed it, and why, before the application writes to the restored one."
            yield Finding("database_was_closed", "warning", self.target.database, text, "ALLOW_CONNECTIONS is false", remedy)
        if catalog.live is None:
            whose = "a new one" if manifest.properties is None else "the backup"
            text = f"the live database is gone: rights on the database, its settings, its limit and its comment are those of {whose}"
            remedy = "Run the playbook endpoint_stats.ops.app_stack, which gives the stack's database its rights."
            yield Finding("database_was_gone", "warning", self.target.database, text, "no database has the name", remedy)

    def _made(self, locker: Any, plan: Plan, outcome: Outcome) -> Outcome:
        deadline = Deadline(self.order.timeout_seconds, "restore_timeout_seconds")
        with self._beside(locker, plan) as oid:
            if not plan.reused:
                self._loaded(locker, plan, oid, deadline)
            findings = [*outcome.findings, *self._compared(plan, deadline)]
            self.progress.phase("analyze")
            with self._session(plan, deadline) as connection:
                connection.execute("ANALYZE")
            self.progress.phase("properties")
            found, differing = self._given(locker, plan)
            exchange = Exchange(self.target, self.policy, locker, self.progress)
            change = exchange.change(plan.catalog, plan.aside, self._ready(locker, plan, oid))
        return exchange.make(change, replace(outcome, findings=[*findings, *found], differences=differing))

    @contextmanager
    def _beside(self, locker: Any, plan: Plan) -> Iterator[int]:
        """The new database, dropped again where it does not become what it should be."""
        try:
            if not plan.reused:
                self.progress.phase("create")
                self._created(locker, plan)
            yield int(locker.execute(_OID, (plan.facts.name,)).fetchone()["oid"])
        except BaseException as error:
            # What resists is dropped by the next run, which says so.
            with suppress(psycopg.Error):
                drop(locker, plan.facts.name, force=True)
            if isinstance(error, OpsError):
                error.remedy = f"{error.remedy} The new database was dropped; the live one is as before.".strip()
            raise

    def _created(self, locker: Any, plan: Plan) -> None:
        """Closed to everybody until it says whose it is: a run that is killed in between leaves what nobody has ever entered."""
        create_database(locker, plan.facts, tablespace=plan.wanted.tablespace, closed=True)
        name = psycopg.sql.Identifier(plan.facts.name)
        with locker.transaction():
            self._say(locker, plan, restoring(plan.manifest.id))
            locker.execute(psycopg.sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
            locker.execute(psycopg.sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))

    def _ready(self, locker: Any, plan: Plan, oid: int) -> Successor:
        """It says of itself that it is whole, for a later run if this one cannot swap it in."""
        self._say(locker, plan, Ready(plan.manifest.id, plan.manifest.sha256, next_transaction(locker)).render())
        return Successor(oid, plan.facts.name, plan.wanted.comment, plan.manifest.id, plan.manifest.rows)

    @staticmethod
    def _say(locker: Any, plan: Plan, comment: str) -> None:
        name, said = psycopg.sql.Identifier(plan.facts.name), psycopg.sql.Literal(comment)
        locker.execute(psycopg.sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, said))

    def _loaded(self, locker: Any, plan: Plan, oid: int, deadline: Deadline) -> None:
        self.progress.phase("load", plan.facts.size_bytes, "bytes")

        def watch() -> None:
            """Asking also keeps the session of the lock from looking dead to whatever is between it and the server."""
            self.progress.advance(min(locker.execute(_SIZE, (oid,)).fetchone()["bytes"], plan.facts.size_bytes))

        self._loader(plan, deadline).restore(plan.dump, plan.facts.name, jobs=self.order.jobs, role=plan.role, while_running=watch)

    def _compared(self, plan: Plan, deadline: Deadline) -> list[Finding]:
        self.progress.phase("compare", len(plan.manifest.tables), "tables")
        said, loader = statements(plan.programs, plan.dump, deadline), self._loader(plan, deadline)
        with self._session(plan, deadline) as connection:
            rows = compare.tables(connection, plan.manifest.tables, self.progress.advance).differences
            views = compare.views(connection, plan.manifest).differences
            sequences = compare.sequences(connection, said, lambda _: None).differences
        made = compare.structure(said, loader.structure(plan.facts.name)).differences
        if differing := (*rows, *views, *sequences, *(() if plan.other_version else made)):
            raise OpsError(
                f"What was restored is not what the backup {plan.manifest.id} holds",
                where=self.target.server.address,
                cause=_few(differing),
                remedy="Restore another backup, and keep this one to find out why.",
                differences=[asdict(difference) for difference in differing],
            )
        text = "another version of pg_dump writes the structure otherwise, so it could not be compared; rows were"
        remedy = "Look at what is named."
        return [Finding("structure_not_compared", "warning", plan.manifest.id, text, _few(made), remedy)] if made else []

    @staticmethod
    def _given(locker: Any, plan: Plan) -> tuple[list[Finding], list[EntryDifference]]:
        """What belongs to the live database itself."""
        findings = properties.apply(locker, plan.facts.name, plan.wanted)
        return findings, properties.differences(plan.wanted, properties.read(locker, plan.facts.name), findings)

    def _session(self, plan: Plan, deadline: Deadline) -> AbstractContextManager[Any]:
        return self.target.session(plan.facts.name, statement_seconds=deadline.left())

    def _loader(self, plan: Plan, deadline: Deadline) -> Loader:
        return Loader(plan.programs, self.target.server, self.target.who, deadline)


def _few(differing: Sequence[EntryDifference]) -> str:
    shown = "; ".join(f"{one.kind} {one.subject}: expected {one.expected}, found {one.found}" for one in differing[:_SHOWN])
    return f"{shown} and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else shown
