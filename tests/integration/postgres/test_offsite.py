# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of backups on an S3 service: that they arrive whole, what stands in the way, and that they suffice when all else is gone."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import chain, manifest

from tests.integration.app import servers
from tests.integration.offsite import s3
from tests.integration.postgres import gate, support
from tests.integration.postgres.damage import Backup
from tests.integration.postgres.elsewhere import RCLONE, Elsewhere, files, ids
from tests.integration.postgres.support import DATABASE

_PASSWORD = f"{servers.PLANTED}-crypt"


def test_a_copy_is_the_backup_and_a_second_run_changes_nothing(elsewhere: Elsewhere) -> None:
    (backup,) = elsewhere.names
    foreseen = elsewhere.good(predict=True)
    assert (foreseen["copied"], foreseen["changed"], elsewhere.there.exists()) == ([backup], True, False)
    metrics = elsewhere.room / "offsite.prom"
    first = elsewhere.good(metrics_path=str(metrics))
    assert (first["copied"], first["kept"], first["backup"], first["findings"]) == ([backup], [backup], backup, [])
    assert files(elsewhere.there / backup) == files(elsewhere.backups / backup)
    assert first["transferred_bytes"] == manifest.load(elsewhere.backups / backup).bytes
    assert 0 < first["offsite_age_seconds"] < 3600
    gauges = metrics.read_text()
    for name in ("reachable", "succeeded", "copies"):
        assert f'endpoint_stats_backup_offsite_{name}{{database="{DATABASE}"}} 1' in gauges
    before = support.tree(elsewhere.service.buckets / elsewhere.bucket)
    second = elsewhere.good()
    assert (second["changed"], second["copied"], second["transferred_bytes"]) == (False, [], 0)
    assert support.tree(elsewhere.service.buckets / elsewhere.bucket) == before


def test_the_bucket_alone_brings_the_database_back(elsewhere: Elsewhere) -> None:
    """The directory of backups is gone; a backup is fetched, proven by a restore, and its verdict follows the next copy."""
    (backup,) = elsewhere.names
    elsewhere.good()
    content = files(elsewhere.backups / backup)
    shutil.rmtree(elsewhere.backups)
    foreseen = elsewhere.good(predict=True, state="fetched")
    assert (foreseen["fetched"], elsewhere.backups.exists()) == ([backup], False)
    fetched = elsewhere.good(state="fetched")
    assert (fetched["fetched"], fetched["changed"], fetched["records_copied"]) == ([backup], True, True)
    assert files(elsewhere.backups / backup) == content
    options = {"directory": str(elsewhere.backups), "database": DATABASE, "scratch_dir": str(elsewhere.room / "scratch")}
    verified = elsewhere.place.good(elsewhere.place.run("pg_backup_verify", {**options, "level": "full"})).result
    assert (verified["verdict"], verified["records"]["intact"]) == ("passed", True)
    assert elsewhere.good(state="fetched")["changed"] is False
    assert elsewhere.good()["records_copied"] is True
    assert chain.read(elsewhere.backups / "records") == chain.read(elsewhere.there / "records")


def test_what_was_begun_is_completed_and_half_a_copy_is_none(elsewhere: Elsewhere) -> None:
    (backup,) = elsewhere.names
    one_file = f'case " $* " in *" copy "*) {RCLONE} "$@" --max-transfer=1 --cutoff-mode=soft --transfers=1; kill -9 $$;; esac'
    killed = elsewhere.run(programs=elsewhere.wrapped(one_file))
    assert "rclone copy was killed" in killed.message
    arrived = files(elsewhere.there / backup)
    assert 0 < len(arrived) < len(files(elsewhere.backups / backup))
    assert "There is no copy of a backup off-site" in elsewhere.run(state="fetched", directory=str(elsewhere.room / "other")).message
    completed = elsewhere.good()
    assert completed["copied"] == [backup]
    assert completed["transferred_bytes"] == manifest.load(elsewhere.backups / backup).bytes - sum(map(len, arrived.values()))
    assert files(elsewhere.there / backup) == files(elsewhere.backups / backup)


