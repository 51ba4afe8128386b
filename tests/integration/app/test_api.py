# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the API answers with both stores running."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.integration.app.servers import PLANTED, Api, Stack, wait_until


def samples(api: Api) -> dict[str, float]:
    """The metrics by name and labels."""
    lines = [line for line in api.ask("/metrics").body.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_a_row_is_stored_and_read_back(api: Api, stack: Stack) -> None:
    for status in (200, 200, 500):
        assert api.post("/read/back", response_time=status / 10, status=status).status == 201
    answer = api.ask("/api/endpoint-stats/read/back?period=day").json
    assert (answer["requests"], answer["errors"]) == (3, 1)
    assert answer["response_time_ms"] == {"average": 30.0, "maximum": 50.0, "minimum": 20.0, "p95": 47.0}
    assert stack.postgresql.sql("SELECT count(*) FROM endpoints WHERE name = '/read/back'") == "1"


def test_a_refusal_names_the_field_and_stores_nothing(api: Api, stack: Stack) -> None:
    answer = api.post("/refused", status=999)
    assert (answer.status, answer.json["error"]["field"]) == (400, "status")
    assert api.ask("/api/requests", b"{not json").json["error"]["field"] == "body"
    assert api.ask("/api/requests", b'"' + b"x" * 20000 + b'"').status == 413
    assert stack.postgresql.sql("SELECT count(*) FROM requests WHERE endpoint = '/refused'") == "0"


def test_an_endpoint_that_was_never_called_is_not_there(api: Api) -> None:
    assert api.ask("/api/endpoint-stats/never").status == 404
    assert api.post("/never").status == 201
    assert api.ask("/api/endpoint-stats/never").json["requests"] == 1


@pytest.mark.parametrize(("period", "seconds"), [("hour", 2), ("day", 1800), ("month", 43200)])
def test_a_period_decides_how_long_an_answer_is_kept(api: Api, stack: Stack, period: str, seconds: int) -> None:
    api.post(f"/tier/{period}")
    path = f"/api/endpoint-stats/tier/{period}?period={period}"
    first = api.ask(path)
    assert (first.headers["X-Cache"], first.headers["Cache-Control"]) == ("miss", f"public, max-age={seconds}")
    api.post(f"/tier/{period}")
    second = api.ask(path)
    assert (second.headers["X-Cache"], second.json) == ("hit", first.json)
    left = int(second.headers["Cache-Control"].removeprefix("public, max-age="))
    assert seconds - 2 <= left <= seconds
    assert 0 < int(stack.redis.ask("TTL", f"cache:endpoint-stats:{period}:/tier/{period}")) <= seconds


def test_a_kept_answer_ends(api: Api) -> None:
    api.post("/ends")
    assert api.ask("/api/endpoint-stats/ends").json["requests"] == 1
    api.post("/ends")
    wait_until(lambda: api.ask("/api/endpoint-stats/ends").json["requests"] == 2, "new answer")


def test_what_another_release_left_in_the_cache_is_no_answer(api: Api, stack: Stack) -> None:
    api.post("/left")
    for content in ("not json", "5", '{"document": 5}'):
        stack.redis.ask("SET", "cache:endpoint-stats:day:/left", content)
        answer = api.ask("/api/endpoint-stats/left?period=day")
        assert (answer.status, answer.headers["X-Cache"]) == (200, "miss")


def test_days_and_rows_are_summed_up_once(api: Api, stack: Stack) -> None:
    """The view's newest day may be half of one; a row is neither missed nor counted twice."""
    stack.postgresql.sql(
        "INSERT INTO endpoints (name) VALUES ('/days');"
        "INSERT INTO requests (timestamp, endpoint, response_time, status)"
        " SELECT now() - i * interval '1 day', '/days', i, CASE WHEN i = 3 THEN 503 ELSE 200 END FROM generate_series(0, 10) AS i"
    )
    stack.postgresql.sql("REFRESH MATERIALIZED VIEW CONCURRENTLY endpoint_daily_stats")
    api.post("/days", response_time=0)
    answer = api.ask("/api/endpoint-stats/days?period=month").json
    assert (answer["requests"], answer["errors"]) == (12, 1)
    assert answer["response_time_ms"]["average"] == pytest.approx(55 / 12, abs=0.001)
    total = api.ask("/api/stats?period=year").json
    assert total["requests"] == int(stack.postgresql.sql("SELECT count(*) FROM requests"))
    assert {"endpoint": "/days", "requests": 12, "errors": 1, "average_ms": 4.583} in total["busiest"]


def test_a_request_id_is_taken_over_or_made(api: Api) -> None:
    assert api.ask("/live", headers={"X-Request-ID": "mine-1"}).headers["X-Request-ID"] == "mine-1"
    made = api.ask("/live", headers={"X-Request-ID": "not mine"}).headers["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", made)


def test_the_metrics_count_over_both_workers_and_by_route(api: Api, stack: Stack) -> None:
    series = 'http_requests_total{path="/api/requests",status="201"}'
    before = samples(api)[series]
    with ThreadPoolExecutor(16) as threads:
        assert {reply.status for reply in threads.map(lambda number: api.post(f"/metric/{number % 3}"), range(200))} == {201}
    found = samples(api)
    assert found[series] == before + 200
    api.ask("/somewhere/random")
    found = samples(api)
    assert found['http_requests_total{path="unmatched",status="404"}'] >= 1
    assert not [name for name in found if "random" in name or "/metric/" in name or "/health" in name]
    assert found['http_requests_total{path="/api/stats",status="503"}'] == 0
    assert found['http_request_duration_seconds_bucket{le="1.0",path="/api/requests"}'] >= 200
    assert found['endpoint_stats_pool_connections_maximum{store="postgresql"}'] == 20
    opened = sum(value for name, value in found.items() if name.startswith("endpoint_stats_pool_connections{") and "postgresql" in name)
    assert 5 <= opened <= 20
    assert opened == int(stack.postgresql.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'endpoint-stats-api%'"))


def test_every_line_of_the_log_is_the_plans_json(api: Api) -> None:
    api.ask("/api/stats", headers={"X-Request-ID": "logged-1", "X-User-ID": "user-1"})

    def found() -> list[dict[str, Any]]:
        return [line for line in api.logged() if line["context"]["request_id"] == "logged-1"]

    (line,) = wait_until(found, "line of the request")
    assert line["context"] == {"request_id": "logged-1", "user_id": "user-1", "endpoint": "/api/stats"}
    assert line["metrics"]["status_code"] == 200
    assert (line["category"], line["level"], line["service"]) == ("application", "INFO", "endpoint-stats-api")
    booted = next(line for line in api.logged() if line["message"].startswith("Booting worker"))
    assert (booted["category"], booted["context"]["request_id"]) == ("system", None)


def test_the_password_is_in_no_log(api: Api, stack: Stack) -> None:
    text = api.log.read_text() + stack.redis.log.read_text()
    assert PLANTED not in text
    assert "Planted" not in text
