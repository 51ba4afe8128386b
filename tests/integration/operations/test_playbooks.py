# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks of backups and restores against a real server, where there is no Kubernetes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.integration.app import servers
from tests.integration.offsite.s3 import S3
from tests.integration.operations.support import SUBJECT, Run, Site
from tests.integration.postgres import support

PLANTED = "Planted-Xq3vB8mKt5Rw"
CONSENT = f"confirm={SUBJECT}"


@pytest.fixture(scope="module")
def api(place: support.Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Api]:
    served = servers.Api(Path(tmp_path_factory.mktemp("api")), place.stack.environment)
    served.start()
    try:
        yield served
    finally:
        served.end()


@pytest.fixture
def database(place: support.Place) -> Iterator[servers.PostgreSQL]:
    """The database may be lost; the next test has it again, and none beside it."""
    place.create_database()
    yield place.postgresql
    for name in databases(place.postgresql) - {support.DATABASE}:
        place.postgresql.sql(f"DROP DATABASE {name} WITH (FORCE)", "postgres")
    place.create_database()


@pytest.fixture
def audit(place: support.Place) -> Iterator[Callable[[str], str]]:
    """A further database of the server, by what it answers."""
    server = place.postgresql
    server.sql("CREATE DATABASE audit OWNER owner", "postgres")
    server.sql("SET ROLE owner; CREATE TABLE events AS SELECT generate_series(1, 9) AS n; CREATE TABLE log AS TABLE events", "audit")
    yield lambda statement: server.sql(statement, "audit")
    for name in server.sql("SELECT datname FROM pg_database WHERE datname LIKE 'audit%'", "postgres").split():
        server.sql(f"DROP DATABASE {name} WITH (FORCE)", "postgres")


def databases(postgresql: servers.PostgreSQL) -> set[str]:
    return set(postgresql.sql("SELECT datname FROM pg_database WHERE datname LIKE 'endpoint_stats%'", "postgres").split())


def rows(postgresql: servers.PostgreSQL, table: str = "requests") -> int:
    return int(postgresql.sql(f"SELECT count(*) FROM {table}"))  # noqa: S608 - of this test


def everything_written(directory: Path) -> str:
    """Reports, metrics and records."""
    files = [path for path in directory.rglob("*") if path.is_file() and path.suffix in (".json", ".html", ".prom", ".jsonl")]
    return "\n".join(path.read_text(errors="replace") for path in files)