def test_what_is_killed_or_cut_off_midway_is_done_by_the_next_run(elsewhere: Elsewhere) -> None:
    """The service goes away when only the manifest lacks, and the run is killed before the records follow."""
    (backup,) = elsewhere.names
    here = files(elsewhere.backups / backup)
    for phase in ("check", "records"):
        with gate.of_phase(elsewhere.room, phase, module="backup_offsite") as stopped:
            running = elsewhere.place.start("backup_offsite", elsewhere.options(), code=stopped.code)
            stopped.wait()
            if phase == "check":
                elsewhere.service.stop()
                stopped.open()
                cut = elsewhere.place.good(running.outcome()).result
                elsewhere.service.start()
                assert (cut["reachable"], cut["copied"], ids(cut)) == (False, [], ["offsite_unreachable"])
                assert "manifest.json" not in files(elsewhere.there / backup)
            running.kill()
    assert files(elsewhere.there / backup) == here
    assert not (elsewhere.there / "records").exists()
    last = elsewhere.good()
    assert (last["copied"], last["records_copied"], last["kept"]) == ([], True, [backup])
    assert files(elsewhere.backups / backup) == here


def test_a_fetch_that_is_killed_brings_the_records_along_as_well(elsewhere: Elsewhere) -> None:
    """They come first: with the backup it is done."""
    elsewhere.good()
    options = elsewhere.options(state="fetched", directory=str(elsewhere.room / "other"))
    with gate.of_phase(elsewhere.room, "fetch", module="backup_offsite") as stopped:
        running = elsewhere.place.start("backup_offsite", options, code=stopped.code)
        stopped.wait()
        running.kill()
    assert elsewhere.good(**options)["records_copied"] is False
    assert files(elsewhere.room / "other" / "records") == files(elsewhere.there / "records")


def test_a_wrong_configuration_is_an_error_that_names_it(elsewhere: Elsewhere) -> None:
    wrong = elsewhere.room / "wrong.conf"
    wrong.write_text(elsewhere.service.configuration(secret=f"{s3.SECRET}-old"))
    elsewhere.good()
    before = support.tree(elsewhere.service.buckets)
    wrongs: tuple[tuple[dict[str, Any], str], ...] = (
        ({"remote": "elsewhere:backups"}, "does not know the remote 'elsewhere:backups'"),
        ({"remote": "archive:absent/stack"}, "no such bucket or directory"),
        ({"config_file": "/nonexistent/rclone.conf"}, "could not be read. Where: /nonexistent/rclone.conf. Cause: No such file"),
        ({"config_file": str(wrong)}, "refuses the credentials. Where: archive:"),
        ({"ca_file": ""}, "certificate is not trusted"),
        ({"bandwidth_limit": "fast"}, "bandwidth_limit 'fast' is no rate"),
        ({"owner": "tests/other"}, "of the owner 'tests/stack', not of 'tests/other'"),
        ({"backup": "20200101T000000Z"}, "There is no backup '20200101T000000Z'"),
    )
    for changes, said in wrongs:
        failed = elsewhere.run(**changes)
        assert said in failed.message
        assert failed.result["failure"]["remedy"]
    assert support.tree(elsewhere.service.buckets) == before


def test_nobody_answering_is_a_finding_and_deletes_nothing(elsewhere: Elsewhere) -> None:
    elsewhere.more(1)
    copied = elsewhere.good(backup="all")
    assert len(copied["copied"]) == 2
    before = support.tree(elsewhere.backups)
    elsewhere.service.stop()
    try:
        silent = elsewhere.good(retention={"last": 1}, max_age_seconds=1)
        fetching = elsewhere.run(state="fetched")
    finally:
        elsewhere.service.start()
    assert (silent["reachable"], silent["deleted"], ids(silent)) == (False, [], ["offsite_unreachable", "offsite_too_old"])
    assert 0 < silent["offsite_age_seconds"] < 3600
    assert support.tree(elsewhere.backups).keys() == {*before, ".lock-offsite"}
    assert "The off-site does not answer" in fetching.message
    answered = elsewhere.good(retention={"last": 1})
    assert (answered["reachable"], len(answered["deleted"])) == (True, 1)


