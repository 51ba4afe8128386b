# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The making of one backup: its files under a name that no backup has, then its own name."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._clock import now
from .._errors import OpsError
from .._files import Wanted, sync_directory, write
from .._progress import Progress
from .._tls import credentials
from . import guide, manifest, properties
from .accounts import accounts, portable
from .content import told, told_empty
from .dump import DUMP, GLOBALS, Dumper, sealed, size, without_restrict
from .facts import database_facts, extensions, not_dumped, roles, sequences, server_facts
from .manifest import Manifest
from .order import Order
from .ready import Ready
from .signing import Key
from .snapshot import Snapshot, held

_ATTEMPTS = 3


@dataclass(frozen=True)
class Maker:
    """What it needs."""

    order: Order
    ready: Ready
    progress: Progress
    key: Key | None = None

    def make(self, name: str) -> Manifest:
        """All or nothing: what cannot be finished is removed, and what is killed bears a name that no backup has."""
        directory = self.ready.repository.incomplete(name)
        try:
            directory.mkdir(mode=0o700)
            made = self._fill(directory, name)
            made = self.key.sign(made) if self.key else made
            self.progress.phase("publish")
            write(Wanted(directory / manifest.FILE_NAME, 0o600, made.render().encode()))
            sync_directory(directory)
            self.ready.repository.publish(name)
        except BaseException as error:
            # What resists is removed by the next run, which says so.
            shutil.rmtree(directory, ignore_errors=True)
            if not isinstance(error, OSError):
                raise
            remedy = "Nothing was published. Give the volume room or look what is wrong with it."
            raise OpsError("The backup could not be written", where=str(directory), cause=str(error.strerror), remedy=remedy) from error
        return made

    def _fill(self, directory: Path, name: str) -> Manifest:
        order, progress, begun_at = self.order, self.progress, now()
        who = credentials(order.server.credentials_dir)
        limits = (order.dump_timeout_seconds, order.table_lock_timeout_seconds)
        dumper = Dumper(self.ready.programs, order.server, who, *limits, order.compression_level)
        progress.phase("snapshot")
        with self._moment(dumper, directory) as snapshot:
            described, selected = self._described(snapshot), snapshot.cut.selected
            asked = snapshot.questions(order.bucket_sums)
            known_answers = snapshot.known(asked)
            with snapshot.reading(asked, order.jobs) as reading:

                def advance(done: float) -> None:
                    reading.is_at_work()
                    progress.advance(done)

                progress.phase("dump", self.ready.plain_bytes, "bytes")
                dumped = dumper.dump(snapshot, directory / DUMP, jobs=order.jobs, advance=advance)
                progress.phase("content", reading.bytes, "bytes")
                found = reading.finished(progress.advance)
            snapshot.ensure_held()
        progress.phase("read_back")
        entries = dumper.entries(directory / DUMP)
        plain = size(directory / DUMP, compressed=False) + sum(one.bytes for one in dumped.plain.values())
        text = guide.text(
            described["database"], described["server"].version, snapshot.at, order.jobs, plain, roles=self._roles_kept(), selected=selected
        )
        (directory / guide.FILE_NAME).write_text(text, encoding="utf-8")
        progress.phase("checksums", size(directory), "bytes")
        files = sealed(directory, progress.advance, dumped.plain)
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
            tables=tuple(sorted((*told(asked.tables, found), *told_empty(asked.without_rows)))),
            large_objects=told(asked.large_objects, found),
            entries=entries,
            files=files,
            role_passwords=order.include_role_passwords,
            warnings=tuple(dumped.warnings),
            known_answers=known_answers,
            selection=selected,
        )

    @contextmanager
    def _moment(self, dumper: Dumper, directory: Path) -> Iterator[Snapshot]:
        """A snapshot with the roles of its moment: those of the server have none, so they must be the same before and after it."""
        order = self.order
        limits = {"lock_timeout_seconds": order.table_lock_timeout_seconds, "timeout_seconds": order.dump_timeout_seconds}
        for _attempt in range(_ATTEMPTS):
            before = dumper.globals(passwords=self.order.include_role_passwords)
            with held(order.server, dumper.who, selection=order.selection, **limits) as snapshot:
                if _same(dumper.globals(passwords=self.order.include_role_passwords), before):
                    self._keep_roles(directory, portable(snapshot.connection, before))
                    yield snapshot
                    return
        remedy = "Run the backup when nobody changes roles."
        raise OpsError("The roles of the server changed while they were read", where=self.order.server.address, remedy=remedy)

    def _roles_kept(self) -> guide.Roles:
        order = self.order
        return guide.Roles(order.sealing.name, passwords=order.include_role_passwords)

    def _keep_roles(self, directory: Path, sql: bytes) -> None:
        if self.order.sealing.name:
            self.order.sealing.encrypt(sql, directory)
        else:
            (directory / GLOBALS).write_bytes(sql)

    @staticmethod
    def _described(snapshot: Snapshot) -> dict[str, Any]:
        connection = snapshot.connection
        database = database_facts(connection)
        facts = {"database": database, "server": server_facts(connection), "properties": properties.read(connection, database.name)}
        lacking = {"sequences": sequences(connection, snapshot.cut.gone), "not_dumped": not_dumped(connection)}
        return {**facts, **lacking, "extensions": extensions(connection), "roles": roles(connection), "accounts": accounts(connection)}


def _same(sql: bytes, other: bytes) -> bool:
    """Whether two outputs differ in nothing but the words that are drawn anew for each."""
    first, second = (without_restrict(text.decode(errors="surrogateescape")) for text in (sql, other))
    return first == second
