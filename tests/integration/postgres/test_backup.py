# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup of the stack's database: what is in it, what it says, and which older ones it leaves."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import manifest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.backup_file import hash_file
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.repository import Repository

from tests.integration.app import servers
from tests.integration.postgres import by_hand, gate, support
from tests.integration.postgres.support import DATABASE, ROWS, Place

SCRATCH = "scratch"


@contextlib.contextmanager
def restored(place: Place, dump: Path) -> Iterator[None]:
    """The dump in a database beside the live one; its files are plain then."""
    subprocess.run(["zstd", "--decompress", "--quiet", "--rm", *dump.glob("*.zst")], check=True)
    place.postgresql.sql(f"CREATE DATABASE {SCRATCH} TEMPLATE template0", "postgres")
    try:
        where = [f"--host={place.directory / 'postgresql'}", f"--port={place.postgresql.port}", "--username=admin", f"--dbname={SCRATCH}"]
        argv = [str(servers.BINARIES / "pg_restore"), "--exit-on-error", *where, str(dump)]
        subprocess.run(argv, check=True, capture_output=True)
        yield
    finally:
        place.postgresql.sql(f"DROP DATABASE {SCRATCH} WITH (FORCE)", "postgres")


def counted(place: Place, made: manifest.Manifest, database: str) -> dict[str, int]:
    """The rows of each table of a manifest as they are in a database."""
    queries = {table.identity: f"SELECT count(*) FROM ONLY {table.identity}" for table in made.tables}  # noqa: S608 - names of ours
    return {identity: int(place.postgresql.sql(query, database)) for identity, query in queries.items()}


def test_a_backup_holds_what_the_database_holds(place: Place, made_backup: Path) -> None:
    (path,) = (path for path in made_backup.iterdir() if path.name.startswith("2"))
    made = manifest.load(path)
    assert sorted(file.path for file in made.files) == sorted(
        str(found.relative_to(path)) for found in path.rglob("*") if found.is_file() and found.name != "manifest.json"
    )
    for file in made.files:
        assert (hash_file(path / file.path), (path / file.path).stat().st_size) == (file.sha256, file.bytes)
    assert {found.stat().st_mode & 0o077 for found in (path, *path.rglob("*"))} == {0}
    assert counted(place, made, DATABASE) == {table.identity: table.rows for table in made.tables}
    assert made.rows == ROWS + 21
    assert {table.name for table in made.tables} >= {"requests_default", "endpoints", "alembic_version"}
    assert not {table.name for table in made.tables} & {"requests", "endpoint_daily_stats"}
    assert made.server.system_identifier == place.postgresql.sql("SELECT system_identifier FROM pg_control_system()")
    assert (made.database.owner, made.database.encoding, made.database.locale_provider) == ("owner", "UTF8", "libc")
    assert (made.server.major, int(made.server.version.split(".")[0]), made.dumped_by) == (servers.MAJOR,) * 3
    assert made.extensions.keys() == {"plpgsql"}
    assert set(made.roles) >= {"owner", "api", "backup", "monitoring", "maintenance", "restore"}
    assert {"TABLE public.requests", "MATERIALIZED VIEW public.endpoint_daily_stats"} <= {entry.identity for entry in made.entries}
    times = [datetime.fromisoformat(time) for time in (made.begun_at, made.snapshot_at, made.ended_at)]
    assert times == sorted(times)
    assert made.id == times[0].astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    assert [made.warnings, made.seconds.keys() >= {"dump", "content", "checksums"}] == [(), True]


def test_no_secret_is_in_it(place: Place, made_backup: Path) -> None:
    everything = b"".join(path.read_bytes() for path in made_backup.rglob("*") if path.is_file())
    for secret in (servers.PLANTED.encode(), b"SCRAM-SHA-256", b"md5"):
        assert secret not in everything
    (roles,) = made_backup.glob("2*/globals.sql")
    assert "GRANT pg_read_all_data TO backup" in roles.read_text()
    assert "PASSWORD" not in roles.read_text()


