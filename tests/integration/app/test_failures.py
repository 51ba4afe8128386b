# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores that stop, restart and are killed; an API that is stopped; and the canary stream through all of it."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.app.servers import PASSWORD, Api, Process, Stack, certificate, wait_until
from tools.app import python


@contextmanager
def stopped(server: Process) -> Iterator[None]:
    """A store that is away for a while."""
    server.stop()
    try:
        yield
    finally:
        server.start()


def healthy(api: Api) -> bool:
    return api.ask("/health").status == 200


def test_without_redis_only_health_fails(api: Api, stack: Stack) -> None:
    assert api.post("/no/redis").status == 201
    with stopped(stack.redis):
        answer = api.ask("/health")
        assert (answer.status, answer.json["checks"]["postgresql"]["status"]) == (503, "ok")
        assert "Connection refused" in answer.json["checks"]["redis"]["reason"]
        assert api.post("/no/redis").status == 201
        statistics = api.ask("/api/endpoint-stats/no/redis")
        assert (statistics.status, statistics.headers["X-Cache"], statistics.json["requests"]) == (200, "bypass", 2)
        assert api.ask("/ready").status == 200
    wait_until(lambda: healthy(api), "health")
    wait_until(lambda: api.ask("/api/stats?period=day").headers["X-Cache"] in {"miss", "hit"}, "use of the cache")


def test_without_postgresql_writes_are_refused_and_kept_answers_given(api: Api, stack: Stack) -> None:
    assert api.post("/no/postgresql").status == 201
    path = "/api/endpoint-stats/no/postgresql?period=day"
    # Each worker rests after a failure of Redis on its own.
    wait_until(lambda: {api.ask(path).headers["X-Cache"] for _ in range(10)} == {"hit"}, "answer that both workers find in the cache")
    kept = api.ask(path).json
    with stopped(stack.postgresql):
        refused = api.post("/no/postgresql")
        assert (refused.status, refused.headers["Retry-After"]) == (503, "2")
        begun = time.monotonic()
        answer = api.ask("/health")
        assert time.monotonic() - begun < 5
        assert (answer.status, answer.json["checks"]["redis"]["status"]) == (503, "ok")
        assert "Connection refused" in answer.json["checks"]["postgresql"]["reason"]
        assert api.ask(path).json == kept
        assert api.ask("/api/stats?period=hour").status in {200, 503}
    wait_until(lambda: api.post("/no/postgresql").status == 201, "row")
    assert stack.postgresql.sql("SELECT count(*) FROM requests WHERE endpoint = '/no/postgresql'") == "2"


def test_a_release_that_cannot_log_in_never_becomes_ready(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "username").write_text("api")
    (tmp_path / "password").write_text("Planted-wrong-password")
    wrong = Api(tmp_path, {**stack.environment, "ENDPOINT_STATS_DATABASE_CREDENTIALS_DIR": str(tmp_path), "ENDPOINT_STATS_WORKERS": "1"})
    wrong.start()
    try:
        answer = wrong.ask("/ready")
        assert (answer.status, wrong.ask("/live").status) == (503, 200)
        assert "password authentication failed" in answer.body
        assert "Planted" not in answer.body + wrong.log.read_text()
        (tmp_path / "password").write_text(PASSWORD, encoding="utf-8")
        assert wrong.ask("/ready").status == 200, "a rotated password needs no restart"
    finally:
        assert wrong.stop() == 0


def test_a_store_with_a_strangers_certificate_is_no_store(stack: Stack, tmp_path: Path) -> None:
    certificate(tmp_path)
    distrustful = Api(tmp_path, {**stack.environment, "ENDPOINT_STATS_CA_FILE": str(tmp_path / "tls.crt"), "ENDPOINT_STATS_WORKERS": "1"})
    distrustful.start()
    try:
        checks = distrustful.ask("/health").json["checks"]
        assert "certificate verify failed" in checks["postgresql"]["reason"]
        assert "certificate verify failed" in checks["redis"]["reason"].lower()
    finally:
        distrustful.end()


def test_a_worker_that_is_killed_is_replaced_and_leaves_no_gauge(api: Api) -> None:
    def pids() -> list[int]:
        assert api.process is not None
        return [int(word) for word in Path(f"/proc/{api.process.pid}/task/{api.process.pid}/children").read_text().split()]

    def maximum() -> str:
        return next(
            line
            for line in api.ask("/metrics").body.splitlines()
            if line.startswith('endpoint_stats_pool_connections_maximum{store="postgresql"')
        )

    # As the next worker leaves it for a moment; a scrape does not fail of it.
    unfinished = api.directory / "metrics" / "gauge_livesum_1.db"
    unfinished.touch()
    assert maximum().endswith(" 20.0")
    unfinished.unlink()
    victim = pids()[0]
    subprocess.run(["kill", "-KILL", str(victim)], check=True)
    wait_until(lambda: len(pids()) == 2 and victim not in pids(), "new worker")
    wait_until(lambda: maximum().endswith(" 20.0"), "both workers' share")
    assert not list((api.directory / "metrics").glob(f"gauge_live*_{victim}.db"))


