# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of a dump that is compressed while pg_dump still writes it: a fault then publishes nothing, and the next run is good."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.app import servers
from tests.integration.modules import Running
from tests.integration.postgres import damage
from tests.integration.postgres.disk import MEBIBYTE, disk
from tests.integration.postgres.proxy import network
from tests.integration.postgres.support import Place, processes
from tests.proof.faults import aftermath

_BYTES = 40 * MEBIBYTE
# Beyond the 16 MiB from which a file is compressed as it grows, and before its end.
_WRITTEN = 26 * MEBIBYTE
_TABLE = f"""
CREATE TABLE large AS SELECT n, (SELECT string_agg(md5(n::text || m::text), '') FROM generate_series(1, 32) m) AS content
FROM generate_series(1, {_BYTES // 1024}) n;
ALTER TABLE large OWNER TO owner
"""  # noqa: S608 - a number of ours


@pytest.fixture(scope="module", autouse=True)
def large(place: Place) -> Iterator[None]:
    """The live database has a table of 40 MiB."""
    place.postgresql.sql(_TABLE)
    yield
    place.create_database()


@dataclass(frozen=True)
class Growing:
    """A backup of it that stands still, with the table half written and half compressed."""

    running: Running
    directory: Path

    def pids(self, *words: str) -> list[int]:
        """Processes whose command line has these words, the oldest first."""
        return sorted(pid for pid, said in processes(self.directory).items() if all(word in said for word in words))

    @property
    def compressing(self) -> bool:
        """Whether zstd writes a file that pg_dump has not finished, from what it is fed."""
        return any("zstd " in said and f" -o {self.directory}/" in said for said in processes(self.directory).values())


@contextlib.contextmanager
def growing(place: Place, backups: Path) -> Iterator[Growing]:
    """It goes on when the work with it is done."""
    with network(place.postgresql.port) as line:
        line.hold_after(_WRITTEN)
        made = Growing(place.start("pg_backup", place.backup_options(backups, port=line.port)), backups)
        try:
            assert line.held.wait(aftermath.SECONDS)
            servers.wait_until(lambda: made.compressing, "compression of what is not finished", 15)
            yield made
            line.go_on()
            # Its word is waited for while the line is there.
            if not made.running.is_over():
                made.running.process.wait(aftermath.SECONDS)
        finally:
            line.go_on()
            made.running.kill()


def test_it_passes_where_nothing_is_in_the_way(place: Place, backups: Path, room: Path) -> None:
    with growing(place, backups) as made:
        assert made.running.process.poll() is None
    result = place.good(made.running.outcome()).result
    backup = damage.Backup(place, Path(result["backup_path"]))
    assert max(file.plain_bytes or 0 for file in backup.manifest.files) >= _BYTES
    assert backup.verify(room, level="data").result["verdict"] == "passed"


def test_pg_backup_is_killed(place: Place, backups: Path) -> None:
    """What it leaves is no backup, and the next run knows it."""
    known = aftermath.before(place, backups)
    with growing(place, backups) as made:
        made.running.kill()
    known.nobody("backup")
    (left,) = known.repository.leftovers()
    assert left.name.startswith(".incomplete-")
    known.same()
    result = place.good(place.backup(backups)).result
    assert (result["leftovers_removed"], known.repository.leftovers()) == ([left.name], [])
    known.made_good()


# Words of its command line, which of those that have them, and what the error has to say.
PROGRAMS = {
    "zstd": (("zstd ", " -o "), 0, ("zstd", "SIGKILL")),
    "pg_dump": (("pg_dump ", "--format=directory"), 0, ("pg_dump", "SIGKILL")),
    "the worker of pg_dump that writes it": (("pg_dump ", "--format=directory"), 1, ("pg_dump",)),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_is_killed(place: Place, backups: Path, program: str) -> None:
    words, number, said = PROGRAMS[program]
    known = aftermath.before(place, backups)
    with growing(place, backups) as made:
        os.kill(made.pids(*words)[number], signal.SIGKILL)
    aftermath.explained(made.running.outcome(), *said)
    assert known.repository.leftovers() == []
    known.nobody("backup")
    known.same()
    known.made_good()


def test_the_disk_is_full(place: Place, made_backup: Path, room: Path) -> None:
    with disk(room / "disk", 110) as full:
        backups = damage.copy_of(place, made_backup, full.path).repository
        known = aftermath.before(place, backups)
        with growing(place, backups) as made:
            # What has come through already may still be written.
            full.fill(2 * MEBIBYTE)
        aftermath.explained(made.running.outcome(), "No space left on device", "room")
        assert known.repository.leftovers() == []
        full.empty()
        known.nobody("backup", room)
        known.same()
        known.made_good()