def test_counts_are_those_of_the_dump_while_rows_are_written(place: Place, room: Path) -> None:
    rows = "SELECT count(*) FROM requests"
    writing = place.postgresql.repeated("INSERT INTO requests (endpoint, response_time, status) VALUES ('/api/1', 1, 200)")
    with writing, gate.of_program(room, "pg_dump") as stopped:
        running = place.start("pg_backup", place.backup_options(room / "backups"), programs=stopped.programs)
        stopped.wait()
        at_the_gate = int(place.postgresql.sql(rows))
        servers.wait_until(lambda: int(place.postgresql.sql(rows)) > at_the_gate, "new row")
        stopped.open()
        outcome = place.good(running.outcome())
    made = manifest.load(Path(outcome.result["backup_path"]))
    with restored(place, Path(outcome.result["backup_path"]) / "dump"):
        assert counted(place, made, SCRATCH) == {table.identity: table.rows for table in made.tables}
    assert made.rows < int(place.postgresql.sql(rows))
    place.postgresql.sql("DELETE FROM requests WHERE number IS NULL")


def test_no_table_can_be_emptied_between_the_snapshot_and_the_dump(place: Place, room: Path) -> None:
    with gate.of_program(room, "pg_dump") as stopped:
        running = place.start("pg_backup", place.backup_options(room / "backups"), programs=stopped.programs)
        stopped.wait()
        for table in ("endpoints", "requests_default", "requests", "alembic_version"):
            with pytest.raises(AssertionError, match="lock timeout"):
                place.postgresql.sql(f"SET lock_timeout = '50ms'; TRUNCATE {table} CASCADE")
        stopped.open()
        outcome = place.good(running.outcome())
    assert outcome.result["rows"] == ROWS + 21


def test_tables_that_come_and_go_while_they_are_locked_are_looked_at_again(place: Place, room: Path) -> None:
    place.postgresql.sql("CREATE TABLE zzz_goes AS SELECT 1")
    with place.postgresql.locked("alembic_version"):
        running = place.start("pg_backup", place.backup_options(room / "backups"))
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'alembic_version'::regclass"
        servers.wait_until(lambda: place.postgresql.sql(waiting) == "1", "waiting backup")
        place.postgresql.sql("DROP TABLE zzz_goes; CREATE TABLE zzz_comes AS SELECT generate_series(1, 5)")
    made = manifest.load(Path(place.good(running.outcome()).result["backup_path"]))
    assert {table.name: table.rows for table in made.tables if table.name.startswith("zzz")} == {"zzz_comes": 5}
    place.postgresql.sql("DROP TABLE zzz_comes")


def test_roles_that_change_meanwhile_are_read_again(place: Place, room: Path) -> None:
    psql = f"{servers.BINARIES}/psql --host={place.directory}/postgresql --port={place.postgresql.port} --username=admin postgres"
    second = f"echo >> {room}/calls; [ $(wc -l < {room}/calls) = 2 ] && {psql} --command='CREATE ROLE newcomer' > {room}/psql"
    programs = gate.wrapper(room, "pg_dumpall", before=second).parent
    outcome = place.good(place.backup(room / "backups", programs=programs))
    place.postgresql.sql("DROP ROLE newcomer")
    assert len((room / "calls").read_text().splitlines()) == 4
    assert "CREATE ROLE newcomer;" in (Path(outcome.result["backup_path"]) / "globals.sql").read_text()


def test_odd_names_and_kinds_are_counted_as_they_are(place: Place, room: Path) -> None:
    place.postgresql.sql(
        """CREATE SCHEMA "Odd ""schema"; SET search_path TO "Odd ""schema";
        CREATE TABLE "a'b; \n żółć" AS SELECT generate_series(1, 4); CREATE TABLE parent (n int); CREATE TABLE child () INHERITS (parent);
        INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1), (2); CREATE UNLOGGED TABLE fleeting AS SELECT 1;
        CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES; CREATE MATERIALIZED VIEW seen AS SELECT * FROM parent;
        CREATE EXTENSION hstore; CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw;
        CREATE FOREIGN TABLE elsewhere (n int) SERVER far; CREATE TEMPORARY TABLE passing AS SELECT 1"""
    )
    outcome = place.good(place.backup(room / "backups"))
    made = manifest.load(Path(outcome.result["backup_path"]))
    rows = {table.name: table.rows for table in made.tables if table.schema == 'Odd "schema'}
    assert rows == {"a'b; \n żółć": 4, "parent": 1, "child": 2, "fleeting": 1, "nothing": 1}
    assert made.extensions.keys() == {"plpgsql", "hstore", "postgres_fdw"}
    place.create_database()


