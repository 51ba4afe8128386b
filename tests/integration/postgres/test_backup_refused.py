# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backup refuses before it writes anything, and what it says when it cannot be finished."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import ready
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.opening import MARKER, opened
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.repository import Repository

from tests.integration.app import servers
from tests.integration.postgres import gate, support
from tests.integration.postgres.support import DATABASE, Place

# Locks on relations that take a slot of the server, of whoever makes the backup.
HELD = """
INSERT INTO held.seen
SELECT count(DISTINCT l.relation), count(*), count(*) FILTER (WHERE c.relkind = 'i' AND c.relnamespace = 'many'::regnamespace)
FROM pg_locks l JOIN pg_stat_activity a USING (pid) LEFT JOIN pg_class c ON c.oid = l.relation
WHERE l.locktype = 'relation' AND NOT l.fastpath AND a.usename = 'backup'
""".replace("\n", " ")
COUNTED = """
SELECT count(*) FILTER (WHERE relkind IN ('r', 'p')), count(*) FILTER (WHERE relkind = 'S'),
       count(*) FILTER (WHERE relkind IN ('v', 'm', 'f'))
FROM pg_class WHERE relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'pg_toast'::regnamespace)
"""
OPEN_TO_ALL = "GRANT SELECT ON LARGE OBJECT 4711 TO PUBLIC"


def refused(place: Place, directory: Path, *, within: Path | None = None, **changes: Any) -> str:
    """The words of a refusal that has changed nothing, checked or not."""
    watched = within or directory.parent
    before = support.tree(watched)
    outcomes = [place.backup(directory, check=check, **changes) for check in (True, False)]
    assert support.tree(watched) == before
    assert [outcome.failed for outcome in outcomes] == [True, True]
    assert outcomes[0].message == outcomes[1].message
    assert outcomes[0].result["failure"]["summary"]
    return outcomes[0].message


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"retention": {}}, "retention keeps nothing"),
        ({"retention": {"last": -1}}, "retention.last must be at least 0, not -1"),
        ({"port": 9}, "does not let us connect.*127.0.0.1:9/.*refused"),
        ({"database": "absent"}, "does not let us connect.*absent.*does not exist.*Check the credentials"),
        ({"credentials_dir": "/nonexistent"}, "credentials could not be read.*/nonexistent"),
        ({"metrics_path": "/nonexistent/backup.prom"}, "directory of the metrics file is missing"),
    ],
)
def test_what_cannot_work_is_refused(place: Place, room: Path, changes: dict[str, Any], why: str) -> None:
    assert_matches(why, refused(place, room / "backups", **changes))


def assert_matches(pattern: str, text: str) -> None:
    with pytest.raises(RuntimeError, match=f"(?s){pattern}"):
        raise RuntimeError(text)


def test_a_wrong_password_is_refused(place: Place, room: Path) -> None:
    directory = support.credentials(room / "credentials", "backup", "wrong-Planted-1")
    message = refused(place, room / "backups", credentials_dir=str(directory))
    assert_matches(r"password authentication failed.*Check the credentials", message)
    assert "wrong-Planted-1" not in message


def test_a_directory_that_is_not_ours_is_refused(place: Place, room: Path) -> None:
    (room / "foreign").mkdir()
    (room / "foreign" / "letters.txt").write_text("dear")
    assert_matches("holds what is no backup of ours.*letters.txt", refused(place, room / "foreign"))
    opened(str(room / "other"), "other", create=True)
    for path in (room / "other", room / "other" / MARKER):
        support.own(path)
    assert_matches(f"backups of 'other', not of '{DATABASE}'", refused(place, room / "other"))
    (room / "readonly").mkdir(mode=0o755)
    assert_matches("not writable.*readonly", refused(place, room / "readonly"))
    assert_matches("no parent", refused(place, room / "no" / "where", within=room))


@pytest.fixture
def hidden(place: Place) -> Iterator[None]:
    """Things of the database that the role may not read."""
    place.postgresql.sql(
        "CREATE SCHEMA hidden; CREATE TABLE hidden.policed (n int); ALTER TABLE hidden.policed ENABLE ROW LEVEL SECURITY;"
        "SELECT lo_create(4711); SELECT lo_create(4712); GRANT SELECT ON LARGE OBJECT 4712 TO PUBLIC"
    )
    yield
    place.postgresql.sql("DROP SCHEMA hidden CASCADE; SELECT lo_unlink(4711), lo_unlink(4712); GRANT pg_read_all_data TO backup")


