# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One backup from the first question to the last deletion."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .._errors import OpsError
from .._files import Wanted, sync_directory, write
from .._metrics import Gauge, write_metrics
from .._progress import Progress
from .._report.finding import Finding
from .._tls import credentials
from . import guide, manifest
from .connection import Server
from .dump import DUMP, GLOBALS, Dumper, sealed, size, without_restrict
from .facts import database_facts, extensions, roles, server_facts
from .keep import dispensable, history, judge, judge_schedule, newest_proven
from .manifest import Manifest
from .ready import Ready, look
from .repository import Repository, now, opened
from .snapshot import Snapshot, held

_ATTEMPTS = 3
_WHY = "newer backups fill the number that is kept"


@dataclass(frozen=True)
class Order:
    """What is wanted; the names are those of the module's options."""

    server: Server
    directory: str
    jobs: int
    keep: int
    interval_seconds: float
    rpo_target_seconds: float
    lock_wait_seconds: float
    table_lock_timeout_seconds: float
    dump_timeout_seconds: float
    metrics_path: str

    def __post_init__(self) -> None:
        least = {"jobs": 1, "keep": 1, "interval_seconds": 0, "rpo_target_seconds": 1, "lock_wait_seconds": 0}
        for name, value in {**least, "table_lock_timeout_seconds": 1, "dump_timeout_seconds": 1}.items():
            if getattr(self, name) < value:
                raise OpsError(f"{name} must be at least {value}, not {getattr(self, name)}")


@dataclass
class Outcome:
    """What came of it; every field is a key of the module's result."""

    backup: str = ""
    backup_path: str = ""
    bytes: int = 0
    rows: int = 0
    tables: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    duration_seconds: float | None = None
    worst_loss_seconds: float | None = None
    deleted: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    leftovers_removed: list[str] = field(default_factory=list)
    dump_warnings: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    manifest_sha256: str = ""
    before: list[str] = field(default_factory=list)

    def to_result(self, directory: str) -> dict[str, Any]:
        result = asdict(self)
        texts = {"before": result.pop("before"), "after": self.kept}
        diff = {name: "".join(f"{line}\n" for line in lines) for name, lines in texts.items()}
        return {"changed": True, **result, "diff": {"before_header": directory, "after_header": directory, **diff}}


def predict(order: Order, progress: Progress) -> Outcome:
    """What a backup would do, from the same questions and its own history; nothing is written."""
    progress.phase("preflight")
    ready = _ready(order)
    repository = ready.repository
    repository.refuse_locked("pg_backup")
    before, name = repository.backups(), datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    progress.end()
    outcome = Outcome(backup=name, backup_path=str(repository.path(name)), rows=ready.rows, tables=ready.tables, before=before)
    outcome.bytes, outcome.leftovers_removed = ready.estimated_bytes, [path.name for path in repository.leftovers()]
    outcome.deleted = dispensable([*before, name], newest_proven(repository), order.keep)
    outcome.kept = [backup for backup in (*before, name) if backup not in outcome.deleted]
    outcome.seconds = ready.history.expected_seconds
    if outcome.seconds:
        outcome.duration_seconds = round(sum(outcome.seconds.values()), 3)
        _judge_schedule(order, outcome)
    return outcome


def back_up(order: Order, progress: Progress) -> Outcome:
    """Make a backup, publish it, and delete those that are not needed any more."""
    os.umask(0o077)
    progress.phase("preflight")
    ready = _ready(order)
    repository = opened(order.directory, order.server.database, create=True)
    with repository.locked("pg_backup", order.lock_wait_seconds):
        begun = time.monotonic()
        # Whoever was waited for may have made one.
        run = _Run(order, replace(ready, history=history(repository)), progress)
        outcome = Outcome(before=repository.backups())
        _clean(repository, outcome)
        made = run.make(repository.new_name())
        outcome.duration_seconds = round(time.monotonic() - begun, 3)
        progress.phase("retention")
        _retain(repository, order.keep, outcome)
        progress.end()
    outcome.backup, outcome.backup_path, outcome.manifest_sha256 = made.id, str(repository.path(made.id)), made.sha256
    outcome.bytes, outcome.rows, outcome.tables = made.bytes, made.rows, len(made.tables)
    outcome.seconds, outcome.dump_warnings = progress.seconds, list(made.warnings)
    outcome.findings += list(judge(made, run.ready.history))
    _judge_schedule(order, outcome)
    _write_metrics(order, made, outcome)
    return outcome