def test_what_the_dump_lacks_is_a_finding(place: Place, room: Path) -> None:
    place.postgresql.sql("CREATE SUBSCRIPTION s CONNECTION 'dbname=x' PUBLICATION p WITH (connect = false, slot_name = NONE)")
    place.postgresql.sql("CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw")
    place.postgresql.sql(f"CREATE USER MAPPING FOR api SERVER far OPTIONS (user 'x', password '{servers.PLANTED}')")
    outcome = place.good(place.backup(room / "backups"))
    place.postgresql.sql("DROP EXTENSION postgres_fdw CASCADE; DROP SUBSCRIPTION s")
    lacking = ["subscription s", "options of the user mapping for api on the server far"]
    assert outcome.findings() == ["backup_incomplete"] * 3
    assert [finding["evidence"] for finding in outcome.result["findings"][1:]] == lacking
    assert list(manifest.load(Path(outcome.result["backup_path"])).not_dumped) == lacking
    (warning,) = outcome.result["dump_warnings"]
    assert "subscription" in warning
    assert servers.PLANTED not in outcome.output


def test_the_newest_stay_with_the_proven_one_and_those_that_are_read(place: Place, backups: Path) -> None:
    repository = Repository(backups, DATABASE)
    (newest,) = repository.backups()
    names = [f"2026110{day}T000000Z" for day in (1, 2, 3)] + [newest]
    for name in names[:3]:
        shutil.copytree(backups / newest, backups / name)
    repository.record(names[0], {"level": "data", "verdict": "passed", "manifest_sha256": manifest.load(backups / newest).sha256})
    for path in (backups, *backups.rglob("*")):
        support.own(path)
    expected = place.good(place.backup(backups, retention={"last": 2}, check=True)).result
    reader = os.open(backups / names[1], os.O_RDONLY)
    fcntl.flock(reader, fcntl.LOCK_SH)
    result = place.good(place.backup(backups, retention={"last": 2})).result
    os.close(reader)
    assert expected["deleted"] == names[1:3]
    assert (result["deleted"], result["not_deleted"]) == ([names[2]], [{"backup": names[1], "why": "somebody reads it"}])
    assert result["kept"] == [names[0], names[1], newest, result["backup"]] == repository.backups()
    assert [line.split("  ")[0] for line in result["diff"]["before"].splitlines()] == names
    assert [line.split("  ")[0] for line in result["diff"]["after"].splitlines()] == result["kept"]
    assert f"{names[2]}  goes: not one of the last 2\n" in expected["diff"]["before"]
    assert {fate["backup"]: fate["why"] for fate in result["retention"]} == {
        names[0]: "the newest that a restore has proven",
        names[1]: "not one of the last 2",
        names[2]: "not one of the last 2",
        newest: "one of the last 2",
        result["backup"]: "one of the last 2; the newest",
    }
    again = place.good(place.backup(backups, retention={"last": 2})).result
    assert (again["deleted"], again["kept"]) == ([names[1], newest], [names[0], result["backup"], again["backup"]])
    deletions = repository.records().of("deletion")
    assert [entry["backup"] for entry in deletions] == [names[2], names[1], newest]
    assert {(entry["why"], entry["retention"]["last"], entry["retention"]["daily"]) for entry in deletions} == {
        ("not one of the last 2", 2, 0)
    }
    assert again["records"] == {**asdict(repository.records().head), "intact": True}


