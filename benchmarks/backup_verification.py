# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What backing up and proving a backup cost, beside what everybody has: psql with a plain dump, pg_restore, pg_dump."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import manifest, scratch, scratch_place

from benchmarks.bench import Bench, Clock, server
from benchmarks.claims import Claim, Measured
from tests.integration.app import servers
from tests.integration.postgres import support

_SIZE = 3_000_000
_JOBS = 2
_NAME = "bench"
_LEVELS = {"data": 0.5, "constraints": 0.65, "full": 1.0}
_MOST_MEMORY = 150.0
_PLAIN_HASH = "SELECT count(*), sum(hash_record_extended(r, 0)) FROM public.requests r"
# As a backup asks: with the others of its jobs, and by the interpreter alone.
_ASKING = f"SET max_parallel_workers_per_gather = {_JOBS - 1}; SET jit = off; SET search_path = ''"
# Requests as the stack has them, with a document each, a primary key and two other indexes.
_ROWS = """
CREATE TABLE requests (id bigint GENERATED ALWAYS AS IDENTITY, timestamp timestamptz NOT NULL, endpoint text NOT NULL,
  response_time double precision, status integer, details jsonb);
INSERT INTO requests (timestamp, endpoint, response_time, status, details)
SELECT '2026-01-01Z'::timestamptz + n * interval '1 second', '/api/' || n % 500, hashint8(n) % 100000 / 100.0, 200 + n % 5 * 75,
  jsonb_build_object('agent', 'agent/' || n % 50, 'attempt', n % 4, 'cached', n % 3 = 0)
FROM generate_series(1, {size}) n;
ALTER TABLE requests ADD PRIMARY KEY (id);
CREATE INDEX ON requests (endpoint, timestamp);
CREATE INDEX ON requests (timestamp);
CREATE TABLE endpoints (name text PRIMARY KEY);
INSERT INTO endpoints SELECT DISTINCT endpoint FROM requests;
ANALYZE;
"""


@dataclass(frozen=True)
class _Backups(Bench):
    """Backups of the database, and what everybody has instead."""

    def hashes(self, query: str) -> None:
        """What our sums of the content cost, beside the sums of PostgreSQL's own hash of a row, which sees less."""
        for name, asked in (("plain hash", _PLAIN_HASH), ("content sums", query)):
            self.program(name, ["psql", "--no-psqlrc", "--quiet", f"--command={_ASKING}", f"--command={asked}", _NAME])

    def checksum(self, made: dict[str, Any]) -> None:
        """Bytes of files alone; the start of a module is no part of it."""
        files = [str(path) for path in Path(made["backup_path"]).rglob("*") if path.is_file()]
        # It costs the same as reading each by a program of its own, and it is the best there is.
        argv = ["xargs", f"--max-procs={os.cpu_count()}", "--max-args=1", "sha256sum"]
        work = partial(subprocess.run, argv, input="\n".join(files), text=True, check=True, stdout=subprocess.DEVNULL)
        self.clock.time("sha256sum", work)
        result = self.module("checksum", "pg_backup_verify", level="checksum")
        self.clock.seconds.setdefault("files", []).append(result["seconds"]["files"])

    def round(self, plain: Path, directory: Path, default: Path, profile: Path) -> dict[str, Any]:
        """Each once; what is restored into is empty each time."""
        self.program("pg_dump", ["pg_dump", f"--file={plain}", "--no-owner", _NAME])
        made = self.module("backup", "pg_backup", **self.place.options("admin"), jobs=_JOBS)
        print(f"  {made['seconds']}", flush=True)
        self.hashes(next(table.query for table in manifest.load(Path(made["backup_path"])).tables if table.name == "requests"))
        self.checksum(made)
        for where in (default, profile):
            for argv in (
                ["psql", "--quiet", "--command=SET client_min_messages = error", f"--command=DROP DATABASE IF EXISTS {_NAME}", "postgres"],
                ["createdb", _NAME],
            ):
                self.program("", argv, where)
        self.program("psql", ["psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--file={plain}", _NAME], default)
        for level in ("data", "constraints"):
            self.verify(level)
        restore = ["pg_restore", "--exit-on-error", "--no-owner", f"--jobs={_JOBS}", f"--dbname={_NAME}", str(directory)]
        self.program("pg_restore", restore, profile)
        self.verify("full")
        return made

    def verify(self, level: str) -> None:
        result = self.module(level, "pg_backup_verify", level=level, jobs=_JOBS, scratch_niceness=0)
        print(f"  {result['seconds']}", flush=True)