@pytest.mark.usefixtures("hidden")
def test_what_the_role_may_not_read_is_named(place: Place, room: Path) -> None:
    assert_matches(
        r"may not read 2 objects.*table hidden\.policed, which has row level security, large object 4711\. ", refused(place, room / "b")
    )
    for part in ({"exclude_schemas": ["hidden"]}, {"exclude_table_data": ["hidden.policed"]}):
        assert_matches(r"may not read 1 objects.*Cause: large object 4711\. ", refused(place, room / "b", selection=part))
    place.postgresql.sql(f"ALTER TABLE hidden.policed DISABLE ROW LEVEL SECURITY; {OPEN_TO_ALL}")
    place.good(place.backup(room / "b", check=True))
    place.postgresql.sql("REVOKE pg_read_all_data FROM backup")
    assert_matches(r"may not read 11 objects.*table hidden\.policed.*and 1 more.*pg_read_all_data", refused(place, room / "b"))


def test_a_function_of_somebody_is_not_taken_for_the_system_s(place: Place, room: Path) -> None:
    place.postgresql.sql(
        "GRANT USAGE ON SCHEMA public TO backup;"
        "CREATE FUNCTION public.has_table_privilege(int8, text) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RAISE ''taken''; END'"
    )
    outcome = place.good(place.backup(room / "backups"))
    place.create_database()
    assert outcome.findings() == []


def test_too_few_lock_slots_are_refused(place: Place, room: Path) -> None:
    # So many at once would be too many for whoever makes and drops them as well.
    each = "DO $$ BEGIN FOR n IN 1..4400 LOOP EXECUTE format('{} TABLE many.t%s {}', n); COMMIT; END LOOP; END $$"
    place.postgresql.sql("CREATE SCHEMA many")
    place.postgresql.sql(each.format("CREATE", "()"))
    try:
        message = refused(place, room / "backups")
        assert_matches(r"too few lock slots: 67\d\d are needed, there are 6[45]\d\d.*max_locks_per_transaction by the factor 2", message)
        place.good(place.backup(room / "backups", jobs=1, check=True))
        place.good(place.backup(room / "backups", selection={"exclude_schemas": ["many"]}, check=True))
    finally:
        place.postgresql.sql(each.format("DROP", ""))
        place.postgresql.sql("DROP SCHEMA many")


def test_no_more_locks_are_held_than_were_counted(place: Place, room: Path) -> None:
    tables = 300
    make = f"FOR n IN 1..{tables} LOOP EXECUTE format('CREATE TABLE many.t%s (id serial PRIMARY KEY)', n); END LOOP"
    place.postgresql.sql(f"CREATE SCHEMA many; DO $$ BEGIN {make}; END $$")
    place.postgresql.sql("CREATE SCHEMA held; CREATE TABLE held.seen (objects integer, held integer, indexes integer)")
    try:
        with place.postgresql.repeated(HELD):
            place.good(place.backup(room / "backups"))
        objects, held, indexes = map(int, place.postgresql.sql("SELECT max(objects), max(held), max(indexes) FROM held.seen").split("|"))
        made, sequences, views = map(int, place.postgresql.sql(COUNTED).split("|"))
        counted = ready._slots(made, sequences, views, jobs=2)
        assert 2 * tables < objects <= counted
        assert 4 * tables < held <= 2 * counted
        assert indexes < 10
    finally:
        place.postgresql.sql("SET client_min_messages = 'error'; DROP SCHEMA held CASCADE; DROP SCHEMA many CASCADE")


def test_a_table_that_is_locked_is_named_with_who_has_it(place: Place, room: Path) -> None:
    with place.postgresql.locked("endpoints"):
        outcome = place.backup(room / "backups", table_lock_timeout_seconds=1)
    assert_matches(r"could not be locked.*public\.endpoints is locked.*process \d+, role admin, application 'psql'", outcome.message)
    assert only_marker(room / "backups")


def only_marker(directory: Path) -> bool:
    return {path.name for path in directory.iterdir()} == {MARKER, ".lock"}


