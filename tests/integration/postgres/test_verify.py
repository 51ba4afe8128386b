# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A verification says what it does not know, keeps what it knows, and leaves nothing behind, also when it is killed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import files
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.repository import Repository

from tests.integration.app.servers import wait_until
from tests.integration.modules import Outcome
from tests.integration.postgres import deaths, gate, support
from tests.integration.postgres.damage import Backup, flipped
from tests.integration.postgres.support import DATABASE, Place, processes

KEYS = {
    "age_seconds",
    "backup",
    "backup_path",
    "changed",
    "checked",
    "differences",
    "duration_seconds",
    "findings",
    "fresh",
    "level",
    "outcomes",
    "read_bytes",
    "reason",
    "records",
    "restore_seconds",
    "seconds",
    "verdict",
}
# A view whose rows are there at once in the database, and take forever where full_page_writes is off, as on a scratch server.
# More than a restore makes of pg_restore.
_CALLS = 9
ENDLESS = """
CREATE MATERIALIZED VIEW endless AS SELECT CASE WHEN current_setting('full_page_writes') = 'off'
THEN (SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b) END AS n
"""
WATCHED = """
import sys
def look(event, arguments):
    if event == "open":
        print("opened", arguments[0], file=sys.stderr)
    if event in ("subprocess.Popen", "os.posix_spawn", "os.exec"):
        print("started", arguments[0], file=sys.stderr)
sys.addaudithook(look)
from ansible_collections.endpoint_stats.ops.plugins.modules import pg_backup_verify
pg_backup_verify.main()
"""
PLANTED = {
    "PGHOSTADDR": "192.0.2.1",
    "PGHOST": "192.0.2.1",
    "PGSERVICE": "nowhere",
    "PGOPTIONS": "-c no_such_setting=1",
    "PGDATABASE": "nowhere",
    "ENDPOINT_STATS_TOKEN": "Planted-token-Jq8vT3",
}


def facts(**changes: Any) -> Callable[[Backup], object]:
    """Another description of the database, in a manifest that agrees with itself."""
    return lambda backup: backup.forge(database=replace(backup.manifest.database, **changes))


def other_major(backup: Backup) -> None:
    backup.forge(server=replace(backup.manifest.server, version_number=170002))


# What is done to the backup, and words of the reason.
LACKING: dict[str, tuple[Callable[[Backup], object], str]] = {
    "a server of its version": (other_major, "There is no postgres, initdb of PostgreSQL 17"),
    "programs of the dump's version": (
        lambda backup: backup.forge(pg_dump_version="99.1"),
        "There is no pg_restore, pg_dump, psql of PostgreSQL 99",
    ),
    "its locale": (facts(collation="xx_XX.UTF-8"), 'LC_COLLATE xx_XX.UTF-8, LC_CTYPE C.UTF-8. Cause: invalid locale name: "xx_XX.UTF-8"'),
    "an extension": (lambda backup: backup.forge(extensions={"plpgsql": "1.0", "postgis": "3.3"}), "lacks extensions. Cause: postgis"),
    "space": (facts(size_bytes=10**15), "too little space"),
}


@pytest.mark.parametrize("name", LACKING)
def test_a_verdict_is_not_given_for_lack_of(name: str, backup: Backup, room: Path) -> None:
    prepare, words = LACKING[name]
    prepare(backup)
    unknown(backup, backup.verify(room), words)


@pytest.mark.parametrize(
    ("directory", "words"),
    [("/tmp/" + 90 * "x", "too long a name"), ("/etc/hostname/scratch", "could not be made"), ("/root/scratch", "could not be made")],
)
def test_a_verdict_is_not_given_for_lack_of_a_place(directory: str, words: str, backup: Backup, room: Path) -> None:
    unknown(backup, backup.verify(room, scratch_dir=directory), words)


def test_a_place_that_somebody_else_has_prepared_is_not_used(backup: Backup, room: Path) -> None:
    (room / "scratch").mkdir()
    os.chown(room / "scratch", 1, 1)
    unknown(backup, backup.verify(room), "somebody else's")


def test_a_damaged_backup_fails_where_no_server_can_be_had(backup: Backup, room: Path) -> None:
    backup.replace("dump/toc.dat", lambda data: data[:-1])
    result = backup.verify(room, scratch_dir="/root/scratch").result
    assert (result["verdict"], [found["kind"] for found in result["differences"]]) == ("failed", ["file_size"])


