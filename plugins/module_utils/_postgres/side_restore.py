# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Some tables of a backup beside the live ones, for lost rows: proven on a server that is thrown away, and copied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from .._errors import OpsError
from .._progress import Progress
from .._report.finding import Finding
from . import side_schema
from .connection import session
from .examine import examine, foresee
from .exchange import Outcome, Target
from .load import Loader
from .manifest import Manifest, load
from .repository import Repository
from .restore_order import Order, chosen
from .restore_preflight import refuse, server_side
from .side_schema import PREFIX, SideTable, Table
from .verdict import DATA, PASSED, Asked

_SHOWN = 5
_RIGHTS = """
SELECT pg_get_userbyid(datdba) AS owner, pg_has_role(current_user, datdba, 'USAGE') AS ours, current_user AS role
FROM pg_database WHERE datname = current_database()
"""
_EXISTS = "SELECT FROM pg_namespace WHERE nspname = %s"


@dataclass(frozen=True)
class SideRestore:
    """Some tables of one backup."""

    target: Target
    repository: Repository
    order: Order
    tables: Sequence[str]
    scratch_dir: str
    progress: Progress

    def run(self, *, check: bool) -> Outcome:
        self.progress.phase("preflight")
        backup = chosen(self.order, self.repository)
        with self.repository.reading(backup) as path, self.target.alone(self.order.timeout_seconds) as locker:
            manifest, schema = load(path), f"{PREFIX}{backup.lower()}"
            wanted = self._wanted(manifest)
            with self._live() as live:
                owner = _owner(live)
                refuse(_obstacles(live, schema))
                findings = [*_others(live)]
            known = {table.identity: table.rows for table in manifest.tables}
            made = [
                SideTable(table.identity, f"{schema}.{name}", known.get(table.identity, 0))
                for table, name in side_schema.side_names(wanted).items()
            ]

            def copy(loader: Loader) -> None:
                server = replace(loader.server, database=manifest.database.name)
                with session(server, loader.who) as source, self._live() as live:
                    self.progress.phase("copy")
                    made[:] = side_schema.copy(source, live, schema, wanted, owner)

            self._proven(path, check=check, then=copy)
            self.progress.end()
            return self._outcome(manifest, schema, made, [*findings, *_other_server(manifest, server_side(locker).system_identifier)])

    def _wanted(self, manifest: Manifest) -> list[Table]:
        """The tables, as the manifest names them; partitioned ones have no rows of their own and are entries alone."""
        present = {table.identity: Table(table.schema, table.name) for table in manifest.tables}
        for entry in manifest.entries:
            if entry.kind == "TABLE":
                present.setdefault(f"{entry.schema}.{entry.name}", Table(entry.schema, entry.name))
        if strange := [name for name in self.tables if name not in present]:
            shown = ", ".join(sorted(present)[:_SHOWN])
            cause = f"it was made without {manifest.selection.few}" if manifest.selection else ""
            remedy = f"Tables are named with their schema; the backup has {shown}{' …' if len(present) > _SHOWN else ''}."
            raise OpsError(f"The backup {manifest.id} has no table {', '.join(strange)}", cause=cause, remedy=remedy)
        if bare := sorted({*self.tables} & {*(manifest.selection.tables_without_rows if manifest.selection else ())}):
            remedy = "Bring them from another backup."
            raise OpsError(f"The backup {manifest.id} was made without the rows of {', '.join(bare)}", remedy=remedy)
        return [present[name] for name in dict.fromkeys(self.tables)]

    def _proven(self, path: Any, *, check: bool, then: Any) -> None:
        """Its rows are those of the manifest before the first of them is copied."""
        signed = (self.order.manifest_key_file, self.order.accept_unsigned)
        asked = Asked(DATA, self.target.database, "", self.scratch_dir, self.order.jobs, self.order.timeout_seconds, *signed)
        # Rows are rows on any release, and nothing else of the scratch server is used.
        asked = replace(asked, accept_newer_server=True)
        seen = foresee(path, asked, self.progress) if check else examine(path, asked, self.progress, then=then)
        if seen.reason or (not check and seen.verdict != PASSED):
            raise OpsError(
                f"Tables of the backup {path.name} could not be restored; the database is as before",
                where=str(path),
                cause=seen.reason,
                remedy="See what the cause names; another backup may be better.",
                differences=[asdict(difference) for difference in seen.differences],
            )

    def _live(self) -> Any:
        return self.target.session(self.target.database, statement_seconds=self.order.timeout_seconds)

    def _outcome(self, manifest: Manifest, schema: str, made: Sequence[SideTable], findings: Sequence[Finding]) -> Outcome:
        rows = sum(table.rows for table in made)
        after = [f"schema {schema}", *(f"table {table.side_table}" for table in made)]
        return Outcome(
            True, manifest.id, self.target.database, "", rows, [], after, findings=findings, side_schema=schema, side_tables=made
        )


def undone(target: Target, schema: str, progress: Progress, *, timeout_seconds: float, check: bool) -> Outcome:
    """Drop a side schema; that it is named is the consent."""
    progress.phase("preflight")
    with target.alone(timeout_seconds), target.session(target.database, statement_seconds=timeout_seconds) as live:
        known = side_schema.existing(live)
        if schema not in known:
            remedy = f"There are {', '.join(known) or 'none'}."
            raise OpsError(f"There is no schema {schema} that a restore of tables has made", where=target.server.address, remedy=remedy)
        before = [f"schema {schema}", *(f"table {schema}.{table}" for table in known[schema])]
        if not check:
            progress.phase("drop")
            side_schema.drop(live, schema, known[schema], _owner(live))
        progress.end()
        return Outcome(True, "", target.database, "", 0, before, [], side_schema=schema)


def _owner(live: Any) -> str:
    """As whom everything is made, so that who administers the database can use and drop it."""
    rights = live.execute(_RIGHTS).fetchone()
    if not rights["ours"]:
        remedy = f"As a superuser: GRANT {rights['owner']} TO {rights['role']};"
        raise OpsError(f"The role {rights['role']} is no member of {rights['owner']}, who owns the database", remedy=remedy)
    return str(rights["owner"])


def _obstacles(live: Any, schema: str) -> Iterator[OpsError]:
    if live.execute(_EXISTS, (schema,)).fetchone() is not None:
        remedy = f"Use what is there, or drop it with state=undone and side_schema={schema}."
        yield OpsError(f"There is a schema {schema} already", remedy=remedy)
    if live.execute("SELECT pg_is_in_recovery() AS standby").fetchone()["standby"]:
        yield OpsError("The server is a standby, which cannot be written to", remedy="Name the primary.")


def _others(live: Any) -> Iterator[Finding]:
    for name, tables in side_schema.existing(live).items():
        text, remedy = (
            "an earlier restore of tables has left it; backups hold it as well",
            f"When nobody needs it: state=undone and side_schema={name}.",
        )
        yield Finding("side_schema_there", "info", name, text, f"{len(tables)} tables", remedy)


def _other_server(manifest: Manifest, identifier: str) -> Iterator[Finding]:
    if identifier != manifest.server.system_identifier:
        evidence = f"system identifier {identifier}, in the backup {manifest.server.system_identifier}"
        yield Finding(
            "other_server", "warning", manifest.id, "the backup is of another server", evidence, "Look whether it is the backup you mean."
        )
