# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance of a real Redis over TLS, as the user of the stack that does it, undisturbed and disturbed."""

from __future__ import annotations

import random
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._redis.glob import matcher

from tests.integration.app import servers
from tests.integration.maintenance import killed
from tests.integration.maintenance.redis_server import Serve, everything, in_the_middle
from tests.integration.modules import Running, by_ansible, identities, run
from tests.integration.postgres import gate
from tests.integration.postgres.support import credentials

HOUR = 3600
FOUND = """
local numbers, found = {}, {}
local function bytes(hex) return (hex:gsub('..', function(pair) return string.char(tonumber(pair, 16)) end)) end
local count = 0
for hex in ARGV[1]:gmatch('x(%x*)') do
  numbers[bytes(hex)] = count
  redis.call('SET', bytes(hex), '')
  count = count + 1
end
for hex in ARGV[2]:gmatch('x(%x*)') do
  local line = {}
  for _, key in ipairs(redis.call('SCAN', '0', 'MATCH', bytes(hex), 'COUNT', '1000000')[2]) do line[#line + 1] = numbers[key] end
  found[#found + 1] = ':' .. table.concat(line, ',')
end
return found
"""


def failure(answer: dict[str, Any]) -> dict[str, Any]:
    failed: dict[str, Any] = answer["failure"]
    return failed


def test_what_nobody_uses_goes_and_all_else_stays(serve: Serve, tmp_path: Path) -> None:
    served = serve()
    served.redis.fill("cache:cold:", 700, idle=2 * HOUR, ttl_seconds=9000)
    served.redis.fill("cache:hot:", 3)
    served.redis.fill("cache:pinned:", 2, idle=2 * HOUR)
    served.redis.fill("session:", 2, idle=2 * HOUR)
    kept = [*(f"cache:hot:{n}" for n in (1, 2, 3)), *(f"cache:pinned:{n}" for n in (1, 2)), "session:1", "session:2"]
    options = served.options(protect=["cache:pinned:*"], metrics_path=str(tmp_path / "redis.prom"))

    predicted = run("redis_maintain", options, check=True)
    counts = ("changed", "scanned", "matched", "protected", "deleted")
    assert [predicted[name] for name in counts] == [True, 707, 703, 2, 700]
    assert predicted["diff"]["before"]["keys"] - predicted["diff"]["after"]["keys"] == 700
    assert served.redis.count("*") == 707
    assert not (tmp_path / "redis.prom").exists()

    done = by_ansible("redis_maintain", options, "--diff")
    assert [done[name] for name in counts] == [True, 707, 703, 2, 700]
    assert done["bytes_after"] < done["bytes_before"]
    assert (done["diff"]["before"]["keys"], done["diff"]["after"]["keys"]) == (707, 7)
    assert done["save"] == {"kind": "none", "proven": False, "seconds": 0.0}
    assert set(done["seconds"]) == {"sweep", "free"}
    assert identities(done) == ["redis_idle_times_young", "redis_not_persistent"]
    assert served.redis.keys() == kept
    assert 'endpoint_stats_redis_maintenance_keys{what="deleted"} 700\n' in (tmp_path / "redis.prom").read_text()

    again = run("redis_maintain", options)
    assert [again[name] for name in counts] == [False, 7, 3, 2, 0]
    assert again["diff"]["before"] == again["diff"]["after"]
    assert served.redis.keys() == kept


def test_keys_that_are_no_text(serve: Serve) -> None:
    served = serve()
    make = "for _, key in ipairs({'cache:\\255\\254', 'cache:\\n\\0', 'cache:keep\\255', 'other\\255'}) do redis.call('SET', key, '') end"
    served.redis.ask("EVAL", make, "0")
    done = served.maintain(rules=everything("cache:*"), protect=["cache:keep?"])
    assert (done["deleted"], done["protected"]) == (2, 1)
    assert (served.redis.count("cache:keep?"), served.redis.count("*")) == (1, 2)


def test_rules_by_time_to_live_and_the_first_that_holds_counts(serve: Serve) -> None:
    served = serve()
    served.redis.fill("a:for ever:", 4, idle=50)
    served.redis.fill("a:ends:", 5, idle=50, ttl_seconds=900)
    served.redis.fill("b:", 6, idle=50)
    rules = [
        {"match": "a:*", "ttl": "none", "idle_seconds_minimum": 40},
        {"match": "a:*", "ttl": "set", "idle_seconds_minimum": 60},
        {"match": "[ab]:*", "ttl": "none", "idle_seconds_minimum": 10},
    ]
    assert served.maintain(rules=rules, check=True)["deleted"] == 10
    assert served.maintain(rules=rules)["deleted"] == 10
    assert served.redis.count("*") == served.redis.count("a:ends:*") == 5