def unknown(backup: Backup, outcome: Outcome, words: str) -> None:
    assert (outcome.result["verdict"], outcome.result["differences"]) == ("could_not_verify", [])
    assert words in outcome.result["reason"]
    assert outcome.findings() == ["backup_not_verified"]
    assert not Repository(backup.repository, DATABASE).is_proven(backup.path.name)


def test_root_is_refused_where_a_server_is_needed(backup: Backup, room: Path) -> None:
    options = {"directory": str(backup.repository), "scratch_dir": str(room / "scratch")}
    outcome = backup.place.run("pg_backup_verify", options, as_root=True)
    assert (outcome.failed, outcome.result["verdict"]) == (True, "could_not_verify")
    assert "does not run as root" in outcome.message
    assert "become_user" in outcome.message
    read = backup.place.run("pg_backup_verify", {**options, "level": "checksum"}, as_root=True)
    assert (read.failed, read.result["verdict"]) == (False, "passed")


def test_a_disk_that_is_full_says_nothing_of_the_backup(backup: Backup, room: Path) -> None:
    with small_disk(room / "disk", "128m"), gate.of_program(room, "pg_restore", first="--exit-on-error") as stopped:
        options = options_of(backup, room, scratch_dir=str(room / "disk" / "scratch"), require_passed=False)
        running = backup.place.start("pg_backup_verify", options, programs=stopped.programs)
        stopped.wait()
        fill(room / "disk" / "everything")
        stopped.open(_CALLS)
        unknown(backup, running.outcome(), "The scratch server cannot hold this backup. Cause: ")
        assert [path.name for path in (room / "disk" / "scratch").iterdir()] == [".lock"]


def fill(path: Path) -> None:
    """Take all that is left of a disk."""
    with path.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(bytes(4096))


@contextlib.contextmanager
def small_disk(where: Path, size: str) -> Iterator[None]:
    where.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0777", "tmpfs", str(where)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(where)], check=True)


@pytest.fixture(scope="module")
def endless(place: Place) -> Iterator[Backup]:
    """A backup whose restore does not end."""
    with place.room() as room:
        place.postgresql.sql("CREATE DATABASE endless OWNER owner", "postgres")
        try:
            place.postgresql.sql(ENDLESS, "endless")
            made = place.good(place.backup(room / "backups", database="endless"))
        finally:
            place.postgresql.sql("DROP DATABASE endless WITH (FORCE)", "postgres")
        yield Backup(place, Path(made.result["backup_path"]))


def test_time_that_is_up_says_nothing_of_the_backup(endless: Backup, room: Path) -> None:
    outcome = endless.verify(room, database="endless", timeout_seconds=6)
    assert outcome.result["verdict"] == "could_not_verify"
    assert re.search(r"did not end within|longer than 6 seconds|timeout", outcome.result["reason"])
    assert outcome.result["duration_seconds"] > 5
    assert processes(room) == {}
    assert [path.name for path in (room / "scratch").iterdir()] == [".lock"]


def test_killed_while_it_restores_it_leaves_nothing_that_runs_and_the_next_run_cleans(endless: Backup, backup: Backup, room: Path) -> None:
    place, scratch = backup.place, room / "scratch"
    kept = Repository(endless.repository, "endless").records().verifications(endless.path.name)
    options = {"directory": str(endless.repository), "database": "endless", "scratch_dir": str(scratch)}
    running = place.start("pg_backup_verify", options, environment=PLANTED)
    wait_until(lambda: any("REFRESH" in words for words in processes(room).values()), "restore at work", 60)
    server = next(pid for pid, words in processes(room).items() if "bin/postgres -D" in words)
    assert PLANTED["ENDPOINT_STATS_TOKEN"].encode() not in Path(f"/proc/{server}/environ").read_bytes()
    assert not Path(f"/proc/{server}/net/tcp").read_text().count(f":{5432:04X} ")

    running.kill()
    wait_until(lambda: not processes(room), "end of the server", 30)
    (orphan,) = scratch.glob("scratch-*")
    assert set(json.loads((orphan / "owner.json").read_text())) == {"host", "boot_id", "pid", "begun_at", "ends_by"}
    assert Repository(endless.repository, "endless").records().verifications(endless.path.name) == kept

    assert backup.verify(room).result["verdict"] == "passed"
    assert [path.name for path in scratch.iterdir()] == [".lock"]