@dataclass(frozen=True)
class _Run:
    """The making of one backup."""

    order: Order
    ready: Ready
    progress: Progress

    def make(self, name: str) -> Manifest:
        """All or nothing: what cannot be finished is removed, and what is killed bears a name that no backup has."""
        directory = self.ready.repository.incomplete(name)
        try:
            directory.mkdir(mode=0o700)
            made = self._fill(directory, name)
            self.progress.phase("publish")
            write(Wanted(directory / manifest.FILE_NAME, 0o600, made.render().encode()))
            sync_directory(directory)
            self.ready.repository.publish(name)
        except OSError as error:
            shutil.rmtree(directory, ignore_errors=True)
            remedy = "Nothing was published. Give the volume room or look what is wrong with it."
            raise OpsError("The backup could not be written", where=str(directory), cause=str(error.strerror), remedy=remedy) from error
        except BaseException:
            # What resists is removed by the next run, which says so.
            shutil.rmtree(directory, ignore_errors=True)
            raise
        return made

    def _fill(self, directory: Path, name: str) -> Manifest:
        order, progress, begun_at = self.order, self.progress, now()
        who = credentials(order.server.credentials_dir)
        dumper = Dumper(self.ready.programs, order.server, who, order.dump_timeout_seconds, order.table_lock_timeout_seconds)
        progress.phase("snapshot")
        with self._moment(dumper) as (snapshot, globals_sql):
            described = self._described(snapshot)
            progress.phase("count", len(snapshot.tables), "tables")
            rows = snapshot.rows(progress.advance)
            progress.phase("dump", self.ready.estimated_bytes, "bytes")
            warnings = dumper.dump(snapshot, directory / DUMP, jobs=order.jobs, advance=progress.advance)
            snapshot.ensure_held()
        progress.phase("read_back")
        entries = dumper.entries(directory / DUMP)
        text = guide.text(described["database"], described["server"].version, snapshot.at, order.jobs)
        for path, content in ((GLOBALS, globals_sql), (guide.FILE_NAME, text)):
            (directory / path).write_text(content, encoding="utf-8")
        progress.phase("checksums", size(directory), "bytes")
        files = sealed(directory, progress.advance)
        progress.end()
        owners = {entry.owner for entry in entries if entry.owner not in ("", "-")}
        return Manifest(
            **{**described, "roles": tuple(sorted({*described["roles"], described["database"].owner, *owners}))},
            id=name,
            pg_dump_version=self.ready.programs.version,
            begun_at=begun_at,
            snapshot_at=snapshot.at,
            ended_at=now(),
            seconds=progress.seconds,
            tables=rows,
            entries=entries,
            files=files,
            warnings=tuple(warnings),
        )

    @contextmanager
    def _moment(self, dumper: Dumper) -> Iterator[tuple[Snapshot, str]]:
        """A snapshot with the roles of its moment: those of the server have none, so they must be the same before and after it."""
        limits = {"lock_timeout_seconds": self.order.table_lock_timeout_seconds, "timeout_seconds": self.order.dump_timeout_seconds}
        for _ in range(_ATTEMPTS):
            before = dumper.globals()
            with held(self.order.server, dumper.who, **limits) as snapshot:
                after = dumper.globals()
                if without_restrict(before) == without_restrict(after):
                    yield snapshot, after
                    return
        remedy = "Run the backup when nobody changes roles."
        raise OpsError("The roles of the server changed while they were read", where=self.order.server.address, remedy=remedy)

    @staticmethod
    def _described(snapshot: Snapshot) -> dict[str, Any]:
        connection = snapshot.connection
        facts = {"database": database_facts(connection), "server": server_facts(connection)}
        return {**facts, "extensions": extensions(connection), "roles": roles(connection)}


def _ready(order: Order) -> Ready:
    return look(order.server, order.directory, jobs=order.jobs, metrics_path=order.metrics_path)


def _clean(repository: Repository, outcome: Outcome) -> None:
    """Remove what killed runs have left; what resists costs room and no backup."""
    for path in repository.leftovers():
        try:
            shutil.rmtree(path)
            outcome.leftovers_removed.append(path.name)
        except OSError as error:
            text, remedy = "what a killed run left could not be removed", "Remove it, and look who else writes there."
            outcome.findings.append(Finding("backup_leftover_stays", "warning", str(path), text, str(error), remedy))


def _retain(repository: Repository, keep: int, outcome: Outcome) -> None:
    """Only after a backup was published; one that somebody reads, or that resists, stays until the next run."""
    for backup in dispensable(repository.backups(), newest_proven(repository), keep):
        try:
            deleted, why = repository.delete(backup, _WHY), "somebody reads it"
        except OSError as error:
            deleted, why = False, f"it could not be deleted: {error}"
        if deleted:
            outcome.deleted.append(backup)
        else:
            outcome.skipped.append({"backup": backup, "why": why})
    outcome.kept = repository.backups()


def _judge_schedule(order: Order, outcome: Outcome) -> None:
    if order.interval_seconds and outcome.duration_seconds is not None:
        outcome.worst_loss_seconds = round(order.interval_seconds + outcome.duration_seconds, 3)
        outcome.findings += judge_schedule(outcome.backup, outcome.worst_loss_seconds, order.rpo_target_seconds)


def _write_metrics(order: Order, made: Manifest, outcome: Outcome) -> None:
    """The backup is good whatever becomes of them."""
    try:
        write_metrics(order.metrics_path, list(_gauges(made, outcome)), {"database": made.database.name})
    except OpsError as error:
        remedy = "The backup itself is good. Make the file writable, or alerts will say that there is no backup."
        text = "the metrics could not be written"
        outcome.findings.append(Finding("backup_metrics_not_written", "warning", order.metrics_path, text, error.cause, remedy))


def _gauges(made: Manifest, outcome: Outcome) -> Sequence[Gauge]:
    at = datetime.fromisoformat(made.snapshot_at).timestamp()
    text = "How long each phase of the newest backup took."
    return [
        Gauge("backup_timestamp_seconds", "The moment that the newest backup shows.", at),
        Gauge("backup_size_bytes", "Size of the newest backup.", made.bytes),
        Gauge("backup_rows", "Rows in the newest backup.", made.rows),
        Gauge("backup_kept", "Backups there are.", len(outcome.kept)),
        *(Gauge("backup_duration_seconds", text, seconds, {"phase": phase}) for phase, seconds in outcome.seconds.items()),
    ]
