# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dumps that others have made: each form is restored and passes at a level of its own, and each damage is told by its name."""

from __future__ import annotations

import bz2
import gzip
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.app import servers
from tests.integration.modules import Outcome
from tests.integration.postgres import support
from tests.integration.postgres.damage import flipped
from tests.integration.postgres.support import DATABASE, ROWS, Place

PLAIN, CREATING, ALL, CUSTOM, TAR, DIRECTORY = "plain", "creating", "all", "custom", "tar", "directory"
WAYS: dict[str, tuple[str, ...]] = {
    PLAIN: ("pg_dump", DATABASE),
    CREATING: ("pg_dump", "--create", DATABASE),
    ALL: ("pg_dumpall", "--exclude-database=migrated"),
    CUSTOM: ("pg_dump", "--format=custom", DATABASE),
    TAR: ("pg_dump", "--format=tar", DATABASE),
    DIRECTORY: ("pg_dump", "--format=directory", DATABASE),
}
ODD = 'odd "name" \\ ü'


@pytest.fixture(scope="module")
def dumps(place: Place) -> Iterator[Path]:
    """One of each kind, with a database of an odd name in the one of all."""
    with place.room() as room:
        place.create_database()
        quoted = '"' + ODD.replace('"', '""') + '"'
        place.postgresql.sql(f"CREATE DATABASE {quoted}", "postgres")
        try:
            for name, (program, *options) in WAYS.items():
                where = [f"--host={place.directory / 'postgresql'}", f"--port={place.postgresql.port}", "--username=admin"]
                argv = [str(servers.BINARIES / program), *where, f"--file={room / name}", *options]
                subprocess.run(argv, check=True, capture_output=True)
        finally:
            place.postgresql.sql(f"DROP DATABASE {quoted}", "postgres")
        for path in room.rglob("*"):
            support.own(path)
        yield room


@pytest.fixture
def dump(place: Place, dumps: Path, room: Path) -> Callable[..., Path]:
    """A copy of one of them, its bytes changed, under a name that says nothing of it."""

    def copy(name: str, change: Callable[[bytes], bytes] = lambda data: data, to: str = "dump") -> Path:
        subprocess.run(["cp", "-r", str(dumps / name), str(room / to)], check=True)
        if (room / to).is_file():
            (room / to).write_bytes(change((dumps / name).read_bytes()))
        for path in (room / to, *(room / to).rglob("*")):
            support.own(path)
        return room / to

    assert place.stack
    return copy


def verify(place: Place, path: Path, **options: Any) -> Outcome:
    known = {"path": str(path), "scratch_dir": str(path.parent / "scratch"), "require_passed": False}
    return place.good(place.run("pg_backup_verify", {**known, **options}))


def zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "--quiet", "--stdout"], input=data, check=True, capture_output=True).stdout


