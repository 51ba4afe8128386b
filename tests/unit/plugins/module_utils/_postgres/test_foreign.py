# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements of a dump as they stream by, wherever a block ends, and what a file is by its bytes."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import foreign_script, foreign_source, foreign_verify
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.foreign_script import Part, Survey, blocks, pieces
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.scratch_place import NoScratchError

DUMP = rb"""--
-- PostgreSQL database dump
--

\restrict Kx9

-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18

SET client_encoding = 'LATIN1';
CREATE DATABASE app WITH TEMPLATE = template0 ENCODING = 'LATIN1' LOCALE = 'C' TABLESPACE = fast;
\unrestrict Kx9
\connect app
\restrict Kx9

--
-- Name: pg_trgm; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
SET default_tablespace = '';
SET default_tablespace = "Slow one";
CREATE TABLE public.t (line text);
ALTER TABLE public.t OWNER TO owner;
ALTER DEFAULT PRIVILEGES FOR ROLE maker GRANT SELECT ON TABLES  TO reader;
GRANT SELECT ON TABLE public.t TO "Odd ""one"" here" WITH GRANT OPTION;
REVOKE ALL ON TABLE public.t FROM PUBLIC;
CREATE POLICY p ON public.t TO first, second USING (true);
ALTER ROLE tuned IN DATABASE app SET work_mem TO '5MB';
COPY public.t (line) FROM stdin;
ALTER TABLE public.x OWNER TO nobody;
\connected
\N
\.

--
-- PostgreSQL database dump complete
--

\unrestrict Kx9

"""
SIZES = (1, 2, 7, 64, 100_000)


def chunks(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("size", SIZES)
def test_what_a_dump_needs_is_found_wherever_a_block_ends(size: int) -> None:
    survey = Survey().read(chunks(DUMP, size))
    assert (survey.major, survey.encoding, survey.entries, survey.connects, survey.drops_first) == (15, "LATIN1", 1, True, False)
    assert survey.roles == {"owner", "maker", "reader", 'Odd "one" here', "first", "second", "tuned"}
    assert (survey.extensions, survey.tablespaces, survey.made["DATABASE"]) == ({"pg_trgm"}, {"fast", "Slow one"}, {"app"})
    assert (survey.begun, survey.complete, survey.read_bytes) == (True, True, len(DUMP))


@pytest.mark.parametrize(
    ("data", "within"),
    [
        (DUMP[: DUMP.index(b"\\N\n")], "public.t"),
        (DUMP[: DUMP.index(b"\\N\n") + 1], "public.t"),
        (DUMP[: DUMP.index(b"\\.\n") + 3], ""),
        (DUMP.replace(b"-- PostgreSQL database dump\n", b"-- PostgreSQL database cluster dump\n"), ""),
        (DUMP + b"SELECT 1;\n", ""),
    ],
)
def test_what_does_not_end_as_it_began_is_cut(data: bytes, within: str) -> None:
    survey = Survey().read(chunks(data, 100))
    assert (survey.begun, survey.complete, survey.within) == (True, False, within)


@pytest.mark.parametrize(
    ("first", "drops"),
    [(b"DROP TABLE public.t;", True), (b"ALTER TABLE ONLY public.t DROP CONSTRAINT k;", True), (b"DROP TABLE IF EXISTS public.t;", False)],
)
def test_a_dump_that_drops_first_is_told_from_one_that_may(first: bytes, drops: bool) -> None:
    survey = Survey().read([DUMP.replace(b"CREATE DATABASE", first + b"\nCREATE DATABASE")])
    assert survey.drops_first is drops
    assert not Survey().read([DUMP.replace(b"COPY", first + b"\nCOPY")]).drops_first


@pytest.mark.parametrize("size", SIZES)
def test_psql_gets_all_but_the_commands_of_pg_dump(size: int) -> None:
    rest, given = pieces(chunks(DUMP, size)), []
    names = ["template1"]
    while names[-1]:
        part, stream = Part(rest), io.BytesIO()
        part.feed(stream)
        given.append(stream.getvalue())
        names.append(part.next_database)
    assert names == ["template1", "app", ""]
    for text in given:
        assert text.startswith(b"\\restrict ")
        assert text.count(b"restrict ") == 1
    kept = b"".join(text.partition(b"\n")[2] for text in given)
    dropped = (b"\\restrict Kx9", b"\\unrestrict Kx9", b"\\connect app")
    assert [line for line in kept.splitlines() if line] == [line for line in DUMP.splitlines() if line and line not in dropped]


def test_names_and_places_are_those_that_pg_dumpall_writes() -> None:
    odd = rb"""
\encoding SQL_ASCII
\connect -reuse-previous=on "dbname='odd ""db\'\\'"
CREATE TABLESPACE fast OWNER owner LOCATION '/srv/it''s';
"""
    before, name, after = list(pieces([b"x", odd]))[-4:-1]
    assert (before, name) == (b"", "odd \"db'\\")
    assert isinstance(after, bytes)
    assert b"CREATE TABLESPACE fast OWNER owner LOCATION '';" in after


def test_a_line_that_is_longer_than_a_block_is_not_kept_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign_script, "_LONGEST_BLOCK_BYTES", 10)
    long = b"first\n" + 100 * b"x" + b"\nlast\n"
    found = list(blocks(chunks(long, 4)))
    assert b"".join(found) == b"\n" + long
    assert max(map(len, found)) <= 14


@pytest.mark.parametrize(
    ("name", "data"), [("x.tar", b"other" + bytes(252) + b"ustar" + bytes(300)), ("x", b"age-encryption.org/v1\n"), ("x", b"PK\x03\x04")]
)
def test_what_is_not_read_here_is_no_fault_of_it(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(NoScratchError, match="not read here"):
        foreign_source.identified(tmp_path / name)


def directory(path: Path, rows: bytes) -> foreign_source.Source:
    (path / "toc.dat").write_bytes(b"PGDMP\x01\x0e\x00")
    (path / "12.dat").write_bytes(rows)
    (path / "blob_13.dat").write_bytes(b"anything")
    return foreign_source.identified(path)


@pytest.mark.parametrize("rows", [b"\\.\n\n\n", b"1\ta\n\\.\n\n\n", b"\n\n", b"INSERT INTO t VALUES (1);\n\n\n"])
def test_rows_that_end_with_their_marker_are_whole(tmp_path: Path, rows: bytes) -> None:
    told: list[float] = []
    directory(tmp_path, rows).check_files(told.append)
    assert told[-1] == len(rows) + 8 + len(b"anything")


@pytest.mark.parametrize("rows", [b"INSERT INTO t VALUES (1);\n", b"1\ta\n", b""])
def test_rows_that_end_without_it_are_cut(tmp_path: Path, rows: bytes) -> None:
    with pytest.raises(foreign_source.DumpError, match="rows that end without it") as caught:
        directory(tmp_path, rows).check_files(lambda _: None)
    assert (caught.value.kind, caught.value.part) == ("dump_cut", "12.dat")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("backup-20261125.sql", "2026-11-25T00:00:00+00:00"),
        ("db_2026-11-25_0417.dump", "2026-11-25T04:17:00+00:00"),
        ("20261125T041702Z.sql.gz", "2026-11-25T04:17:02+00:00"),
        ("20269925.sql", ""),
        ("latest-1234567890123.sql", ""),
    ],
)
def test_a_time_in_a_name_is_read(name: str, told: str) -> None:
    found = foreign_verify._in_name(Path(name))
    assert (found.isoformat() if found else "") == told