def test_who_queues_for_a_table_ends_the_dump_and_is_named(place: Place, room: Path) -> None:
    options = place.backup_options(room / "backups", table_lock_timeout_seconds=1)
    with gate.of_program(room, "pg_dump") as stopped:
        running = place.start("pg_backup", options, programs=stopped.programs)
        stopped.wait()
        with truncating(place, "alembic_version"):
            stopped.open()
            outcome = running.outcome()
    assert_matches(r"somebody wants a table.*public\.alembic_version is locked or about to be.*role admin", outcome.message)
    assert only_marker(room / "backups")
    place.create_database()


@contextlib.contextmanager
def truncating(place: Place, table: str) -> Iterator[None]:
    """A session that waits to empty a table."""
    argv = [*place.postgresql.psql(DATABASE), f"--command=TRUNCATE {table}"]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as session:
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
        servers.wait_until(lambda: place.postgresql.sql(waiting) == "1", "waiting TRUNCATE")
        yield
        assert session.wait(30) == 0


def test_locks_that_are_lost_make_the_dump_worthless(place: Place, room: Path) -> None:
    with gate.of_program(room, "pg_dump", after=True) as stopped:
        running = place.start("pg_backup", place.backup_options(room / "backups"), programs=stopped.programs)
        stopped.wait()
        place.postgresql.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'endpoint-stats-ops'")
        stopped.open()
        outcome = running.outcome()
    assert_matches("refused a query.*terminating connection", outcome.message)
    assert only_marker(room / "backups")


def test_a_dump_that_takes_too_long_is_ended(place: Place, room: Path) -> None:
    with gate.of_program(room, "pg_dump") as stopped:
        outcome = place.backup(room / "backups", programs=stopped.programs, dump_timeout_seconds=2)
        stopped.wait()
    assert_matches("did not end within 2 seconds", outcome.message)
    assert only_marker(room / "backups")


@pytest.mark.parametrize("program", ["pg_dumpall", "pg_dump", "pg_restore"])
def test_a_failed_run_publishes_and_deletes_nothing(place: Place, backups: Path, room: Path, program: str) -> None:
    programs = gate.wrapper(room, program, before="echo 'it is broken' >&2; exit 3").parent
    before = Repository(backups, DATABASE).backups()
    support.own(backups / ".lock")
    outcome = place.backup(backups, programs=programs, retention={"last": 1})
    assert_matches(f"{program}.*exit status 3: it is broken", outcome.message)
    assert Repository(backups, DATABASE).backups() == before
    assert Repository(backups, DATABASE).leftovers() == []


def test_older_programs_on_path_are_passed_over(place: Place, room: Path) -> None:
    for program in ("pg_dump", "pg_dumpall", "pg_restore"):
        path = gate.wrapper(room, program)
        path.write_text(f"#!/bin/sh\necho '{program} (PostgreSQL) 14.9'\n")
    outcome = place.good(place.backup(room / "backups", programs=room / "programs"))
    document = json.loads((Path(outcome.result["backup_path"]) / "manifest.json").read_text())
    assert document["pg_dump_version"].startswith("15.")


@contextlib.contextmanager
def volume(room: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own."""
    path = room / "volume"
    path.mkdir()
    options = f"size={megabytes}m,mode=0777"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "endpoint-stats-test", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


def test_too_little_room_is_refused_with_numbers(place: Place, room: Path) -> None:
    with volume(room, 40) as path:
        message = refused(place, path / "backups")
        assert list(path.iterdir()) == []
    assert_matches(r"too little room.*: [78]\d{7} bytes are needed, 4\d{7} are available", message)


def test_a_disk_that_fills_up_ends_the_run_and_loses_nothing(place: Place, room: Path) -> None:
    with volume(room, 90) as path:
        first = place.good(place.backup(path / "backups", retention={"last": 1})).result["backup"]
        with gate.of_program(room, "pg_dump") as stopped:
            running = place.start("pg_backup", place.backup_options(path / "backups", retention={"last": 1}), programs=stopped.programs)
            stopped.wait()
            ballast = path / "ballast"
            status = os.statvfs(path)
            with ballast.open("wb") as stream:
                os.posix_fallocate(stream.fileno(), 0, (status.f_bavail - 8) * status.f_bsize)
            stopped.open()
            outcome = running.outcome()
        assert_matches("dump failed.*No space left on device.*more room", outcome.message)
        repository = Repository(path / "backups", DATABASE)
        assert (repository.backups(), repository.leftovers()) == ([first], [])
        ballast.unlink()
        assert place.good(place.backup(path / "backups", retention={"last": 1})).result["deleted"] == [first]