@pytest.mark.parametrize(
    ("victim", "words"), [("bin/postgres -D", "the server ended with status -9"), ("REFRESH", "terminated by signal 9")]
)
def test_a_server_that_dies_says_nothing_of_the_backup(victim: str, words: str, endless: Backup, room: Path) -> None:
    options = {**options_of(endless, room), "database": "endless", "require_passed": False}
    running = endless.place.start("pg_backup_verify", options)
    wait_until(lambda: any("REFRESH" in words for words in processes(room).values()), "restore at work", 60)
    os.kill(next(pid for pid, words in processes(room).items() if victim in words), signal.SIGKILL)
    outcome = running.outcome()
    assert (outcome.result["verdict"], outcome.result["differences"]) == ("could_not_verify", [])
    assert words in outcome.result["reason"]
    assert processes(room) == {}


def test_a_run_that_lives_is_no_orphan(backup: Backup, room: Path) -> None:
    with gate.of_program(room, "pg_restore", first="--exit-on-error") as stopped:
        first = backup.place.start("pg_backup_verify", options_of(backup, room), programs=stopped.programs)
        stopped.wait()
        second = backup.verify(room)
        assert second.result["verdict"] == "passed"
        assert len(list((room / "scratch").glob("scratch-*"))) == 1
        stopped.open(_CALLS)
        assert backup.place.good(first.outcome()).result["verdict"] == "passed"
    assert [path.name for path in (room / "scratch").iterdir()] == [".lock"]


def options_of(of: Backup, room: Path, **changes: Any) -> dict[str, Any]:
    return {"directory": str(of.repository), "scratch_dir": str(room / "scratch"), **changes}


def test_nothing_of_the_environment_leads_to_another_server(backup: Backup, room: Path) -> None:
    outcome = backup.place.run("pg_backup_verify", options_of(backup, room), environment=PLANTED)
    assert outcome.result["verdict"] == "passed"
    assert PLANTED["ENDPOINT_STATS_TOKEN"] not in outcome.output


def test_commands_in_the_roles_of_a_backup_are_not_obeyed(backup: Backup, room: Path) -> None:
    """psql runs programs that a file names."""
    commands = f"\\! touch {room}/obeyed\n\\o {room}/obeyed\n\\unrestrict guessed\n".encode()
    backup.replace("globals.sql", lambda data: commands + data, reseal=True)
    result = backup.verify(room).result
    assert (result["verdict"], [found["kind"] for found in result["differences"]]) == ("failed", ["roles"])
    assert "restricted" in result["reason"]
    assert not (room / "obeyed").exists()


def test_the_verdict_is_kept_beside_the_backups_and_a_later_failure_takes_it_back(backup: Backup, room: Path) -> None:
    repository, name = Repository(backup.repository, DATABASE), backup.path.name
    assert backup.verify(room, level="checksum").result["verdict"] == "passed"
    assert not repository.is_proven(name)
    full = backup.verify(room).result
    assert (full["verdict"], full["reason"], full["changed"]) == ("passed", "", True)
    assert repository.is_proven(name, backup.manifest.sha256)
    manifest_sha256 = backup.manifest.sha256
    backup.replace("dump/toc.dat", flipped(100))
    assert backup.verify(room, level="checksum").result["verdict"] == "failed"
    assert not repository.is_proven(name)
    read, restored, failed = repository.records().verifications(name)
    assert [entry["verdict"] for entry in (read, restored, failed)] == ["passed", "passed", "failed"]
    assert [entry["level"] for entry in (read, restored, failed)] == ["checksum", "full", "checksum"]
    assert {entry["manifest_sha256"] for entry in (read, restored, failed)} == {manifest_sha256}
    assert failed["differences"][0]["kind"] == "file_content"
    assert restored["restore_seconds"] > 0