def test_a_stop_loses_no_request(stack: Stack, tmp_path: Path) -> None:
    """Requests that wait for a lock when SIGTERM comes are answered all the same."""
    served = Api(tmp_path, stack.environment)
    served.start()
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    try:
        with ThreadPoolExecutor(4) as threads:
            with stack.postgresql.locked("endpoints"):
                replies = [threads.submit(served.post, "/stop") for _ in range(4)]
                wait_until(lambda: stack.postgresql.sql(waiting) == "4", "waiting requests")
                assert served.process is not None
                served.process.terminate()
                wait_until(lambda: "Handling signal: term" in served.log.read_text(), "signal")
            assert [reply.result().status for reply in replies] == [201] * 4
        assert served.wait() == 0
    finally:
        served.end()
    assert stack.postgresql.sql("SELECT count(*) FROM requests WHERE endpoint = '/stop'") == "4"


def load_command(api: Api, state: Path, *others: str) -> list[str]:
    canary = ["--canary-stream", state.stem, "--canary-rate", "50", "--state-file", str(state)]
    return [str(python()), "-m", "endpoint_stats", "load", "--url", api.url, "--timeout-seconds", "5", *canary, *others]


@pytest.fixture
def acknowledged(tmp_path: Path) -> Callable[[], int]:
    """The number the stream `outage` is at."""
    return lambda: int(json.loads((tmp_path / "outage.json").read_text())["acknowledged"]) if (tmp_path / "outage.json").exists() else 0


def test_no_canary_row_is_lost_over_restarts_of_both_stores(
    api: Api, stack: Stack, tmp_path: Path, acknowledged: Callable[[], int]
) -> None:
    state = tmp_path / "outage.json"
    argv = load_command(api, state, "--rate", "100", "--duration-seconds", "60")
    with subprocess.Popen(argv, env=stack.environment, stdout=subprocess.PIPE, text=True) as load:
        for store, how in ((stack.postgresql, None), (stack.postgresql, signal.SIGQUIT), (stack.redis, None)):
            goal = acknowledged() + 10
            wait_until(lambda goal=goal: acknowledged() > goal, "canary rows")  # type: ignore[misc]
            store.stop(how)
            store.start()
        last = acknowledged()
        wait_until(lambda: acknowledged() > last + 10, "canary rows after the last restart")
        load.terminate()
        result = json.loads(load.communicate(timeout=20)[0])
    assert result["canary"]["retries"] > 0
    assert result["canary"]["acknowledged"] == acknowledged()
    for where in (("--url", api.url), ("--database",)):
        verdict = stack.result("canary", "check", *where, "--stream", "outage", "--state-file", str(state))
        assert (verdict["verdict"], verdict["lost"], verdict["stored"]) == ("complete", 0, acknowledged())
    gone = "DELETE FROM requests WHERE endpoint = '/canary/outage' AND number IN (3, 4, 9)"
    stack.postgresql.sql(gone)
    done = stack.program("canary", "check", "--url", api.url, "--stream", "outage", "--state-file", str(state), check=False)
    assert (done.returncode, json.loads(done.stdout)["lost_ranges"]) == (1, [[3, 4], [9, 9]])


def test_a_spike_is_served(api: Api, stack: Stack, tmp_path: Path) -> None:
    argv = load_command(api, tmp_path / "spike.json", "--rate", "30", "--mode", "spike", "--duration-seconds", "4", "--seed", "1")
    done = subprocess.run(argv, env=stack.environment, capture_output=True, text=True, timeout=30, check=True)
    result = json.loads(done.stdout)
    assert result["sent"] == pytest.approx(216, abs=6)
    assert (result["no_answer"], result["shed"]) == (0, 0)
    assert set(result["statuses"]) == {"200", "201"}
    assert result["canary"]["acknowledged"] > 50
    again = subprocess.run(
        load_command(api, tmp_path / "spike.json", "--rate", "0", "--duration-seconds", "0.5"),
        env=stack.environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert json.loads(again.stdout)["canary"]["acknowledged"] > result["canary"]["acknowledged"]


def test_a_check_that_nobody_answers_is_no_verdict(stack: Stack, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text('{"stream": "s", "acknowledged": 5}')
    done = stack.program(
        "canary", "check", "--url", "http://127.0.0.1:1", "--wait-seconds", "0", "--stream", "s", "--state-file", str(state), check=False
    )
    assert (done.returncode, json.loads(done.stdout)["verdict"]) == (3, "could_not_check")
    missing = stack.program(
        "canary", "check", "--url", "http://127.0.0.1:1", "--stream", "s", "--state-file", str(tmp_path / "none"), check=False
    )
    assert missing.returncode == 2
