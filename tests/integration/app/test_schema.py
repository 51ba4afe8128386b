# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations and partitions, on a database of its own server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.app import servers

INDEXES = {"requests_timestamp_idx", "requests_endpoint_idx", "requests_endpoint_timestamp_idx"}


@pytest.fixture
def empty(stack: servers.Stack) -> Iterator[servers.Stack]:
    """An empty database; a migrated one afterwards."""
    stack.create_database()
    yield stack
    stack.create_database()
    stack.program("migrate", account="owner")


def test_migrations_that_start_together_do_the_work_once(empty: servers.Stack) -> None:
    with ThreadPoolExecutor(3) as threads:
        results = [json.loads(done.stdout) for done in threads.map(lambda _: empty.program("migrate", account="owner"), range(3))]
    assert sorted(result["changed"] for result in results) == [False, False, True]
    first = next(result for result in results if result["changed"])
    assert (first["before"], first["after"], first["applied"]) == (None, "0002", ["0001", "0002"])
    assert len(first["partitions"]) == 4
    assert {result["after"] for result in results} == {"0002"}
    indexes = set(empty.postgresql.sql("SELECT indexname FROM pg_indexes WHERE tablename = 'requests'").split())
    assert indexes >= INDEXES
    empty.postgresql.sql("REFRESH MATERIALIZED VIEW CONCURRENTLY endpoint_daily_stats")


def test_a_newer_schema_is_left_alone(empty: servers.Stack) -> None:
    empty.program("migrate", account="owner")
    empty.postgresql.sql("UPDATE alembic_version SET version_num = '9999'")
    result = empty.result("migrate", account="owner")
    assert (result["changed"], result["newer"], result["after"]) == (False, True, "9999")


def test_months_made_by_a_member_of_the_owner_are_the_owners(empty: servers.Stack) -> None:
    empty.program("migrate", "--months", "0", account="owner")
    empty.postgresql.sql("DROP ROLE IF EXISTS member")
    quoted = servers.PASSWORD.replace("'", "''")
    empty.postgresql.sql(f"CREATE ROLE member LOGIN IN ROLE owner PASSWORD '{quoted}'")
    shutil.copytree(empty.directory / "owner", empty.directory / "member")
    (empty.directory / "member" / "username").write_text("member")
    made = empty.result("partitions", "--months", "2", account="member")["partitions"]
    assert len(made) == 2
    assert empty.postgresql.sql("SELECT DISTINCT tableowner FROM pg_tables WHERE tablename LIKE 'requests%'") == "owner"
    assert empty.postgresql.sql(f"SELECT has_table_privilege('api', '{made[0]}', 'INSERT')") == "t"


def test_rows_that_waited_move_to_their_month(empty: servers.Stack) -> None:
    empty.program("migrate", "--months", "0", account="owner")
    empty.postgresql.sql(
        "INSERT INTO endpoints (name) VALUES ('/waits');"
        "INSERT INTO requests (timestamp, endpoint, response_time, status, number)"
        " VALUES ('2025-12-31T23:59:59.999Z', '/waits', 1, 200, 1), ('2026-01-01T00:00:00Z', '/waits', 2, 200, 2)"
    )
    assert empty.postgresql.sql("SELECT count(*) FROM requests_default") == "2"
    result = empty.result("partitions", "--months", "1", account="owner")
    assert {"requests_y2025m12", "requests_y2026m01"} <= set(result["partitions"])
    assert len(result["partitions"]) == 3
    assert empty.postgresql.sql("SELECT tableoid::regclass, number FROM requests ORDER BY number").split() == [
        "requests_y2025m12|1",
        "requests_y2026m01|2",
    ]
    assert empty.result("partitions", "--months", "1", account="owner") == {"command": "partitions", "changed": False, "partitions": []}
    assert empty.postgresql.sql("SELECT count(*) FROM pg_indexes WHERE tablename = 'requests_y2026m01'") == "4"


def test_the_api_reads_and_writes_new_months_and_nothing_more(empty: servers.Stack) -> None:
    empty.program("migrate", account="owner")
    month = empty.postgresql.sql("SELECT min(relname) FROM pg_class WHERE relname LIKE 'requests_y%' AND relkind = 'r'")
    assert (
        empty.postgresql.sql(f"SELECT has_table_privilege('api', '{month}', 'INSERT'), has_table_privilege('api', '{month}', 'DELETE')")
        == "t|f"
    )
    refused = empty.program("migrate", account="api", check=False)
    assert refused.returncode in {0, 3}
    assert "Traceback" not in refused.stdout


def test_a_database_that_is_not_there_is_an_error_with_its_words(empty: servers.Stack) -> None:
    away = {**empty.environment, "ENDPOINT_STATS_DATABASE_NAME": "nowhere"}
    done = servers.Stack(empty.directory, empty.postgresql, empty.redis, away).program(
        "migrate", "--wait-seconds", "0", account="owner", check=False
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert 'database \\"nowhere\\" does not exist' in done.stderr
    assert servers.PLANTED not in done.stderr