def test_a_second_run_reads_next_to_nothing_and_says_since_when(place: Place, room: Path) -> None:
    """Until somebody has touched a file; on the word of the interpreter, which tells what it opens and which programs it starts."""
    place.postgresql.sql("CREATE DATABASE large OWNER owner", "postgres")
    try:
        place.postgresql.sql("CREATE TABLE t AS SELECT gen_random_uuid() FROM generate_series(1, 150000)", "large")
        place.postgresql.sql("GRANT SELECT ON t TO backup", "large")
        path = Path(place.good(place.backup(room / "backups", database="large")).result["backup_path"])
    finally:
        place.postgresql.sql("DROP DATABASE large WITH (FORCE)", "postgres")
    options = {"directory": str(path.parent), "database": "large", "scratch_dir": str(room / "scratch"), "level": "data"}
    first = place.good(place.run("pg_backup_verify", options)).result
    everything = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    assert (first["cached"], first["changed"], first["read_bytes"], first["reason"]) == (False, True, everything, "")
    kept = support.tree(path.parent)
    again = place.good(place.run("pg_backup_verify", options, code=WATCHED))
    said = Repository(path.parent, "large").records().verifications(path.name)[-1]["at"]
    told = {name: again.result[name] for name in ("verdict", "cached", "changed", "recorded_at", "level", "restore_seconds")}
    assert told == {"verdict": "passed", "cached": True, "changed": False, "recorded_at": said, "level": "data", "restore_seconds": None}
    assert again.result["reason"] == f"cached: the verdict of {said}, as nobody has touched the files since"
    assert again.result["read_bytes"] == (path / "manifest.json").stat().st_size < everything / 100
    opened = re.findall(r"^(?:opened|started) (.*)$", again.output, re.M)
    assert {Path(name).name for name in opened if name.startswith(f"{path}/")} == {"manifest.json"}
    assert (re.findall(r"^started .*$", again.output, re.M), support.tree(path.parent)) == ([], kept)
    file = next((path / "dump").glob("*.dat.zst"))
    data, times = file.read_bytes(), file.stat()
    file.write_bytes(flipped(len(data) // 2)(data))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    found = place.run("pg_backup_verify", {**options, "require_passed": False}).result
    assert (found["verdict"], found["cached"], found["read_bytes"]) == ("failed", False, everything)


def test_records_that_were_changed_are_a_finding_and_prove_nothing(backup: Backup, room: Path) -> None:
    repository, name = Repository(backup.repository, DATABASE), backup.path.name
    seen: dict[str, Any] = {"manifest_sha256": backup.manifest.sha256, "fingerprint": files.fingerprint(backup.path)}
    repository.record(name, {"level": "full", "verdict": "passed", "roles_seen": True, **seen})
    for path in (backup.repository / "records", *(backup.repository / "records").iterdir()):
        support.own(path)
    taken = backup.verify(room, recorded_max_age_seconds=60)
    assert (taken.result["recorded_at"] != "", taken.findings(), taken.result["records"]["intact"]) == (True, ["verification_cached"], True)
    chain = backup.repository / "records" / "chain.jsonl"
    chain.write_text(chain.read_text().replace('"full"', '"data"'))
    looked = backup.verify(room, recorded_max_age_seconds=60, level="checksum")
    assert (looked.result["recorded_at"], looked.findings()) == ("", ["records_damaged"])
    assert (looked.result["records"]["intact"], looked.result["records"]["length"]) == (False, 2)
    assert not repository.is_proven(name)
    assert backup.place.good(backup.place.backup(backup.repository, check=True)).findings() == ["records_damaged"]


def test_a_failed_verdict_fails_the_task_with_everything_that_was_found(backup: Backup, room: Path) -> None:
    backup.data_file("endpoints").unlink()
    outcome = backup.place.run("pg_backup_verify", options_of(backup, room))
    assert outcome.failed
    assert f"The backup {backup.path.name} failed" in outcome.message
    assert "file_missing" in outcome.message
    assert set(outcome.result) >= KEYS
    passing = backup.verify(room)
    assert set(outcome.result) - set(passing.result) == {"failed", "failure", "msg"}


def test_a_directory_that_may_only_be_read_still_gets_its_verdict(backup: Backup, room: Path) -> None:
    records = backup.repository / "records"
    records.write_text("")
    support.own(records)
    outcome = backup.verify(room, level="checksum")
    assert (outcome.result["verdict"], outcome.result["changed"]) == ("passed", False)
    assert outcome.findings() == ["verification_not_recorded"]


def test_a_check_tells_what_would_be_done_and_does_nothing(backup: Backup, room: Path) -> None:
    before = support.tree(backup.repository)
    well = backup.place.run("pg_backup_verify", options_of(backup, room), check=True)
    assert (well.failed, well.result["verdict"], well.result["reason"], well.result["changed"]) == (False, "", "", False)
    assert well.result["backup"] == backup.path.name
    assert set(well.result) >= KEYS
    lacking = backup.place.run("pg_backup_verify", options_of(backup, room, scratch_dir="/tmp/" + 90 * "x"), check=True)
    assert (lacking.failed, lacking.result["verdict"]) == (True, "could_not_verify")
    assert (support.tree(backup.repository), (room / "scratch").exists()) == (before, False)
    backup.data_file("endpoints").unlink()
    damaged = backup.place.run("pg_backup_verify", options_of(backup, room), check=True)
    assert (damaged.failed, damaged.result["verdict"]) == (True, "failed")


def test_an_old_newest_backup_and_a_slow_restore_are_findings(backup: Backup, room: Path) -> None:
    backup.forge(snapshot_at="2026-01-01T00:00:00Z")
    outcome = backup.verify(room, max_age_seconds=3600, rto_target_seconds=0)
    assert outcome.result["verdict"] == "passed"
    assert (outcome.result["fresh"], outcome.result["age_seconds"] > 3600) == (False, True)
    assert outcome.findings() == ["backup_too_old", "restore_too_slow"]


def test_backups_that_nobody_has_judged_come_first(backup: Backup, room: Path) -> None:
    older = Backup(backup.place, backup.repository / "20260101T000000Z")
    subprocess.run(["cp", "-a", str(backup.path), str(older.path)], check=True)
    older.forge(id=older.path.name)
    wanted = {"oldest_unproven": older.path.name, "newest": backup.path.name, older.path.name: older.path.name}
    chosen = {which: backup.verify(room, backup=which, level="checksum").result["backup"] for which in wanted}
    assert chosen == wanted
    (room / "m").mkdir()
    support.own(room / "m")
    older.replace("dump/toc.dat", flipped(100))
    told = backup.verify(room, backup="all", level="checksum", metrics_path=str(room / "m" / "v.prom"))
    assert [(one["backup"], one["verdict"]) for one in told.result["outcomes"]] == [
        (older.path.name, "failed"),
        (backup.path.name, "passed"),
    ]
    assert (told.result["backup"], told.result["verdict"], told.findings()) == (older.path.name, "failed", ["backup_failed_verification"])
    assert re.search(r'verdict="failed"} 1', (room / "m" / "v.prom").read_text())
    again = backup.verify(room, backup="all", level="checksum", recorded_max_age_seconds=60).result["outcomes"]
    assert [(one["verdict"], one["cached"]) for one in again] == [("failed", False), ("passed", True)]
    assert again[0]["read_bytes"] > again[1]["read_bytes"] == (backup.path / "manifest.json").stat().st_size
    refused = backup.place.run("pg_backup_verify", options_of(backup, room, backup="sample", level="checksum"))
    assert (refused.failed, f"The backup {older.path.name} failed" in refused.message) == (True, True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"backup": "20200101T000000Z"}, "There is no backup '20200101T000000Z'"),
        ({"backup": "../elsewhere"}, "There is no backup '../elsewhere'"),
        ({"database": "another"}, "holds backups of 'endpoint_stats', not of 'another'"),
        ({"directory": "/nonexistent"}, "There is no backup"),
        ({"jobs": 0}, "jobs must be at least 1"),
        ({"timeout_seconds": 0}, "timeout_seconds must be at least 1"),
    ],
)
def test_what_cannot_be_done_is_refused(options: dict[str, Any], words: str, backup: Backup, room: Path) -> None:
    before = support.tree(backup.repository)
    outcome = backup.place.run("pg_backup_verify", options_of(backup, room, require_passed=False, **options))
    assert outcome.failed
    assert words in outcome.message
    assert "verdict" not in outcome.result
    assert support.tree(backup.repository) == before


def test_a_program_that_is_killed_says_nothing_of_the_backup(backup: Backup, room: Path) -> None:
    """As the kernel does when memory runs out; the proof of faults kills each of them."""
    result = backup.verify(room, programs=deaths.dying(room, "zstd", "midway", " --decompress ")).result
    assert (result["verdict"], result["differences"], "SIGKILL" in result["reason"]) == ("could_not_verify", [], True)
