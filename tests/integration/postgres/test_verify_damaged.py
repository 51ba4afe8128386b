# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged backups: each fails, for what was done to it and for nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.table_content import TableContent

from tests.integration.modules import Outcome
from tests.integration.postgres.damage import Backup, flipped

MANIFEST = "manifest.json"
TOC = "dump/toc.dat"


@dataclass(frozen=True)
class Case:
    """A damage, the kind and subject of each difference it makes, and words of the first."""

    damage: Callable[[Backup], object]
    expected: list[tuple[str, str]]
    words: str = ""


def judged(outcome: Outcome, expected: list[tuple[str, str]], words: str = "") -> None:
    result = outcome.result
    assert (result["verdict"], [(found["kind"], found["subject"]) for found in result["differences"]]) == ("failed", expected)
    first = result["differences"][0]
    assert words in first["found"]
    assert first["expected"] != first["found"]
    assert result["reason"].startswith(f"{first['kind']} {first['subject']}: ")
    assert outcome.findings() == ["backup_failed_verification"]


def rewritten(backup: Backup, name: str, change: Callable[[str], str], *, reseal: bool = False) -> None:
    backup.replace(name, lambda data: change(data.decode()).encode(), reseal=reseal)


def rewritten_bytes(backup: Backup, change: Callable[[bytes], bytes]) -> None:
    """Other bytes in the biggest compressed file, with checksums that agree."""
    path = backup.data_file(backup.busiest)
    backup.replace(str(path.relative_to(backup.path)), change, reseal=True)


def linked(backup: Backup) -> None:
    path = backup.data_file("endpoints")
    path.rename(backup.path.parent / "elsewhere")
    path.symlink_to(backup.path.parent / "elsewhere")


def renamed(backup: Backup, path: str) -> None:
    first, *others = backup.manifest.files
    backup.forge(files=(replace(first, path=path), *others))


def otherwise_made(backup: Backup) -> None:
    """What the dump says makes something that pg_dump writes in other words."""
    backup.replace(TOC, lambda data: data.replace(b"'milliseconds'", rb"E'millise\x63'"), reseal=True)
    backup.believe_dump()


DATA_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a byte flipped": (lambda path: path.write_bytes(flipped(40)(path.read_bytes())), "file_content"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-7]), "file_size"),
    "emptied": (lambda path: path.write_bytes(b""), "file_size"),
    "removed": (lambda path: path.unlink(), "file_missing"),
}