def test_a_pinned_one_stays_until_it_is_unpinned(place: Place, backups: Path, room: Path) -> None:
    (name,) = Repository(backups, DATABASE).backups()
    options = {"directory": str(backups), "database": DATABASE, "backup": name}
    before = support.tree(room)
    foreseen = place.good(place.run("pg_backup_pin", {**options, "reason": "for the auditor"}, check=True))
    assert (foreseen.result["changed"], support.tree(room)) == (True, before)
    first, second = (place.good(place.run("pg_backup_pin", {**options, "reason": "for the  auditor\n"})).result for _ in range(2))
    pinned = [{"backup": name, "reason": "for the auditor"}]
    assert (first["changed"], second["changed"], first["pinned"], second["pinned"]) == (True, False, pinned, pinned)
    assert (foreseen.result["diff"], first["diff"]["after"]) == (first["diff"], f"{name}  for the auditor\n")
    kept = place.good(place.backup(backups, retention={"last": 1})).result
    assert (kept["pinned"], kept["deleted"], kept["retention"][0]["why"]) == (pinned, [], "pinned: for the auditor")
    assert place.good(place.run("pg_backup_pin", {**options, "state": "unpinned"})).result["pinned"] == []
    gone = place.good(place.backup(backups, retention={"last": 1})).result
    assert (gone["pinned"], gone["deleted"]) == ([], [name, kept["backup"]])
    for changes, words in (
        ({"reason": ""}, "A pin needs a reason"),
        ({"reason": "x"}, "There is no backup"),
        ({"backup": "..", "reason": "x"}, "There is no backup"),
    ):
        refused = place.run("pg_backup_pin", {**options, **changes})
        assert refused.failed
        assert words in refused.message


def test_check_mode_tells_and_leaves_no_trace(place: Place, backups: Path, room: Path) -> None:
    (name,) = Repository(backups, DATABASE).backups()
    (backups / ".incomplete-20261125T000000Z" / "dump").mkdir(parents=True)
    before = support.tree(room)
    result = place.good(
        place.backup(backups, retention={"last": 1}, interval_seconds=1800, metrics_path=str(room / "m"), check=True)
    ).result
    absent = place.good(place.backup(room / "absent", check=True)).result
    assert support.tree(room) == before
    made = manifest.load(backups / name)
    assert (result["changed"], result["deleted"], result["kept"]) == (True, [name], [result["backup"]])
    assert (result["bytes"], result["rows"], result["tables"]) == (made.bytes, made.rows, len(made.tables))
    assert result["duration_seconds"] == pytest.approx(sum(made.seconds.values()), abs=0.01)
    assert result["worst_loss_seconds"] == pytest.approx(1800 + result["duration_seconds"])
    assert result["leftovers_removed"] == [".incomplete-20261125T000000Z"]
    assert (absent["deleted"], absent["duration_seconds"], absent["worst_loss_seconds"]) == ([], None, None)
    assert absent["bytes"] > 8_000_000


def test_the_result_has_the_same_keys_in_both_modes(place: Place, room: Path) -> None:
    real, checked = (set(place.backup(room / "backups", check=check).result) for check in (False, True))
    assert real == checked
    documented = {"changed", "backup", "backup_path", "bytes", "rows", "tables", "seconds", "duration_seconds", "worst_loss_seconds"}
    documented |= {
        "left_out",
        "deleted",
        "kept",
        "not_deleted",
        "retention",
        "pinned",
        "leftovers_removed",
        "dump_warnings",
        "findings",
        "manifest_sha256",
        "records",
        "diff",
    }
    assert real - {"invocation"} == documented