def test_bytes_that_rot_in_the_bucket_are_found_and_sent_again(elsewhere: Elsewhere) -> None:
    """The service tells the hash that it noted when the file came: a change of its bytes only shows when they are read."""
    (backup,) = elsewhere.names
    elsewhere.good()
    rotten = elsewhere.there / backup / "globals.sql"
    content = rotten.read_bytes()
    with rotten.open("r+b") as stream:
        stream.write(bytes([content[0] ^ 1]))
    assert elsewhere.good(recheck=True)["findings"] == []
    fetched = elsewhere.run(state="fetched", directory=str(elsewhere.room / "other"))
    assert "Bytes have changed" in fetched.message
    assert not (elsewhere.room / "other" / backup).exists()
    found = elsewhere.good(recheck=True, check="download")
    assert [(finding["id"], finding["evidence"]) for finding in found["findings"]] == [("offsite_copy_damaged", "globals.sql")]
    assert rotten.read_bytes() == content
    rotten.unlink()
    lost = elsewhere.good()
    assert (lost["copied"], rotten.read_bytes()) == ([backup], content)
    again = elsewhere.good(recheck=True, check="download")
    assert (again["findings"], again["checked"]) == ([], [backup])


def test_copies_that_somebody_deletes_are_missed_once_and_sent_again_where_they_can_be(elsewhere: Elsewhere) -> None:
    elsewhere.more(2)
    gone, older, newest = elsewhere.names
    elsewhere.good(backup="all")
    shutil.rmtree(elsewhere.there / older)
    elsewhere.rclone("purge", f"archive:{elsewhere.bucket}/stack/{gone}")
    (elsewhere.backups / gone).rename(elsewhere.room / gone)
    foreseen = elsewhere.good(predict=True)
    result = elsewhere.good()
    told = [(finding["id"], finding["subject"], finding["summary"].rpartition("; ")[2]) for finding in result["findings"]]
    missing = "offsite_copy_missing"
    assert told == [(missing, gone, "it is not here any more either"), (missing, older, "it is sent again")]
    assert (result["copied"], foreseen["copied"], result["kept"]) == ([older], [older], [older, newest])
    assert foreseen["findings"] == result["findings"]
    again = elsewhere.good()
    assert (again["findings"], again["copied"], again["kept"]) == ([], [], [older, newest])
    # What retention deletes there is missed by nobody.
    elsewhere.good(retention={"last": 1})
    assert elsewhere.good(retention={"last": 1})["findings"] == []


def test_a_damaged_backup_does_not_leave_and_nothing_is_deleted(elsewhere: Elsewhere) -> None:
    elsewhere.more(2)
    older, newest = elsewhere.names[:2], elsewhere.names[-1]
    (elsewhere.backups / newest).rename(elsewhere.room / newest)
    elsewhere.good(backup="all")
    (elsewhere.room / newest).rename(elsewhere.backups / newest)
    Backup(elsewhere.place, elsewhere.backups / newest).replace("globals.sql", lambda data: data + b"\n")
    result = elsewhere.good(retention={"last": 1})
    assert (ids(result), result["copied"], result["deleted"], result["kept"]) == (["offsite_source_damaged"], [], [], older)


def test_retention_keeps_the_newest_and_the_newest_proven(elsewhere: Elsewhere) -> None:
    elsewhere.more(3)
    names = elsewhere.names
    options = {"directory": str(elsewhere.backups), "database": DATABASE, "scratch_dir": str(elsewhere.room / "scratch")}
    elsewhere.place.good(elsewhere.place.run("pg_backup_verify", {**options, "backup": names[0]}))
    elsewhere.good(backup="all")
    foreseen = elsewhere.good(predict=True, retention={"last": 2})
    result = elsewhere.good(retention={"last": 2})
    assert result["deleted"] == foreseen["deleted"] == [names[1]]
    assert result["kept"] == foreseen["kept"] == [names[0], *names[2:]]
    assert sorted(path.name for path in elsewhere.there.iterdir() if path.name.startswith("2")) == result["kept"]
    assert elsewhere.names == names
    assert elsewhere.good(retention={"within_seconds": 1})["kept"] == [names[0], names[-1]]