def test_many_keys_go_while_others_are_served(serve: Serve) -> None:
    served = serve()
    served.redis.fill("cache:", 50_000, idle=2 * HOUR)
    served.redis.ask("SET", "cache:hot", "value")
    tls = ["--tls", "--cacert", str(served.redis.directory / "tls.crt")]
    argv = ["redis-cli", "-h", "127.0.0.1", "-p", str(served.redis.port), *tls, "--user", "admin", "--pass", "", "--no-auth-warning"]
    with subprocess.Popen([*argv, "-r", "-1", "-i", "0.002", "GET", "cache:hot"], stdout=subprocess.PIPE, text=True) as prober:
        try:
            first = served.maintain(maximum_keys=30_000)
            second = served.maintain()
        finally:
            prober.terminate()
        answers = prober.communicate()[0].splitlines()
    assert (first["deleted"], second["deleted"]) == (30_000, 20_000)
    assert "redis_limit_reached" in identities(first)
    assert "redis_limit_reached" not in identities(second)
    assert len(answers) > 50
    assert set(answers) == {"value"}
    assert served.redis.keys() == ["cache:hot"]


def test_a_slow_server_is_given_rest(serve: Serve) -> None:
    served = serve()
    served.redis.fill("cache:", 40, idle=2 * HOUR)
    done = served.maintain(page_size=10, latency_budget_seconds=1e-9)
    assert done["slept_seconds"] > 0
    assert (done["deleted"], served.maintain(latency_budget_seconds=60)["slept_seconds"]) == (40, 0)


def let_end(module: Running, stop: gate.Gate) -> dict[str, Any]:
    """Open the gate as often as the module comes there."""

    def is_over() -> bool:
        stop.open()
        return module.is_over()

    servers.wait_until(is_over, "end of the module", 60)
    return module.outcome().result


def test_what_was_deleted_stays_so_after_a_restart_and_what_was_left_is_there(serve: Serve) -> None:
    served = serve(appendonly="yes")
    served.redis.fill("cache:", 5)
    served.redis.fill("other:", 2)
    assert served.maintain(rules=everything("cache:*"), save="none")["deleted"] == 5
    served.redis.stop(signal.SIGKILL)
    served.redis.start()
    servers.wait_until(lambda: served.redis.told("persistence", "loading") == "0", "end of loading")
    assert served.redis.keys() == ["other:1", "other:2"]


def test_a_new_start_in_the_middle_begins_the_scan_again(serve: Serve, tmp_path: Path) -> None:
    served = serve(appendonly="yes")
    with in_the_middle(served, tmp_path) as (module, stop):
        served.redis.stop(signal.SIGKILL)
        served.redis.start()
        done = let_end(module, stop)
    assert (done["restarts"], done["deleted"]) == (1, 2_000)
    assert "redis_restarted" in identities(done)
    assert served.redis.keys() == []
    assert done["save"]["kind"] == "aof_rewrite"
    assert done["save"]["proven"] is True


def test_a_server_that_stays_away_is_an_error_that_says_how_far_it_came(serve: Serve, tmp_path: Path) -> None:
    served = serve()
    with in_the_middle(served, tmp_path, restart_wait_seconds=0.3) as (module, stop):
        served.redis.stop(signal.SIGKILL)
        told = failure(let_end(module, stop))
    assert told["summary"] == "Redis does not let us connect"
    assert 0 < told["details"]["deleted"] < 500


@pytest.mark.parametrize("phase", ["in the sweep", "in the save"])
def test_a_run_that_was_killed_is_finished_by_the_next(serve: Serve, tmp_path: Path, phase: str) -> None:
    killed.redis_killed(serve, tmp_path, phase)
    assert '"phase": ' in (tmp_path / "progress").read_text()


def test_what_a_killed_run_did_not_save_is_saved(serve: Serve) -> None:
    served = serve()
    served.redis.fill("other:", 3)
    assert served.maintain(save="bgsave", check=True)["save"] == {"kind": "bgsave", "proven": False, "seconds": 0.0}
    assert served.redis.told("persistence", "rdb_saves") == "0"
    done = served.maintain(save="bgsave")
    assert (done["changed"], done["deleted"], done["save"]["proven"]) == (True, 0, True)
    assert (served.redis.directory / "dump.rdb").exists()
    assert served.maintain(save="bgsave")["changed"] is False


def test_a_save_that_runs_already_does_not_count(serve: Serve) -> None:
    served = serve(rdb_key_save_delay="500")
    served.redis.fill("other:", 1_000)
    served.redis.fill("cache:", 5)
    served.redis.ask("BGSAVE")
    assert served.redis.told("persistence", "rdb_bgsave_in_progress") == "1"
    done = served.maintain(rules=everything("cache:*"), save="bgsave")
    assert done["save"]["proven"] is True
    assert served.redis.told("persistence", "rdb_saves") == "2"


def test_a_save_that_takes_too_long_is_an_error(serve: Serve) -> None:
    served = serve(rdb_key_save_delay="100000")
    served.redis.fill("other:", 1_000)
    told = failure(served.maintain(save="bgsave", save_timeout_seconds=1.5))
    assert told["summary"] == "Redis has not saved within 1.5 seconds"
    assert "rdb_bgsave_in_progress: 1" in told["cause"]