# What is dumped and how it is packed, the name of the file, the database that is told, and where its age is from.
HEALTHY: dict[str, tuple[str, Callable[[bytes], bytes], str, str, str]] = {
    "plain statements under a plan's name": (PLAIN, lambda data: data, "backup-20261125.sql", "", "name"),
    "plain statements under zstd, called gz": (PLAIN, zstd, "latest.sql.gz", "", "modified"),
    "statements that make the database, under gzip": (CREATING, gzip.compress, "dump", DATABASE, "modified"),
    "all databases of a server": (ALL, lambda data: data, "all-2026-11-25T0417.sql", DATABASE, "name"),
    "a custom archive, called sql": (CUSTOM, lambda data: data, "latest.sql", DATABASE, "dump_header"),
    "a tar archive under gzip": (TAR, gzip.compress, "latest", DATABASE, "modified"),
    "a directory": (DIRECTORY, lambda data: data, "latest", DATABASE, "dump_header"),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_what_is_whole_passes_at_its_level(name: str, place: Place, dump: Callable[..., Path], room: Path) -> None:
    kind, pack, called, database, age_from = HEALTHY[name]
    path = dump(kind, pack, called)
    before = support.tree(path)
    outcome = verify(place, path, require_passed=True)
    result = outcome.result
    assert (result["verdict"], result["level"], result["reason"], result["differences"]) == ("passed", "unattested", "", [])
    assert (result["backup"], result["changed"], result["records"], result["age_from"]) == (called, False, {}, age_from)
    counted = {table["table"]: table["rows"] for table in result["tables"] if table["database"] == database}
    assert (counted["public.endpoints"], sum(counted.values())) == (20, ROWS + 21)
    assert result["checked"]["rows"] == ROWS + 21
    assert 0 < result["restore_seconds"] < result["duration_seconds"]
    assert "backup_unattested" in outcome.findings()
    assert ("dump_without_roles" in outcome.findings()) == (kind != ALL)
    assert support.tree(path) == before
    assert [left.name for left in (room / "scratch").iterdir()] == [".lock"]


def cut_in_rows(data: bytes, more: int = 0) -> bytes:
    """At the end of a row in the middle of the rows of a partition."""
    begin = data.index(b"\n", data.index(b"COPY public.requests_"))
    return data[: data.index(b"\n", begin + 3000) + 1 + more]


def header(before: bytes, after: bytes) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        assert before in data
        return data.replace(before, after)

    return change


# What was dumped, what is done to it, the kind of the difference, and words of what was found. No server is started for them.
READ: dict[str, tuple[str, Callable[[bytes], bytes], str, str]] = {
    "cut at the end of a row": (PLAIN, cut_in_rows, "dump_cut", "within the rows of public.requests_"),
    "cut in a row": (PLAIN, lambda data: cut_in_rows(data, 9), "dump_cut", "within the rows of public.requests_"),
    "cut between statements": (CREATING, lambda data: data[: data.index(b"\n-- Name: ")], "dump_cut", "an end after"),
    "without its last line": (PLAIN, lambda data: data[: data.rindex(b"-- PostgreSQL database dump")], "dump_cut", "an end after"),
    "all of a server, cut after a database": (
        ALL,
        lambda data: data[: data.rindex(b"--\n-- PostgreSQL database cluster dump complete")],
        "dump_cut",
        "an end after",
    ),
    "empty": (PLAIN, lambda _: b"", "dump_empty", "an empty file"),
    "nothing under gzip": (PLAIN, lambda _: gzip.compress(b""), "dump_empty", "nothing in gzip"),
    "gzip cut": (PLAIN, lambda data: gzip.compress(data)[:-1000], "dump_unreadable", "ended before the end-of-stream marker"),
    "gzip damaged": (PLAIN, lambda data: flipped(9000)(gzip.compress(data)), "dump_unreadable", ""),
    "zstd cut": (PLAIN, lambda data: zstd(data)[:-1000], "dump_unreadable", "exit status 1"),
    "zstd damaged": (PLAIN, lambda data: flipped(9000)(zstd(data)), "dump_unreadable", "exit status 1"),
    "bytes of nothing known": (PLAIN, lambda data: bytes(range(256)) + data, "dump_unreadable", "bytes of no known form"),
    "text of something else": (PLAIN, lambda _: b"dear backup,\n" * 1000, "dump_unreadable", "other text"),
    "UTF-16": (PLAIN, lambda data: data.decode().encode("utf-16"), "dump_unreadable", "UTF-16"),
    "a custom archive with another head": (CUSTOM, flipped(8), "dump_unreadable", "one that does not"),
    "a custom archive cut in its table of contents": (CUSTOM, lambda data: data[:900], "dump_unreadable", "end of file"),
}


@pytest.mark.parametrize("name", READ)
def test_reading_it_shows(name: str, place: Place, dump: Callable[..., Path], room: Path) -> None:
    kind, change, expected, words = READ[name]
    judged(verify(place, dump(kind, change)), expected, "dump", words)
    assert not (room / "scratch").exists()


def judged(outcome: Outcome, kind: str, subject: str, words: str) -> None:
    (difference,) = outcome.result["differences"]
    assert (outcome.result["verdict"], difference["kind"], difference["subject"]) == ("failed", kind, subject)
    assert words in difference["found"]
    assert "backup_failed_verification" in outcome.findings()


RESTORED: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "a row that is none": (PLAIN, lambda data: re.sub(rb"(COPY public\.endpoints .*\n)", rb"\1garbage\n", data), "invalid input syntax"),
    "a command of psql": (
        CREATING,
        lambda data: re.sub(rb"\n\\restrict .*\n", b"\n\\\\restrict abc\n\\\\unrestrict abc\n\\\\! touch ROOM/obeyed\n", data, count=1),
        "commands are restricted",
    ),
    "a custom archive cut": (CUSTOM, lambda data: data[:-3000], "end of file"),
}