def niceness_of_servers(directory: Path) -> set[int]:
    """Of each PostgreSQL whose data lies below a directory."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if words[0].endswith("/postgres") and any(word.startswith(str(directory)) for word in words):
                found.add(os.getpriority(os.PRIO_PROCESS, int(process.name)))
    return found


def test_a_backup_is_made_verified_and_reported(site: Site) -> None:
    told = site.play("backup").expect().told["backup"]
    assert (told["verdict"], told["rows"], told["worst_loss_seconds"] > 1800) == ("succeeded", support.ROWS + 21, True)
    refused = site.play("verify_backups", variables={"backups_verify_scratch_max_bytes": 1000})
    assert refused.told["backup_verification"]["verdict"] == "could_not_verify"
    assert "scratch_max_bytes allows 1,000" in refused.said
    scratch = {"backups_verify_scratch_dir": str(site.directory / "scratch"), "backups_verify_scratch_niceness": 17}
    command, options = site.command("verify_backups", variables=scratch)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options) as running:
        servers.wait_until(lambda: niceness_of_servers(site.directory / "scratch") == {17}, "server that is thrown away there", seconds=60)
        output = running.communicate()[0]
    run = Run(running.returncode, output).expect()
    document, page = run.report("backup_verification")
    assert (document["verdict"], run.told["backup_verification"]["backup"]) == ("succeeded", told["backup"])
    assert {phase["name"] for phase in document["steps"][0]["phases"]} >= {"files", "restore", "rows"}
    assert "Where the time went" in page
    assert {path.name for path in (site.directory / "metrics").iterdir()} == {"backup.prom", "backup_verification.prom"}
    assert servers.PLANTED not in everything_written(site.directory)


def test_backups_are_copied_elsewhere_and_come_back(site: Site, audit: Callable[[str], str], tmp_path: Path) -> None:
    servers.install(("rclone",))
    service = S3(tmp_path)
    tmp_path.chmod(0o755)
    config = site.directory / "rclone.conf"
    config.write_text(service.configuration())
    elsewhere = {"endpoint_stats_offsite": {"remote": "archive:backups/stack"}, "backups_offsite_config_file": str(config)}
    further = {"endpoint_stats_backup_databases": [{"database": "audit"}]}
    variables = {**elsewhere, **further, "backups_offsite_ca_file": str(service.authority)}
    service.start()
    try:
        service.make("backups")
        run = site.play("backup", variables=variables).expect()
        copied, _page = run.report("backup_offsite")
        told = run.told["backup_offsite"]
        assert (told["backup"], told["reachable"]) == (run.told["backup"]["backup"], True)
        assert (copied["verdict"], copied["counts"]["critical"]) == ("succeeded", 0)
        site.play("verify_backups", variables=variables).expect()
        for name in ("stack", "stack-audit"):
            assert '"verdict": "passed"' in (service.buckets / "backups" / name / "records" / "chain.jsonl").read_text()
        # The claim is gone with everything on it; what comes back is kept whatever the rules say.
        for directory in (site.backups, site.backups.with_name("backups-audit")):
            shutil.rmtree(directory)
        fetched = site.play("fetch_backup", variables=variables).expect()
        assert (fetched.told["backup_fetch"]["backup"], fetched.report("backup_fetch")[0]["verdict"]) == (told["backup"], "succeeded")
        pin = {"backups_pin_backup": told["backup"], "backups_pin_reason": "all there is"}
        site.play("pin_backup", variables=pin).expect()
        assert (site.backups / "records" / f"{told['backup']}.pin").read_text() == "all there is\n"
        assert '"verdict": "passed"' in (site.backups / "records" / "chain.jsonl").read_text()
        audit("DROP TABLE events")
        named = {**variables, "disaster_recovery_database": "audit", "disaster_recovery_password": servers.PASSWORD}
        refused = site.play("restore", f"--extra-vars={CONSENT}", variables=named)
        assert (refused.status != 0, "Consent with confirm=example/endpoint-stats/audit (" in refused.said) == (True, True)
        restored = site.play("restore", "--extra-vars=confirm=example/endpoint-stats/audit", variables=named).expect()
        assert restored.told["restore"]["states"] == dict.fromkeys(("Prove the backup", "Restore and swap"), "succeeded")
        assert audit("SELECT count(*) FROM events") == "9"
        site.play("restore_undo", "--extra-vars=confirm=example/endpoint-stats/audit", variables=named).expect()
        assert audit("SELECT to_regclass('events') IS NULL") == "t"
    finally:
        service.end()
    variables["backups_only"] = support.DATABASE
    silent = site.play("backup", variables={**variables, "backups_offsite_timeout_seconds": 60}).expect()
    assert (silent.told["backup"]["verdict"], silent.told["backup_offsite"]["reachable"]) == ("succeeded", False)
    assert "offsite_unreachable" in str(silent.report("backup_offsite")[0])
    wrong = site.play("backup", variables={**variables, "backups_offsite_remote": "elsewhere:backups"})
    assert wrong.status != 0
    assert "does not know the remote" in wrong.said
    assert (wrong.told["backup"]["verdict"], wrong.told["backup_offsite"]["verdict"]) == ("succeeded", "failed")


def test_check_mode_writes_nothing(site: Site) -> None:
    run = site.play("backup", "--check").expect()
    assert run.told["backup"]["paths"] == []
    assert {path.name for path in site.directory.iterdir()} == {"inventory.yml", "metrics"}
    refused = site.play("verify_backups", "--check")
    assert refused.status != 0
    assert "There is no backup" in refused.said


def test_a_backup_that_failed_says_why_and_is_reported(site: Site, tmp_path: Path) -> None:
    support.credentials(tmp_path / "backup", "backup", PLANTED)
    tmp_path.chmod(0o755)
    store = {**site.variables()["endpoint_stats_postgresql"], "credentials_dir": str(tmp_path)}
    run = site.play("backup", variables={"endpoint_stats_postgresql": store})
    assert run.status != 0
    assert "password authentication failed" in run.told["failure"]["message"]
    document, page = run.report("backup")
    assert document["verdict"] == "failed"
    assert document["steps"][0]["failure"]["remedy"]
    assert "were not touched" in page
    assert PLANTED not in run.output + everything_written(site.directory)


def test_each_of_several_databases_is_backed_up_and_verified_for_itself(site: Site, audit: Callable[[str], str]) -> None:
    assert audit("SELECT count(*) FROM log") == "9"
    further: list[dict[str, Any]] = [{"database": "audit", "selection": {"exclude_table_data": ["public.log"]}}]
    checked = site.play("backup", "--check", variables={"backups_databases": further}).expect()
    assert checked.told["backup"]["states"] == {f"Back up {name}": "succeeded" for name in (support.DATABASE, "audit")}
    run = site.play("backup", variables={"backups_databases": [{"database": "gone"}, *further]})
    assert run.status != 0
    told, (document, page) = run.told["backup"], run.report("backup")
    verdicts = ("succeeded", "failed", "succeeded")
    assert told["states"] == dict(zip((f"Back up {name}" for name in (support.DATABASE, "gone", "audit")), verdicts, strict=True))
    assert "Back up gone: PostgreSQL does not let us connect" in told["reasons"][0]
    assert {step["name"]: step["state"] for step in document["steps"]} == told["states"]
    assert "rows of public.log" in page
    there = {path.name: len(list(path.glob("2*"))) for path in site.directory.glob("backups*")}
    assert there == {"backups": 1, "backups-audit": 1}
    run = site.play("verify_backups", variables={"backups_databases": further, "backups_verify_level": "constraints"}).expect()
    assert set(run.told["backup_verification"]["states"].items()) == {
        (f"Verify {support.DATABASE}", "succeeded"),
        ("Verify audit", "succeeded"),
    }
    assert {path.name for path in (site.directory / "metrics").iterdir()} == {
        "backup.prom",
        "backup-audit.prom",
        "backup_verification.prom",
        "backup_verification-audit.prom",
    }
    assert 'backup_rows{database="audit",selection="partial"} 9' in (site.directory / "metrics" / "backup-audit.prom").read_text()
    # The report tells of each, and of one that has none.
    known: dict[str, Any] = {"endpoint_stats_backup_databases": [*further, {"database": "gone"}], "health_report_configmap": ""}
    run = site.play("health_report", variables={**known, "health_report_api_url": "http://127.0.0.1:9/health"}).expect()
    told = run.told["health_report"]
    assert {name: told["states"][name] for name in ("backups", "backups/gone")} == {"backups": "healthy", "backups/gone": "findings"}
    assert "critical: Backups/gone: there is no backup" in run.said
    assert "critical: Backups/audit" not in run.said


def test_databases_that_no_run_knows_are_refused(site: Site) -> None:
    for changes in ({"backups_databases": [{"database": support.DATABASE}]}, {"backups_only": ["audit"]}):
        refused = site.play("backup", variables=changes)
        assert refused.status != 0
        assert "Nothing was begun. backups_databases names the databases beside endpoint_stats, each once" in refused.said
    assert not site.backups.exists()


def test_a_damaged_backup_fails_the_run_with_its_differences(site: Site) -> None:
    backup = site.play("backup").expect().told["backup"]["backup"]
    (site.backups / backup / "globals.sql").write_text("-- nothing is left\n")
    run = site.play("verify_backups")
    assert run.status != 0
    assert run.told["backup_verification"]["verdict"] == "failed"
    document, page = run.report("backup_verification")
    assert "globals.sql" in {difference["subject"] for difference in document["steps"][0]["differences"]}
    assert "globals.sql" in page


def test_a_killed_backup_is_a_clear_error_and_the_next_one_cleans_up(site: Site, database: servers.PostgreSQL) -> None:
    jobs = site.place.directory / "home" / ".ansible" / "tmp"
    with database.locked("requests"):
        command, options = site.command("backup")
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options) as running:
            keeper = servers.wait_until(lambda: [path for path in jobs.glob("endpoint-stats-job-*/alive") if path.read_text()], "job")[0]
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            servers.wait_until(lambda: database.sql(waiting, "postgres") != "0", "backup that waits for a table")
            pid = int(keeper.read_text())
            (module,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            os.kill(int(module), signal.SIGKILL)
            assert running.stdout is not None
            output = running.stdout.read()
        assert running.returncode != 0
    assert "pg_backup was ended by SIGKILL" in output
    assert not list(jobs.glob("endpoint-stats-job-*"))
    assert not [path for path in site.backups.iterdir() if path.name.startswith("2")]
    assert site.play("backup").expect().told["backup"]["verdict"] == "succeeded"
    assert not [path for path in site.backups.iterdir() if path.name.startswith(".incomplete")]


def variables(api: servers.Api, **more: Any) -> dict[str, Any]:
    return {"disaster_recovery_api_url": api.url, "disaster_recovery_password": servers.PASSWORD, **more}


def test_a_lost_database_is_brought_back_and_the_change_taken_back(site: Site, database: servers.PostgreSQL, api: servers.Api) -> None:
    backup = site.play("backup").expect().told["backup"]["backup"]
    database.sql("DROP TABLE requests CASCADE")
    site.place.stack.redis.ask("SET", "cache:stats:day", "an answer of before")
    assert api.ask("/api/canary/smoke-test").status == 503
    run = site.play("restore", f"--extra-vars={CONSENT}", variables=variables(api)).expect()
    assert (rows(database), run.told["restore"]["backup"]) == (support.ROWS, backup)
    assert databases(database) == {support.DATABASE, run.told["restore"]["kept_database"]}
    assert api.ask("/api/canary/smoke-test").status == 200
    assert site.place.stack.redis.ask("EXISTS", "cache:stats:day") == "0"
    document, page = run.report("restore")
    assert [step["state"] for step in document["steps"]] == ["succeeded", "succeeded", "skipped", "succeeded", "succeeded", "succeeded"]
    assert "Kept as" in page

    undone = site.play("restore_undo", f"--extra-vars={CONSENT}", variables=variables(api)).expect()
    assert database.sql("SELECT to_regclass('requests') IS NULL") == "t"
    assert undone.told["restore_undo"]["counts"]["warning"] == 1
    assert "does not work with the database that was gone back to" in undone.report("restore_undo")[1]

    # The verdict of the first restore is on record, so the backup is not proven a second time.
    again = site.play("restore", f"--extra-vars={CONSENT}", variables=variables(api)).expect()
    assert "Proven before" in {fact["label"] for fact in again.report("restore")[0]["steps"][0]["facts"]}
    assert rows(database) == support.ROWS

    # Rows written since are not left behind unasked.
    assert api.post("/api/since").status == 201
    refused = site.play("restore_undo", f"--extra-vars={CONSENT}", variables=variables(api))
    assert (refused.status != 0, rows(database)) == (True, support.ROWS + 1)
    document, page = refused.report("restore_undo")
    assert [step["state"] for step in document["steps"]] == ["failed", "not_reached", "not_reached"]
    assert "is the one there was before" in page

    # Tables come back beside what is there, and go again, without a word of consent.
    beside = site.play("restore", "--extra-vars=disaster_recovery_tables=public.requests", variables=variables(api)).expect()
    schema = beside.told["restore_tables"]["side_schema"]
    assert (schema, beside.told["restore_tables"]["rows"]) == (f"restored_{backup.lower()}", support.ROWS)
    assert rows(database, f"{schema}.requests") == support.ROWS == rows(database) - 1
    given = {"disaster_recovery_tables": ["public.requests"], "disaster_recovery_side_schema": schema}
    site.play("restore_undo", variables=variables(api, **given)).expect()
    assert database.sql(f"SELECT to_regnamespace('{schema}') IS NULL") == "t"
    assert servers.PLANTED not in everything_written(site.directory)


def test_a_backup_that_failed_its_proof_is_not_restored(site: Site, database: servers.PostgreSQL, api: servers.Api) -> None:
    backup = site.play("backup").expect().told["backup"]["backup"]
    (site.backups / backup / "globals.sql").write_text("-- nothing is left\n")
    database.sql("DELETE FROM requests")
    run = site.play("restore", f"--extra-vars={CONSENT}", variables=variables(api))
    assert run.status != 0
    assert (rows(database), databases(database)) == (0, {support.DATABASE})
    document, page = run.report("restore")
    assert [step["state"] for step in document["steps"]] == ["failed", *5 * ["not_reached"]]
    assert "name another backup with disaster_recovery_backup" in page


def test_the_database_and_the_cache_are_maintained(site: Site, database: servers.PostgreSQL) -> None:
    database.sql("SET ROLE owner; CREATE TABLE temp_stats (number int); RESET ROLE; UPDATE requests SET number = number + 1000000")
    site.place.stack.redis.ask("SET", "cache:stats:day", "an answer")
    rules = [{"match": "cache:*"}]
    told = site.play("maintenance", variables={"maintenance_parts": ["postgresql", "redis"], "maintenance_redis_rules": rules}).expect()
    found = told.told["maintenance"]
    assert (found["verdict"], found["keys_deleted"], found["save"]["proven"]) == ("succeeded", 1, True)
    assert database.sql("SELECT to_regclass('temp_stats') IS NULL") == "t"
    document, _page = told.report("maintenance")
    assert [(step["name"], step["state"]) for step in document["steps"]] == [("PostgreSQL", "succeeded"), ("Redis", "succeeded")]


def test_a_part_that_fails_keeps_the_others_from_nothing(site: Site, database: servers.PostgreSQL) -> None:
    """There is no Kubernetes here, and PostgreSQL is asked for at a port where nobody is."""
    nobody = {**site.variables()["endpoint_stats_postgresql"], "port": servers.free_port()}
    run = site.play("maintenance", variables={"endpoint_stats_postgresql": nobody})
    assert run.status != 0
    assert run.told["maintenance"]["states"] == {"PostgreSQL": "failed", "Redis": "succeeded", "Namespace": "failed"}
    assert "No kubeconfig was given" in run.report("maintenance")[1]


@pytest.mark.parametrize(
    ("playbook", "arguments", "given", "words"),
    [
        ("backup", ["--limit=data"], {}, "leaves out localhost"),
        ("restore", ["--limit=localhost"], {}, "leaves out data"),
        ("backup", [], {"backups_retentoin": {"last": 3}}, "did you mean backups_retention?"),
        ("fetch_backup", [], {}, "has to name where the copies are"),
        ("restore", [], {"confirm": SUBJECT}, "disaster_recovery_password where there is no Kubernetes; both are empty"),
    ],
)
def test_what_is_wrong_is_refused_by_name(site: Site, playbook: str, arguments: list[str], given: dict[str, Any], words: str) -> None:
    run = site.play(playbook, *arguments, variables=given)
    assert run.status != 0
    assert words in run.said