READ: dict[str, Case] = {
    "a file too many": Case(lambda backup: (backup.path / "dump" / "9999.dat").touch(), [("file_unexpected", "dump/9999.dat")]),
    "toc.dat flipped": Case(lambda backup: backup.replace(TOC, flipped(500)), [("file_content", TOC)]),
    "toc.dat unreadable": Case(lambda backup: backup.replace(TOC, flipped(0), reseal=True), [("dump_unreadable", "dump")], "header"),
    "toc.dat cut": Case(lambda backup: backup.replace(TOC, lambda data: data[:900], reseal=True), [("dump_unreadable", "dump")]),
    "globals.sql changed": Case(
        lambda backup: rewritten(backup, "globals.sql", lambda text: text.replace("NOLOGIN", "LOGIN", 1) + " "),
        [("file_size", "globals.sql")],
    ),
    "manifest edited": Case(
        lambda backup: rewritten(backup, MANIFEST, lambda text: text.replace('"rows": 20', '"rows": 19')),
        [("manifest", MANIFEST)],
        "does not match its own SHA-256",
    ),
    "manifest cut": Case(
        lambda backup: backup.replace(MANIFEST, lambda data: data[: len(data) // 2]), [("manifest", MANIFEST)], "is damaged"
    ),
    "manifest lost": Case(lambda backup: (backup.path / MANIFEST).unlink(), [("manifest", MANIFEST)], "has no manifest"),
    "manifest of another version": Case(
        lambda backup: backup.forge_document(schema_version=2), [("manifest", MANIFEST)], "has version 2; known is 1"
    ),
    "manifest of something else": Case(
        lambda backup: backup.forge_document(schema="endpoint_stats.else"), [("manifest", MANIFEST)], "endpoint_stats.else"
    ),
    "manifest with a path outside": Case(
        lambda backup: renamed(backup, "../20261125T000000Z/globals.sql"), [("manifest", MANIFEST)], "outside of the backup"
    ),
    "manifest without globals": Case(
        lambda backup: backup.forge(files=tuple(file for file in backup.manifest.files if file.path != "globals.sql")),
        [("file_missing", "globals.sql"), ("file_unexpected", "globals.sql")],
    ),
    "an old backup under a new name": Case(lambda backup: backup.forge(id="20250101T000000Z"), [("other_backup", MANIFEST)], "20250101"),
    "a table left out": Case(
        lambda backup: backup.graft("", "--exclude-table=alembic_version"),
        [
            ("entry_missing", "ACL public.TABLE alembic_version"),
            ("entry_missing", "CONSTRAINT public.alembic_version alembic_version_pkc"),
            ("entry_missing", "TABLE public.alembic_version"),
        ],
    ),
    "a default changed": Case(
        lambda backup: backup.graft("ALTER TABLE ONLY requests ALTER COLUMN timestamp SET DEFAULT '2026-01-01Z'"),
        [("entry_changed", "TABLE public.requests")],
    ),
    "an index lost": Case(
        lambda backup: backup.graft("DROP INDEX endpoint_daily_stats_day_idx"),
        [("entry_missing", "INDEX public.endpoint_daily_stats_day_idx")],
    ),
    "a constraint lost": Case(
        lambda backup: backup.graft("ALTER TABLE requests DROP CONSTRAINT requests_endpoint_fkey"),
        [("entry_missing", "FK CONSTRAINT public.requests requests_endpoint_fkey")],
    ),
    "a grant lost": Case(
        lambda backup: backup.graft("REVOKE INSERT ON endpoints FROM api"), [("entry_changed", "ACL public.TABLE endpoints")]
    ),
    "a comment lost": Case(
        lambda backup: backup.graft("COMMENT ON COLUMN requests.number IS NULL"),
        [("entry_missing", "COMMENT public.COLUMN requests.number")],
    ),
    "another owner": Case(
        lambda backup: backup.graft("ALTER MATERIALIZED VIEW endpoint_daily_stats OWNER TO admin"),
        [
            ("entry_changed", "ACL public.TABLE endpoint_daily_stats"),
            ("entry_changed", "INDEX public.endpoint_daily_stats_day_idx"),
            ("entry_changed", "INDEX public.endpoint_daily_stats_endpoint_day_idx"),
            ("entry_changed", "MATERIALIZED VIEW DATA public.endpoint_daily_stats"),
            ("entry_changed", "MATERIALIZED VIEW public.endpoint_daily_stats"),
        ],
        "owner admin",
    ),
    "a sequence set back": Case(
        lambda backup: backup.graft("SELECT setval('endpoints_id_seq', 19)"),
        [("entry_changed", "SEQUENCE SET public.endpoints_id_seq")],
    ),
    "a materialized view emptied": Case(
        lambda backup: backup.graft("REFRESH MATERIALIZED VIEW endpoint_daily_stats WITH NO DATA"),
        [("entry_missing", "MATERIALIZED VIEW DATA public.endpoint_daily_stats")],
    ),
}


def fields(change: Callable[[list[list[bytes]]], object]) -> Callable[[Backup], object]:
    """Other values in the table with the most rows, whose number stays."""

    def damage(backup: Backup) -> None:
        def edited(lines: list[bytes]) -> list[bytes]:
            end = lines.index(b"\\.\n")
            rows = [line.removesuffix(b"\n").split(b"\t") for line in lines[:end]]
            change(rows)
            return [b"\t".join(row) + b"\n" for row in rows] + lines[end:]

        backup.edit_rows(backup.busiest, edited)

    return damage


def swapped(rows: list[list[bytes]], column: int = -1) -> None:
    rows[7][column], rows[8][column] = rows[8][column], rows[7][column]


def rotated(rows: list[list[bytes]], column: int = -1) -> None:
    values = [row[column] for row in rows]
    for row, value in zip(rows, values[1:] + values[:1], strict=True):
        row[column] = value


def changed(rows: list[list[bytes]], column: int = -1) -> None:
    rows[7][column] = b"-" + rows[7][column]


RESTORED: dict[str, Case] = {
    "values of two rows swapped": Case(fields(swapped), [("content", "public.{busiest}")], "rows with sums"),
    "a column rotated by one row": Case(fields(rotated), [("content", "public.{busiest}")], "rows with sums"),
    "one sign changed": Case(fields(changed), [("content", "public.{busiest}")], "rows with sums"),
    "rows deleted": Case(
        lambda backup: backup.edit_rows("endpoints", lambda lines: lines[:3] + lines[4:]), [("restore", "dump")], "violates foreign key"
    ),
    "rows deleted that nobody needs": Case(
        lambda backup: backup.edit_rows(backup.busiest, lambda lines: lines[:100] + lines[103:]),
        [("rows", "public.{busiest}")],
        " rows",
    ),
    "rows of one table only in the manifest": Case(
        lambda backup: backup.forge(
            tables=(*backup.manifest.tables, TableContent("public", "audit", 7, "public.audit", "SELECT 7", ("1", "2")))
        ),
        [("table_missing", "public.audit")],
    ),
    "rows of one table not in the manifest": Case(
        lambda backup: backup.forge(tables=tuple(table for table in backup.manifest.tables if table.name != "endpoints")),
        [("table_unexpected", "public.endpoints")],
    ),
    "rows that are none": Case(
        lambda backup: backup.edit_rows("endpoints", lambda lines: [*lines[:7], b"garbage\n", *lines[7:]]),
        [("restore", "{endpoints}")],
        "line 8: invalid input syntax",
    ),
    "a file cut at the end of a row": Case(
        lambda backup: backup.edit_rows(backup.busiest, lambda lines: lines[:1000]), [("end_marker", "{rows}")], "end without it"
    ),
    "a bit flipped in a compressed file": Case(
        lambda backup: rewritten_bytes(backup, flipped(2000)), [("file_unreadable", "{rows}")], "exit status 1"
    ),
    "bytes that are no text in its encoding": Case(
        lambda backup: backup.edit_rows("endpoints", lambda lines: [lines[0], lines[1].replace(b"/api", b"\xff\xfe"), *lines[2:]]),
        [("restore", "{endpoints}")],
        "line 2: invalid byte sequence",
    ),
    "globals without a role": Case(
        lambda backup: rewritten(
            backup, "globals.sql", lambda text: "".join(line for line in text.splitlines(True) if " api" not in line), reseal=True
        ),
        [("role_missing", "api")],
    ),
    "globals with a superuser more": Case(
        lambda backup: rewritten(
            backup,
            "globals.sql",
            lambda text: text.replace("ALTER ROLE api WITH NOSUPERUSER", "ALTER ROLE api WITH SUPERUSER"),
            reseal=True,
        ),
        [("role_changed", "api")],
        "SUPERUSER LOGIN",
    ),
    "globals that end early": Case(
        lambda backup: rewritten(backup, "globals.sql", lambda text: "GRANT api TO nobody_of_this_name;\n" + text, reseal=True),
        [("roles", "globals.sql")],
        "does not exist",
    ),
    "a dump that says one thing and does another": Case(
        otherwise_made, [("entry_changed", "COMMENT public.COLUMN requests.response_time")]
    ),
}


@pytest.mark.parametrize("name", DATA_FILES)
def test_a_data_file_is(name: str, backup: Backup, room: Path) -> None:
    damage, kind = DATA_FILES[name]
    path = backup.data_file("endpoints")
    damage(path)
    outcome = backup.verify(room, level="checksum")
    judged(outcome, [(kind, str(path.relative_to(backup.path)))])
    assert outcome.result["checked"]["files"] == len(backup.manifest.files)


@pytest.mark.parametrize("name", READ)
def test_reading_it_shows(name: str, backup: Backup, room: Path) -> None:
    READ[name].damage(backup)
    outcome = backup.verify(room, level="checksum")
    judged(outcome, READ[name].expected, READ[name].words)
    assert not (room / "scratch").exists()


@pytest.mark.parametrize("name", RESTORED)
def test_restoring_it_shows(name: str, backup: Backup, room: Path) -> None:
    case, busiest = RESTORED[name], backup.busiest
    known = {"rows": str(backup.data_file(busiest).relative_to(backup.path))}
    known["endpoints"] = str(backup.data_file("endpoints").relative_to(backup.path))
    case.damage(backup)
    outcome = backup.verify(room)
    judged(outcome, [(kind, subject.format(busiest=busiest, **known)) for kind, subject in case.expected], case.words)
    assert [path.name for path in (room / "scratch").iterdir()] == [".lock"]