def test_a_directory_of_something_else_is_refused(elsewhere: Elsewhere) -> None:
    elsewhere.there.mkdir()
    (elsewhere.there / "family.jpg").write_bytes(b"jpg")
    before = support.tree(elsewhere.service.buckets)
    refused = elsewhere.run()
    assert "holds what is no copy of ours" in refused.message
    assert "family.jpg" in refused.message
    assert support.tree(elsewhere.service.buckets) == before


def test_an_encrypted_copy_shows_nothing_and_comes_back(elsewhere: Elsewhere) -> None:
    (backup,) = elsewhere.names
    obscured = [
        subprocess.run([RCLONE, "obscure", word], check=True, capture_output=True, text=True).stdout.strip() for word in (_PASSWORD, "salt")
    ]
    elsewhere.sections["sealed"] = (
        f"type = crypt\nremote = archive:{elsewhere.bucket}/sealed\npassword = {obscured[0]}\npassword2 = {obscured[1]}"
    )
    copied = elsewhere.good(remote="sealed:")
    assert copied["copied"] == [backup]
    stored = files(elsewhere.service.buckets / elsewhere.bucket)
    plain = (elsewhere.backups / backup / "globals.sql").read_bytes()
    assert not any(plain in content or backup in name for name, content in stored.items())
    assert elsewhere.good(remote="sealed:")["changed"] is False
    for name in ("globals.sql", "manifest.json"):
        hidden = elsewhere.rclone("cryptdecode", "--reverse", "sealed:", f"{backup}/{name}").split()[-1]
        rotten = elsewhere.service.buckets / elsewhere.bucket / "sealed" / hidden
        content = rotten.read_bytes()
        with rotten.open("r+b") as stream:
            stream.seek(len(content) - 1)
            stream.write(bytes([content[-1] ^ 1]))
        assert elsewhere.run(remote="sealed:", state="fetched", directory=str(elsewhere.room / name)).failed
        found = elsewhere.good(remote="sealed:", recheck=True, check="download")["findings"]
        assert [(finding["id"], finding["evidence"]) for finding in found] == [("offsite_copy_damaged", name)]
    fetched = elsewhere.good(remote="sealed:", state="fetched", directory=str(elsewhere.room / "other"))
    assert fetched["fetched"] == [backup]
    assert files(elsewhere.room / "other" / backup) == files(elsewhere.backups / backup)


def test_records_that_were_cut_here_do_not_replace_those_there(elsewhere: Elsewhere) -> None:
    elsewhere.good()
    anchored = files(elsewhere.there / "records")
    shutil.rmtree(elsewhere.backups / "records")
    result = elsewhere.good()
    assert ids(result) == ["offsite_records_contradict"]
    assert files(elsewhere.there / "records") == anchored


def test_a_lock_that_was_promised_is_tried(elsewhere: Elsewhere) -> None:
    locked = f"{elsewhere.bucket}-locked"
    elsewhere.service.make(locked, locked=True)
    open_to_all = elsewhere.good(expect_immutable=True)
    assert (open_to_all["immutable"], ids(open_to_all)) == (False, ["offsite_mutable"])
    remote = f"archive:{locked}/stack"
    kept = elsewhere.good(expect_immutable=True, remote=remote)
    assert (kept["immutable"], kept["findings"]) == (True, [])
    # Whoever has our keys can only hide what lies there.
    (backup,) = elsewhere.names
    elsewhere.rclone("delete", remote)
    assert "There is no copy of a backup off-site" in elsewhere.run(state="fetched", remote=remote).message
    assert f"{backup}/manifest-v" in elsewhere.rclone("lsf", "--recursive", "--s3-versions", remote)


def test_no_secret_is_in_a_command_line_or_in_anything_that_is_said(elsewhere: Elsewhere) -> None:
    """What the processes were called with, what the module says, and what it leaves."""
    seen = elsewhere.room / "cmdline"
    outcome = elsewhere.run(programs=elsewhere.wrapped(f"cat /proc/[0-9]*/cmdline >> {seen} 2> /dev/null"))
    assert outcome.result["copied"] == elsewhere.names
    looked = seen.read_bytes()
    assert b"--config=/proc/self/fd/" in looked
    assert s3.SECRET.encode() not in looked
    assert s3.SECRET not in outcome.output
    for content in (*files(elsewhere.backups).values(), *files(elsewhere.there).values()):
        assert s3.SECRET.encode() not in content