def test_a_failed_snapshot_is_told_and_made_good(serve: Serve) -> None:
    served = serve()
    served.redis.fill("cache:", 5)
    obstacle = served.redis.directory / "dump.rdb"
    obstacle.mkdir()
    told = failure(served.maintain(rules=everything("cache:*"), save="bgsave"))
    assert told["summary"] == "Redis could not save (bgsave)"
    assert "rdb_last_bgsave_status: err" in told["cause"]
    assert told["details"] == {"scanned": 5, "deleted": 5}
    obstacle.rmdir()
    done = served.maintain(rules=everything("cache:*"), save="bgsave")
    assert (done["changed"], done["deleted"], done["save"]["proven"]) == (True, 0, True)


def test_a_failed_rewrite_of_the_append_only_file_is_told(serve: Serve) -> None:
    served = serve(appendonly="yes")
    served.redis.fill("cache:", 5)
    directory = served.redis.directory / "appendonlydir"
    directory.rename(served.redis.directory / "elsewhere")
    directory.write_text("")
    told = failure(served.maintain(rules=everything("cache:*")))
    assert "Can't execute an AOF background rewriting" in told["cause"]
    assert told["details"]["deleted"] == 5


def test_who_is_not_let_in_is_told_so(serve: Serve, tmp_path: Path) -> None:
    served = serve()
    told = failure(served.maintain(credentials_dir=str(credentials(tmp_path / "wrong", "ops", "wrong"))))
    assert told["remedy"] == "Check the credentials that are mounted and the user's rules (ACL)."
    told = failure(served.maintain(credentials_dir=str(credentials(tmp_path / "api", "api"))))
    assert "no permissions" in told["cause"]
    told = failure(served.maintain(credentials_dir=str(tmp_path / "nowhere")))
    assert told["summary"] == "The credentials could not be read"
    told = failure(served.maintain(port=9))
    assert "refused" in told["cause"]


@pytest.mark.parametrize(
    ("setting", "options", "summary"),
    [
        (["CONFIG", "SET", "maxmemory-policy", "allkeys-lfu"], {}, "The server does not know how long a key has been idle"),
        (["REPLICAOF", "127.0.0.1", "9"], {"rules": [{"match": "cache:*"}]}, "The server is a replica"),
        (["PING"], {"rules": [{"match": "*"}]}, "A rule would delete every key, whoever uses it"),
        (["PING"], {"rules": [{"match": "cache:*"}, {"match": ""}]}, "A rule names no key"),
        (["PING"], {"rules": [{"match": "cache:*"}], "protect": ["[à-é]*"]}, "A range in a glob ends beyond ASCII"),
        (["PING"], {"rules": [{"match": "cache:*"}], "page_size": 0}, "page_size is 0"),
        (["PING"], {"rules": [{"match": "cache:*"}], "save": "aof_rewrite"}, "The server has no append-only file to rewrite"),
    ],
)
def test_what_cannot_be_kept_to_is_refused_before_anything_is_touched(
    serve: Serve, setting: list[str], options: dict[str, Any], summary: str
) -> None:
    served = serve()
    served.redis.fill("cache:", 5, idle=2 * HOUR)
    assert served.redis.ask(*setting) in ("OK", "PONG")
    assert failure(served.maintain(**options))["summary"] == summary
    assert served.redis.count("*") == 5


def test_under_an_lfu_policy_rules_without_idle_time_work(serve: Serve) -> None:
    served = serve(maxmemory_policy="allkeys-lfu")
    served.redis.fill("cache:", 5)
    assert served.maintain(rules=everything("cache:*"))["deleted"] == 5


def test_a_part_of_a_cluster_is_refused(serve: Serve) -> None:
    told = failure(serve(cluster_enabled="yes").maintain())
    assert told["summary"] == "The server is part of a Redis Cluster, whose keys lie on several servers"


def test_globs_name_what_redis_names(serve: Serve) -> None:
    served = serve()
    chance = random.Random(20261125)  # noqa: S311 - a test, which is the same each time
    letters = [b"a", b"b", b"c", b"]", b"[", b"-", b"^", b"\\", b"*", b"?", b"\xff", b"\n"]
    keys = sorted({b"".join(chance.choices(letters, k=chance.randrange(6))) for _ in range(400)} | {b""})
    signs = [*letters[:-2], b"*", b"?", b"[", b"]", b"a-c", b"[^"]
    globs = [b"".join(chance.choices(signs, k=chance.randrange(8))) for _ in range(1_500)]
    hexed = ["".join(f"x{text.hex()}" for text in texts) for texts in (keys, globs)]
    answers = served.redis.ask("EVAL", FOUND, "0", *hexed).splitlines()
    found = [{keys[int(number)] for number in answer[1:].split(",") if number} for answer in answers]
    expected = [{key for key in keys if names(key)} for names in map(matcher, globs)]
    assert dict(zip(globs, found, strict=True)) == dict(zip(globs, expected, strict=True))
    assert sum(map(len, found)) > 1_000
