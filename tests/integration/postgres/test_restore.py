# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows are lost and come back, are taken back and brought back; what stands in the way is refused, and what is killed harms nobody."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.repository import Repository

from tests.integration.app import servers
from tests.integration.postgres import damage, gate, killed, support
from tests.integration.postgres.scene import ADD, Scene
from tests.integration.postgres.support import DATABASE
from tools.app import python

TRAFFIC = Path(__file__).with_name("traffic.py")


@pytest.fixture
def damaged(scene: Scene, room: Path) -> damage.Backup:
    """The backup in a directory of its own, with the verdict on it."""
    return damage.copy_of(scene.place, scene.repository, room)


def test_lost_rows_and_a_dropped_table_come_back(scene: Scene, room: Path) -> None:
    lost = scene.lose()
    arguments = room / "arguments"
    gate.wrapper(room, "pg_restore", before=f'echo "$@" >> {arguments}')
    result = scene.place.good(scene.run({"programs": room / "programs"})).result
    assert scene.seen() == scene.content
    assert scene.seen(result["kept_database"]) == lost
    assert scene.databases() == [DATABASE, result["kept_database"]]
    assert re.fullmatch(rf"{DATABASE}__before_\d{{8}}t\d{{6}}z", result["kept_database"])
    assert (result["changed"], result["backup"], result["database"], result["tries"]) == (True, scene.backup, DATABASE, 1)
    assert (result["rows"], result["differences"], result["leftovers_removed"]) == (support.ROWS + 21, [], [])
    assert [finding["id"] for finding in result["findings"]] == ["server_space_unknown"]
    assert list(result["seconds"])[-7:] == ["create", "load", "compare", "analyze", "properties", "swap", "check"]
    assert 0 < result["swap_seconds"] < 1
    assert result["diff"]["after"].splitlines()[1] == result["diff"]["before"].strip().replace(DATABASE, result["kept_database"], 1)
    assert "--role=owner" in arguments.read_text()
    assert servers.PLANTED not in arguments.read_text() + scene.place.postgresql.log.read_text() + scene.catalog()
    owners = "SELECT string_agg(DISTINCT relowner::regrole::text, ' ') FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    assert scene.sql(owners) == "owner"
    assert scene.sql("SELECT extowner::regrole FROM pg_extension WHERE extname = 'pg_trgm'") == "owner"
    assert scene.sql("SELECT count(*) > 0 FROM pg_stats WHERE schemaname = 'public'") == "t"
    done = Repository(scene.repository, DATABASE).records().of("restore")[-1]
    assert (done["backup"], done["duration_seconds"] >= result["seconds"]["load"] > 0) == (scene.backup, True)


def test_an_undo_goes_back_and_a_second_one_is_the_redo(scene: Scene) -> None:
    lost = scene.lose()
    scene.good()
    undone = scene.place.good(scene.undo()).result
    assert (scene.seen(), scene.seen(undone["kept_database"])) == (lost, scene.content)
    assert (undone["backup"], undone["rows"], undone["findings"]) == ("", support.ROWS - 997, [])
    assert scene.databases() == [DATABASE, undone["kept_database"]]
    assert undone["kept_database"].startswith(f"{DATABASE}__undone_")
    redone = scene.place.good(scene.undo()).result
    assert (scene.seen(), scene.seen(redone["kept_database"])) == (scene.content, lost)
    assert (redone["backup"], redone["rows"]) == (scene.backup, support.ROWS + 21)
    assert scene.databases() == [DATABASE, redone["kept_database"]]


def test_rows_written_since_are_not_undone_without_consent(scene: Scene) -> None:
    scene.good()
    for statement, told in {
        "DELETE FROM requests WHERE number = 5": "some were deleted",
        "UPDATE endpoints SET created_at = now() WHERE name = '/api/3'": "public.endpoints: 1 rows",
        ADD: "1 rows, public.requests_y",
    }.items():
        scene.sql(statement)
        before = scene.catalog()
        refused = scene.undo()
        assert refused.failed
        assert told in refused.message
        assert "lose_rows_written_since" in refused.message
        assert scene.catalog() == before
    written = scene.seen()
    undone = scene.place.good(scene.undo(lose_rows_written_since=True))
    assert undone.findings() == ["rows_put_aside"]
    assert (scene.seen(), scene.seen(undone.result["kept_database"])) == (scene.content, written)