@pytest.mark.parametrize("name", RESTORED)
def test_restoring_it_shows(name: str, place: Place, dump: Callable[..., Path], room: Path) -> None:
    kind, change, words = RESTORED[name]
    path = dump(kind, lambda data: change(data).replace(b"ROOM", str(room).encode()))
    judged(verify(place, path), "restore", "dump", words)
    assert not (room / "obeyed").exists()


def test_rows_of_a_directory_that_end_too_early_are_seen(place: Place, dump: Callable[..., Path]) -> None:
    """pg_restore takes them for all rows."""
    path = dump(DIRECTORY)
    largest = max(path.glob("*.dat.gz"), key=lambda file: file.stat().st_size)
    largest.write_bytes(gzip.compress(b"".join(gzip.decompress(largest.read_bytes()).splitlines(keepends=True)[:1000])))
    judged(verify(place, path), "dump_cut", largest.name, "end without it")
    (path / "toc.dat").unlink()
    judged(verify(place, path), "dump_unreadable", "dump", "without one")


# What the place of the verification lacks is no fault of the dump.
LACKING: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "a server of its version": (
        PLAIN,
        header(b"database version 15", b"database version 17"),
        "There is no postgres, initdb of PostgreSQL 17",
    ),
    "programs that read its form": (
        CUSTOM,
        header(b"PGDMP\x01\x0e", b"PGDMP\x01\x10"),
        "There is no pg_restore, pg_dump, psql of PostgreSQL 17",
    ),
    "what unpacks it": (PLAIN, bz2.compress, "A file of bzip2 is not read here"),
    "an extension": (PLAIN, header(b"SET default_tablespace", b"CREATE EXTENSION postgis;\nSET default_tablespace"), "Cause: postgis"),
    "a role that only code names": (
        PLAIN,
        header(
            b"SET default_tablespace = ''",
            b"DO $$ BEGIN EXECUTE 'CREATE SCHEMA s AUTHORIZATION unseen'; END $$;\nSET default_tablespace = ''",
        ),
        'role "unseen" does not exist',
    ),
    "its locale": (CREATING, header(b"LOCALE = 'C.UTF-8'", b"LOCALE = 'xx_XX.UTF-8'"), "invalid locale name"),
    "a database to restore over": (
        PLAIN,
        lambda data: data.replace(b"\n\nCREATE ", b"\n\nDROP TABLE public.endpoints;\nCREATE ", 1),
        "needs a database to restore over",
    ),
}


@pytest.mark.parametrize("name", LACKING)
def test_a_verdict_is_not_given_for_lack_of(name: str, place: Place, dump: Callable[..., Path]) -> None:
    kind, change, words = LACKING[name]
    outcome = verify(place, dump(kind, change))
    assert (outcome.result["verdict"], outcome.result["differences"]) == ("could_not_verify", [])
    assert words in outcome.result["reason"]
    assert "backup_not_verified" in outcome.findings()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"path": "/nonexistent"}, "There is no such file or directory"),
        ({"level": "checksum"}, "The level checksum does not go together with path"),
        ({"level": "data"}, "The level data does not go together with path"),
        ({"amcheck": True}, "amcheck does not go together with path"),
        ({"metrics_path": "/tmp/x.prom"}, "metrics_path does not go together with path"),
        ({"directory": "/tmp"}, "mutually exclusive"),
        ({"path": None}, "one of the following is required"),
    ],
)
def test_what_cannot_be_done_is_refused(options: dict[str, Any], words: str, place: Place, dumps: Path) -> None:
    given = {name: value for name, value in {"path": str(dumps / PLAIN), **options}.items() if value is not None}
    outcome = place.run("pg_backup_verify", given)
    assert outcome.failed
    assert words in outcome.message
    assert "verdict" not in outcome.result


def test_backups_of_ours_are_verified_at_a_higher_level(place: Place, made_backup: Path) -> None:
    for path in (made_backup, next(made_backup.glob("2*"))):
        outcome = place.run("pg_backup_verify", {"path": str(path)})
        assert "is verified at a higher level" in outcome.message


def test_a_check_starts_no_server(place: Place, dump: Callable[..., Path], room: Path) -> None:
    path = dump(PLAIN)
    foreseen = place.good(place.run("pg_backup_verify", {"path": str(path), "scratch_dir": str(room / "scratch")}, check=True)).result
    assert (foreseen["verdict"], foreseen["reason"], foreseen["tables"]) == ("", "", [])
    assert not (room / "scratch").exists()