def test_what_is_odd_beside_the_one_before_is_found(place: Place, backups: Path, room: Path) -> None:
    (name,) = Repository(backups, DATABASE).backups()
    document = json.loads((backups / name / "manifest.json").read_text())
    document.pop("sha256")
    document["server"]["system_identifier"] = "1"
    document["tables"][0]["rows"] += 10 * ROWS
    document["sha256"] = manifest._digest(document)
    (backups / name / "manifest.json").write_text(json.dumps(document))
    path = room / "backup.prom"
    outcome = place.good(place.backup(backups, interval_seconds=3600, metrics_path=str(path)))
    assert outcome.findings() == ["backup_other_server", "backup_shrank", "backup_rpo_missed"]
    assert [pin["backup"] for pin in outcome.result["pinned"]] == [name]
    gauges = dict(line.rsplit(" ", 1) for line in path.read_text().splitlines() if not line.startswith("#"))
    labels = f'{{database="{DATABASE}"}}'
    assert float(gauges[f"endpoint_stats_backup_rows{labels}"]) == ROWS + 21
    assert float(gauges[f"endpoint_stats_backup_size_bytes{labels}"]) == outcome.result["bytes"]
    assert float(gauges[f"endpoint_stats_backup_kept{labels}"]) == 2
    made = manifest.load(Path(outcome.result["backup_path"]))
    assert float(gauges[f"endpoint_stats_backup_timestamp_seconds{labels}"]) == datetime.fromisoformat(made.snapshot_at).timestamp()
    assert {"dump", "publish"} <= {match[1] for line in gauges if (match := re.search(r'_duration_seconds.*phase="(\w+)"', line))}


def test_what_resists_beside_it_does_not_stop_a_backup(place: Place, backups: Path, room: Path) -> None:
    leftover = backups / ".incomplete-20261125T000000Z"
    (leftover / "foreign").mkdir(parents=True)
    (leftover / "foreign" / "file").touch()
    (room / "metrics").mkdir()
    outcome = place.good(place.backup(backups, metrics_path=str(room / "metrics" / "backup.prom")))
    assert outcome.findings() == ["backup_leftover_stays", "backup_metrics_not_written"]
    assert (outcome.result["leftovers_removed"], leftover.exists(), len(outcome.result["kept"])) == ([], True, 2)


def test_the_guide_brings_it_back_on_an_empty_server(backups: Path, room: Path, empty_server: servers.PostgreSQL) -> None:
    (backup,) = (path for path in backups.iterdir() if path.name.startswith("2"))
    typist = by_hand.hand(backup, empty_server)
    assert typist.type("Check the files") == ""
    typist.type("Decompress the dump", f"export DUMP={room}/plain")
    typist.type("On a server that has neither the roles nor the database", f"export DUMP={room}/plain")
    assert typist.type("Check the files") == ""
    compare = "Compare the content, and let the planner know it"
    assert typist.type(compare, f"export DATABASE={DATABASE}") == ""
    assert empty_server.sql("SELECT count(*) FROM requests") == str(ROWS)
    assert empty_server.sql("SELECT count(*) > 0 FROM endpoint_daily_stats") == "t"
    assert "backup=c/owner" in empty_server.sql("SELECT datacl FROM pg_database WHERE datname = 'endpoint_stats'")
    empty_server.sql("UPDATE requests SET number = -7 WHERE number = 7")
    assert re.search(rf"public.requests_.*{ROWS}.*{ROWS}", typist.type(compare, f"export DATABASE={DATABASE}"))
    empty_server.sql("DELETE FROM requests WHERE number = -7")
    assert re.search(rf"public.requests_.*{ROWS - 1}.*{ROWS}", typist.type(compare, f"export DATABASE={DATABASE}"))


def test_the_guide_brings_it_back_beside_the_live_one(place: Place, backups: Path, room: Path) -> None:
    (backup,) = (path for path in backups.iterdir() if path.name.startswith("2"))
    typist = by_hand.hand(backup, place.postgresql)
    typist.type("Decompress the dump", f"export DUMP={room}/plain")
    typist.type("On a server that has the database: beside it", f"export DUMP={room}/plain")
    assert typist.type("Compare the content, and let the planner know it", "export DATABASE=endpoint_stats__by_hand") == ""
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'endpoint_stats__by_hand'"
    assert place.postgresql.sql(owner) == "owner"
    place.postgresql.sql("DROP DATABASE endpoint_stats__by_hand", "postgres")
    (backup / "globals.sql").write_text("changed")
    assert typist.type("Check the files") == "damaged: globals.sql"