def test_an_undo_without_a_word_on_what_was_replaced_needs_consent(scene: Scene) -> None:
    kept = scene.good()["kept_database"]
    scene.sql(f"COMMENT ON DATABASE {kept} IS 'mine'", "postgres")
    assert "Nobody knows whether rows were written" in scene.undo().message
    assert scene.place.good(scene.undo(lose_rows_written_since=True)).result["changed"]
    assert scene.seen() == scene.content


# PostgreSQL looks for the database before it waits, and once more afterwards: then another one has the name.
THROWN_OUT = (
    "57P01",
    "terminating connection due to administrator command",
    f'database "{DATABASE}" does not exist DETAIL: It seems to have just been dropped or renamed.',
)


def test_under_load_clients_wait_less_than_a_second_and_read_nothing_half(scene: Scene) -> None:
    scene.sql("DELETE FROM requests WHERE number < 1000")
    where = {"host": "127.0.0.1", "port": scene.place.postgresql.port, "user": "api", "dbname": DATABASE, "sslmode": "require"}
    argv = [str(python()), str(TRAFFIC), json.dumps(where)]
    environment = {**os.environ, "PGPASSWORD": servers.PASSWORD}
    with subprocess.Popen(argv, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as clients:
        assert clients.stdout is not None
        assert clients.stdout.readline() == "ready\n"
        restored = scene.good()
        output, _ = clients.communicate(timeout=30)
    said = json.loads(output)
    print(f"longest wait of {len(said['refused'])} clients {said['gap_seconds']:.3f} s, swap {restored['swap_seconds']:.3f} s")
    assert said["seen"] == [[20, 2001], [20, 3000]]
    assert said["gap_seconds"] < 1, said
    assert restored["sessions_ended"] >= 3
    # Each was thrown out or had waited for the swap, and nobody met a table that is not there yet.
    assert all(why.startswith(THROWN_OUT) for refused in said["refused"] for why in refused), said["refused"]
    assert all(refused for refused in said["refused"])
    counted = [scene.sql("SELECT count(*) FROM requests WHERE number >= 100000", name) for name in (DATABASE, restored["kept_database"])]
    assert sum(map(int, counted)) >= said["written"]
    assert all(map(int, counted))


def test_a_session_in_the_way_is_ended(scene: Scene) -> None:
    with scene.client("api") as session:
        assert scene.good()["sessions_ended"] == 1
        _, errors = session.communicate("SELECT 1;\n", timeout=10)
    assert "terminating connection due to administrator command" in errors
    assert scene.seen() == scene.content


def test_a_superuser_in_the_way_is_named_and_the_next_run_goes_on(scene: Scene) -> None:
    lost = scene.lose()
    with scene.client("admin") as session:
        refused = scene.run(swap_timeout_seconds=1)
        pid = scene.sql("SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction'", "postgres")
        assert "everything is as before" in refused.message
        assert f"process {pid} of admin (a superuser)" in refused.message
        assert scene.seen() == lost
        assert "superuser_connected" in scene.place.good(scene.run({"check": True})).findings()
        session.communicate("COMMIT;\n", timeout=10)
    (left,) = [name for name in scene.databases() if "__restore_" in name]
    went_on = scene.place.good(scene.run())
    assert went_on.findings() == ["restored_database_reused"]
    assert ("load" in went_on.result["seconds"], went_on.result["leftovers_removed"]) == (False, [])
    assert left not in scene.databases()
    assert scene.seen() == scene.content


def test_what_was_restored_and_written_to_is_not_used_again(scene: Scene) -> None:
    scene.lose()
    with scene.client("admin") as session:
        assert scene.run(swap_timeout_seconds=1).failed
        session.communicate("COMMIT;\n", timeout=10)
    (left,) = [name for name in scene.databases() if "__restore_" in name]
    scene.sql("UPDATE requests SET status = 500 WHERE number = 5", left)
    result = scene.good()
    assert (result["leftovers_removed"], "load" in result["seconds"]) == ([left], True)
    assert scene.seen() == scene.content


def test_a_lost_database_gets_its_name_back(scene: Scene) -> None:
    rights = "SELECT array_agg(a::text ORDER BY a::text) FROM pg_database, unnest(datacl) a WHERE datname = 'endpoint_stats'"
    before = scene.sql(rights)
    scene.sql(f"DROP DATABASE {DATABASE}", "postgres")
    restored = scene.place.good(scene.run())
    assert restored.result["kept_database"] == ""
    assert "database_was_gone" in restored.findings()
    assert scene.sql(rights) == before
    assert "api=c/owner" in before
    assert scene.seen() == scene.content
    assert scene.databases() == [DATABASE]
    with scene.client("api") as session:
        assert session.poll() is None


def test_what_belongs_to_the_database_itself_is_made_anew(scene: Scene) -> None:
    scene.sql(
        f"""
        COMMENT ON DATABASE {DATABASE} IS 'the team''s "own"; ü \\';
        ALTER DATABASE {DATABASE} CONNECTION LIMIT 40;
        GRANT TEMPORARY ON DATABASE {DATABASE} TO api WITH GRANT OPTION;
        ALTER DATABASE {DATABASE} SET statement_timeout = '7s';
        ALTER DATABASE {DATABASE} SET search_path = "$user", "odd name", public, '';
        ALTER DATABASE {DATABASE} SET my.secret = 'Planted-setting-5e1f';
        ALTER DATABASE {DATABASE} SET log_min_duration_statement = 1000;
        ALTER ROLE restore IN DATABASE {DATABASE} SET lock_timeout = '3s';
        ALTER ROLE api IN DATABASE {DATABASE} SET work_mem = '5MB'
        """,
        "postgres",
    )
    question = """
        SELECT shobj_description(oid, 'pg_database'), datconnlimit, datdba::regrole,
          (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) a)
        FROM pg_database WHERE datname = 'endpoint_stats';
        SELECT setrole::regrole, unnest(setconfig) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase
        WHERE datname = 'endpoint_stats' ORDER BY 1, 2
        """
    before = scene.sql(question, "postgres").splitlines()
    restored = scene.place.good(scene.run())
    lacking = [line for line in before if line not in scene.sql(question, "postgres").splitlines()]
    assert sorted(lacking) == ["-|log_min_duration_statement=1000", "-|my.secret=Planted-setting-5e1f", "api|work_mem=5MB"]
    told = {finding["subject"] for finding in restored.result["findings"] if finding["id"] == "setting_not_carried_over"}
    assert told == {"setting log_min_duration_statement", "setting my.secret", "setting work_mem of api"}
    assert restored.result["differences"] == []
    assert "Planted-setting-5e1f" not in restored.output
    assert scene.place.good(scene.undo()).result["changed"]
    assert scene.sql(question, "postgres").splitlines() == before


def test_a_database_that_others_fill_serves(scene: Scene) -> None:
    scene.sql(f"ALTER DATABASE {DATABASE} CONNECTION LIMIT 0", "postgres")
    assert scene.good()["tries"] == 1
    assert scene.seen() == scene.content


def test_check_mode_says_what_would_be_done_and_changes_nothing(scene: Scene) -> None:
    before, files = scene.catalog(), support.tree(scene.repository)
    foreseen = scene.place.good(scene.run({"check": True})).result
    assert (foreseen["changed"], foreseen["backup"], foreseen["rows"], foreseen["tries"]) == (True, scene.backup, support.ROWS + 21, 0)
    assert f"{foreseen['kept_database']}: database " in foreseen["diff"]["after"]
    assert f"{DATABASE}: made from backup {scene.backup}" in foreseen["diff"]["after"]
    assert (scene.catalog(), support.tree(scene.repository)) == (before, files)
    scene.good()
    before = scene.catalog()
    foreseen = scene.place.good(scene.undo(how={"check": True})).result
    assert (foreseen["changed"], foreseen["kept_database"][:24]) == (True, f"{DATABASE}__undone_2"[:24])
    assert scene.catalog() == before


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"password": "Planted-wrong-8d2b"}, "does not let us connect"),
        ({"port": 9}, "does not let us connect"),
        ({"user": "backup"}, "may neither make nor rename databases"),
        ({"backup": "20200101T000000Z"}, "There is no backup '20200101T000000Z'"),
        ({"directory": "/nonexistent"}, "There is no backup"),
        ({"database": "x" * 38}, "too long to restore beside it"),
        ({"server_free_bytes": 1000}, "The server has too little room"),
        ({"keep_before": 0}, "keep_before must be at least 1"),
        ({"state": "undone"}, "There is nothing to go back to"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_touched(scene: Scene, changes: dict[str, Any], told: str) -> None:
    before = scene.catalog()
    refused = scene.run(**changes)
    assert refused.failed
    assert told in refused.message
    assert "Planted-wrong-8d2b" not in refused.output
    assert scene.catalog() == before


def test_all_that_stands_in_the_way_on_the_server_is_told_at_once(scene: Scene) -> None:
    scene.sql("BEGIN; UPDATE endpoints SET created_at = now(); PREPARE TRANSACTION 'left-over'")
    scene.sql("CREATE SUBSCRIPTION mirrored CONNECTION 'host=127.0.0.1' PUBLICATION p WITH (connect = false, slot_name = NONE)")
    scene.sql("ALTER ROLE monitoring RENAME TO monitoring_gone; REVOKE pg_signal_backend FROM restore", "postgres")
    try:
        before, refused = scene.catalog(), scene.run()
        assert scene.catalog() == before
    finally:
        scene.sql("ALTER ROLE monitoring_gone RENAME TO monitoring; GRANT pg_signal_backend TO restore", "postgres")
        scene.sql("DROP SUBSCRIPTION mirrored")
        scene.sql("ROLLBACK PREPARED 'left-over'")
    assert "4 things stand in the way" in refused.message
    for told in ("prepared transaction, left-over", "subscription, mirrored", "Roles are missing on the server: monitoring", "may not end"):
        assert told in refused.message
    assert scene.good()["changed"]


def test_what_holds_on_to_a_database_is_refused(scene: Scene) -> None:
    """A consumer of its changes, and the scheduler of pg_cron, whose session only a superuser could end."""
    scene.sql("SELECT pg_create_logical_replication_slot('follower', 'test_decoding')")
    try:
        refused = scene.run()
        assert "The database endpoint_stats has a logical replication slot, follower" in refused.message
    finally:
        scene.sql("SELECT pg_drop_replication_slot('follower')")
    with scene.client("admin", application="pg_cron scheduler"):
        refused = scene.run()
    assert "The database endpoint_stats has a scheduler, pg_cron scheduler" in refused.message
    assert "cron.database_name" in refused.message


def test_a_table_that_could_not_be_read_for_an_undo_is_named_before_anything_is_touched(scene: Scene) -> None:
    scene.sql("CREATE TABLE notes AS SELECT 1 AS n; CREATE ROLE stranger")
    scene.sql("CREATE TABLE foreign_notes (); ALTER TABLE foreign_notes OWNER TO stranger")
    before = scene.catalog()
    refused = scene.run()
    assert "2 things stand in the way" in refused.message
    assert "The role restore may not read public.notes of endpoint_stats" in refused.message
    for told in (
        "belongs to admin",
        'ALTER TABLE "public"."notes" OWNER TO "owner";',
        "belongs to stranger",
        'GRANT "stranger" TO "restore";',
    ):
        assert told in refused.message
    assert scene.catalog() == before
    scene.sql("ALTER TABLE notes OWNER TO owner; ALTER TABLE foreign_notes OWNER TO owner; DROP ROLE stranger")
    kept = scene.good()["kept_database"]
    for database in (kept, DATABASE):
        scene.sql("CREATE TABLE late AS SELECT 1 AS n", database)
        before, refused = scene.catalog(), scene.undo()
        assert f"The role restore may not read public.late of {database}" in refused.message
        assert f"As a superuser, in {database}: ALTER TABLE" in refused.message
        assert scene.catalog() == before
        scene.sql("ALTER TABLE late OWNER TO owner", database)
    assert scene.place.good(scene.undo(lose_rows_written_since=True)).result["changed"]


def test_what_only_a_superuser_may_make_is_refused(scene: Scene, room: Path) -> None:
    scene.sql("CREATE EXTENSION pageinspect")
    backup = scene.place.good(scene.place.backup(room / "backups")).result["backup"]
    refused = scene.run(directory=str(room / "backups"), backup=backup, require_proven=False)
    assert "only a superuser may make: EXTENSION pageinspect" in refused.message
    assert scene.databases() == [DATABASE]


def test_a_backup_that_nobody_has_restored_is_refused(scene: Scene, room: Path) -> None:
    backup = scene.place.good(scene.place.backup(room / "backups")).result["backup"]
    for changes in ({}, {"backup": backup}):
        refused = scene.run(directory=str(room / "backups"), **changes)
        assert refused.failed
        assert "proven" in refused.message
        assert "endpoint_stats.ops.verify_backups" in refused.message
    scene.lose()
    assert scene.good(directory=str(room / "backups"), backup=backup, require_proven=False)["backup"] == backup
    assert scene.seen() == scene.content


def test_a_backup_that_was_changed_since_it_was_proven_is_refused(scene: Scene, damaged: damage.Backup) -> None:
    damaged.forge(warnings=("nothing of note",))
    refused = scene.run(directory=str(damaged.repository))
    assert "its manifest was changed since" in refused.message


def test_a_damaged_backup_is_refused_before_anything_is_touched(scene: Scene, damaged: damage.Backup) -> None:
    before = scene.catalog()
    damaged.replace("globals.sql", damage.flipped(100))
    refused = scene.run(directory=str(damaged.repository))
    assert f"The backup {scene.backup} is damaged; nothing was touched" in refused.message
    assert refused.result["failure"]["details"]["differences"][0]["kind"] == "file_content"
    assert scene.catalog() == before


def test_what_differs_from_the_manifest_is_not_swapped_in(scene: Scene, damaged: damage.Backup) -> None:
    before, lost = scene.databases(), scene.lose()
    first, *others = damaged.manifest.tables
    damaged.forge(tables=(replace(first, rows=first.rows + 1), *others))
    refused = scene.run(directory=str(damaged.repository), require_proven=False, backup=scene.backup)
    assert f"What was restored is not what the backup {scene.backup} holds" in refused.message
    assert "The new database was dropped; the live one is as before." in refused.message
    assert refused.result["failure"]["details"]["differences"][0]["subject"] == first.identity
    assert (scene.databases(), scene.seen()) == (before, lost)


def test_content_that_differs_from_the_manifest_is_not_swapped_in(scene: Scene, damaged: damage.Backup) -> None:
    before, lost = scene.databases(), scene.lose()
    damaged.forge(
        tables=tuple(replace(table, sums=("1", "2")) if table.name == "endpoints" else table for table in damaged.manifest.tables)
    )
    refused = scene.run(directory=str(damaged.repository), require_proven=False, backup=scene.backup)
    assert f"What was restored is not what the backup {scene.backup} holds" in refused.message
    differences = refused.result["failure"]["details"]["differences"]
    assert [(found["kind"], found["subject"]) for found in differences] == [("content", "public.endpoints")]
    assert (scene.databases(), scene.seen()) == (before, lost)


def test_queries_and_samples_of_others_are_never_run_on_the_server(scene: Scene, damaged: damage.Backup) -> None:
    scene.lose()
    harm = "SELECT setval('endpoints_id_seq', 7777) AS rows, 1 AS first, 2 AS second"
    said = damaged.manifest
    tables = [replace(table, query=harm, sums=("1", "2")) if table.name == "endpoints" else table for table in said.tables]
    answers = [replace(answer, query=harm) for answer in said.known_answers]
    damaged.forge(tables=tuple(tables), known_answers=tuple(answers))
    result = scene.good(directory=str(damaged.repository), require_proven=False, backup=scene.backup)
    found = [finding for finding in result["findings"] if finding["id"] == "content_not_compared"]
    assert [finding["evidence"] for finding in found] == ["public.endpoints"]
    assert (scene.seen(), scene.sql("SELECT last_value FROM endpoints_id_seq")) == (scene.content, "20")


def test_a_generated_column_that_is_computed_otherwise_now_is_told(scene: Scene, room: Path) -> None:
    scene.sql(
        """
        SET ROLE owner;
        CREATE FUNCTION made(n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT n * 2';
        CREATE TABLE changed (n integer, made integer GENERATED ALWAYS AS (made(n)) STORED);
        INSERT INTO changed VALUES (5);
        CREATE OR REPLACE FUNCTION made(n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT n * 3'
        """
    )
    backup = scene.place.good(scene.place.backup(room / "backups")).result["backup"]
    restored = scene.place.good(scene.run(directory=str(room / "backups"), backup=backup, require_proven=False))
    found = [finding["subject"] for finding in restored.result["findings"] if finding["id"] == "generated_columns_differ"]
    assert (found, scene.sql("SELECT made FROM changed")) == (["public.changed"], "15")


def test_a_restore_that_fails_leaves_nothing(scene: Scene, room: Path) -> None:
    lost = scene.lose()
    gate.wrapper(room, "pg_restore", before='[ "$1" = --exit-on-error ] && { echo "no room on the server" >&2; exit 1; }')
    refused = scene.run({"programs": room / "programs"})
    assert "no room on the server" in refused.message
    assert "the live one is as before" in refused.message
    assert (scene.databases(), scene.seen()) == ([DATABASE], lost)


def test_a_second_run_at_the_same_time_is_refused(scene: Scene, room: Path) -> None:
    with gate.of_function(room, "_postgres.restore_plan:examine", module="pg_restore") as stopped:
        first = scene.place.start("pg_restore", scene.options(), code=stopped.code)
        stopped.wait()
        for second in (scene.run(), scene.undo()):
            assert f"Another restore or undo of {DATABASE} is at work" in second.message
        stopped.open()
        assert scene.place.good(first.outcome()).result["changed"]
    assert scene.seen() == scene.content


def test_older_databases_that_were_put_aside_are_named_and_dropped_only_when_told(scene: Scene) -> None:
    first = scene.good()["kept_database"]
    second = scene.place.good(scene.run())
    assert [(finding["id"], finding["subject"]) for finding in second.result["findings"]][1:] == [("kept_database_surplus", first)]
    old, strange = f"{DATABASE}__before_20200102t000000z", f"{DATABASE}__before_20200101t000000z"
    scene.sql(f"ALTER DATABASE {first} RENAME TO {old}", "postgres")
    scene.sql(f"CREATE DATABASE {strange} OWNER owner", "postgres")
    changes: dict[str, Any] = {"drop_before_older_than_seconds": 86400, "server_free_bytes": 10**12}
    with scene.client("admin", old):
        third = scene.place.good(scene.run(**changes))
    surplus = {strange: "kept_database_surplus", second.result["kept_database"]: "kept_database_surplus"}
    told = {finding["subject"]: finding["id"] for finding in third.result["findings"]}
    assert told == {old: "kept_database_not_dropped", **surplus}
    redone = scene.place.good(scene.undo(drop_before_older_than_seconds=86400))
    told = {finding["subject"]: finding["id"] for finding in redone.result["findings"]}
    assert told == {old: "kept_database_dropped", **surplus}
    assert scene.databases() == [DATABASE, strange, second.result["kept_database"], redone.result["kept_database"]]


@pytest.mark.parametrize("phase", ["while rows are loaded", "after the swap"])
def test_killed_it_harms_nobody_and_the_next_run_goes_on(scene: Scene, room: Path, phase: str) -> None:
    killed.restore_killed(scene, room, phase)
    assert scene.place.started[-1].is_over()


def test_killed_while_newcomers_wait_it_leaves_the_database_open(scene: Scene) -> None:
    killed.restore_killed_in_the_swap(scene)
    assert scene.seen() == scene.content


def test_a_strangers_database_and_those_of_several_killed_runs(scene: Scene, room: Path) -> None:
    """Nobody can say whose the first one is, so it stays."""
    lost, stranger = scene.lose(), f"{DATABASE}__restore_20200101t000000z"
    scene.sql(f"CREATE DATABASE {stranger} OWNER owner", "postgres")
    for phase in ("when the new database was made", "before rows are compared"):
        stop, _left = killed.RESTORE[phase]
        killed.kill(scene.place, "pg_restore", scene.options(), stop, room, role="restore")
    assert scene.seen() == lost
    result = scene.good()
    assert stranger not in result["leftovers_removed"]
    assert (scene.seen(), killed.beside(scene)) == (scene.content, [result["kept_database"], stranger])