def measured(size: int, rounds: int) -> Measured:
    """All claims on a table of so many requests."""
    size, clock = size or _SIZE, Clock()
    with support.place() as place, place.room() as room, ExitStack() as cleanup:
        support.credentials(place.directory / "admin", "admin")
        place.postgresql.sql(f"ALTER ROLE admin PASSWORD '{servers.PASSWORD.replace(chr(39), 2 * chr(39))}'", "postgres")
        place.postgresql.sql(f"CREATE DATABASE {_NAME}", "postgres")
        place.postgresql.sql(_ROWS.format(size=size), _NAME)
        bytes_of_all = int(place.postgresql.sql(f"SELECT pg_database_size('{_NAME}')"))
        needs = scratch_place.Needs(bytes_of_all, 10, _JOBS)
        beside = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=scratch_place.place("", needs).parent)))
        beside.chmod(0o755)
        profile = scratch.settings(beside / "profile", needs, scratch_place.available_memory())
        default = cleanup.enter_context(server(room / "default", {}))
        fast = cleanup.enter_context(server(beside / "profile", profile))
        bench, plain, directory = _Backups(place, room, clock, _NAME), room / "dump.sql", room / "directory"
        bench.program("", ["pg_dump", "--format=directory", "--compress=0", f"--jobs={_JOBS}", f"--file={directory}", _NAME])
        # What the modules import is compiled once.
        warm = {"database": _NAME, "directory": str(room / "backups")}
        place.good(place.run("pg_backup", {**place.options("admin"), **warm}))
        place.good(place.run("pg_backup_verify", {**warm, "level": "checksum"}))
        for _ in range(rounds):
            made = bench.round(plain, directory, default, fast)
        sizes = (plain.stat().st_size / (1 << 20), made["bytes"] / (1 << 20))
    # Another size stands beside the one that the goals are for.
    name = "backup_verification" if size == _SIZE else f"backup_verification_{size}"
    return Measured(name, _conditions(size, bytes_of_all, rounds), list(_claims(clock, sizes)))


def _conditions(size: int, bytes_of_all: int, rounds: int) -> list[str]:
    load = os.getloadavg()[0]
    return [
        f"{size:,} requests with a document each and three indexes, {bytes_of_all >> 20} MiB of database; {rounds} rounds; {_JOBS} jobs",
        f"the load of the machine was {load:.0f} at the end; the goals are for {_SIZE:,} requests on a machine that does nothing else",
        "ours from the start of the module to its end: files read, server made, content of each table compared, record written",
        "psql: the plain dump into a server with default settings. pg_restore: the directory into a server like our scratch server, there",
        "checksum: the phase that reads the files, beside a sha256sum for each of them on all processors",
    ]


def _claims(clock: Clock, sizes: tuple[float, float]) -> Iterator[Claim]:
    for level, goal in _LEVELS.items():
        yield Claim(f"verification, level {level}", "psql with a plain dump", clock.median("psql"), clock.median(level), "s", goal)
    yield Claim("verification, level full", f"pg_restore, {_JOBS} jobs", clock.median("pg_restore"), clock.median("full"), "s", 0.95)
    yield Claim("backup with its manifest", "pg_dump", clock.median("pg_dump"), clock.median("backup"), "s", 1.6)
    yield Claim(
        "sums of the content of a table", "sums of hash_record_extended", clock.median("plain hash"), clock.median("content sums"), "s", 1.6
    )
    yield Claim("sums of the content of a table", "pg_dump", clock.median("pg_dump"), clock.median("content sums"), "s", 0.6)
    yield Claim("verification, level checksum", "sha256sum", clock.median("sha256sum"), clock.median("files"), "s", 1.3)
    yield Claim("size of a backup", "pg_dump", *sizes, "MiB", 0.45)
    yield Claim("memory of our Python", "limit", _MOST_MEMORY, clock.memory_mib, "MiB", 1.0)
