# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance of the stack's database on a real server, as the role that does it, while others work and stand in the way."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from tests.integration.app import servers
from tests.integration.maintenance import killed
from tests.integration.maintenance.database import Database, actions
from tests.integration.modules import by_ansible
from tests.integration.postgres import support

# A page that is read may be tidied up a little by whoever reads it, so that counts of dead rows are never exact.
MANY = support.ROWS // 2


def skipped(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(entry["table"], entry["action"], entry["why"]) for entry in result["not_done"]]


def found(result: dict[str, Any]) -> list[str]:
    return [finding["id"] for finding in result["findings"]]


def test_dead_rows_go_and_a_second_run_finds_nothing_to_do(database: Database, tmp_path: Path) -> None:
    database.spoil()
    partition = database.partition()
    due = {partition: "vacuum", "public.requests": "analyze"}
    metrics = tmp_path / "postgresql.prom"
    metrics.touch()
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    options: dict[str, Any] = {"refresh": ["endpoint_daily_stats"], "metrics_path": str(metrics)}

    predicted = database.maintain(check=True, **options)
    assert (predicted["changed"], actions(predicted)) == (True, due)
    assert predicted["diff"]["after"][partition] == "vacuum is due"
    assert database.dead_rows(partition) > MANY
    assert metrics.read_text() == ""

    done = database.maintain(**options)
    # The refresh leaves dead rows of its own.
    assert (done["changed"], done["not_done"], done["findings"]) == (True, [], [])
    assert actions(done) == {**due, "public.endpoint_daily_stats": "vacuum"}
    tended = done["tables"][0]
    assert tended["dead_rows_before"] > MANY
    assert (tended["dead_rows_after"], database.dead_rows(partition)) == (0, 0)
    assert tended["reason"] == f"{tended['dead_rows_before']} dead rows of {support.ROWS}"
    assert done["refreshed"][0]["view"] == "public.endpoint_daily_stats"
    assert done["refreshed"][0]["rows_written"] > 0
    assert set(done["seconds"]) == {"drop", "refresh", "vacuum", "retry"}
    assert 'endpoint_stats_postgresql_maintenance_dead_rows{when="after"} 0\n' in metrics.read_text()

    again = database.maintain(**options)
    assert (again["changed"], again["tables"], again["not_done"]) == (False, [], [])
    assert [(view["view"], view["rows_written"]) for view in again["refreshed"]] == [("public.endpoint_daily_stats", 0)]
    assert again["diff"] == {"before": {}, "after": {}}


def test_a_new_table_is_counted_once(database: Database) -> None:
    database.sql("CREATE TABLE temp_stats (x int); INSERT INTO temp_stats VALUES (1)")
    done = database.maintain(drop_leftovers=[])
    assert actions(done) == {"public.temp_stats": "vacuum"}
    assert done["tables"][0]["reason"] == "its rows were never counted"
    assert database.maintain(drop_leftovers=[])["changed"] is False


def test_a_locked_table_is_skipped_and_nobody_waits(database: Database) -> None:
    database.spoil()
    partition, stop, waits = database.partition(), threading.Event(), []

    def write() -> None:
        while not stop.is_set():
            insert = "INSERT INTO requests (endpoint, response_time, status) VALUES ('/api/1', 1, 200)"
            waits.append(database.sql(f"SET lock_timeout = '200ms'; {insert} RETURNING 1"))

    with database.busy("owner", f"LOCK TABLE {partition} IN SHARE UPDATE EXCLUSIVE MODE"):
        writer = threading.Thread(target=write)
        writer.start()
        try:
            done = database.maintain()
        finally:
            stop.set()
            writer.join()
    assert len(waits) > 5
    assert set(waits) == {"1"}
    assert (partition, "vacuum", "locked") in skipped(done)
    assert partition not in actions(done)
    (holder,) = next(entry for entry in done["not_done"] if entry["table"] == partition)["held_by"]
    assert (holder["role"], holder["state"], holder["mode"]) == ("owner", "idle in transaction", "ShareUpdateExclusiveLock")
    # Twice its budget, for it was tried twice, and never more.
    assert 0.6 < done["duration_seconds"] < 5
    assert "postgresql_table_locked" in found(done)
    assert actions(database.maintain())[partition] == "vacuum"


def test_a_lock_that_becomes_free_is_taken_at_the_end(database: Database) -> None:
    database.sql("CREATE TABLE temp_stats AS SELECT generate_series(1, 9000) AS x; ALTER TABLE temp_stats OWNER TO owner")
    database.sql("ANALYZE temp_stats")
    database.sql("DELETE FROM temp_stats")
    database.spoil()
    partition = database.partition()
    options = database.options(drop_leftovers=[], lock_budget_seconds=2)
    with database.busy("owner", "LOCK TABLE temp_stats IN SHARE UPDATE EXCLUSIVE MODE"):
        module = database.place.start("pg_maintain", options)
        servers.wait_until(lambda: database.dead_rows(partition) == 0, "vacuum of the other table")
    done = database.place.good(module.outcome()).result
    assert (actions(done)["public.temp_stats"], done["not_done"]) == ("vacuum", [])
    assert [entry["table"] for entry in done["tables"]].index("public.temp_stats") == len(done["tables"]) - 1


def test_a_prepared_transaction_that_holds_a_lock_is_named(database: Database) -> None:
    database.spoil()
    partition = database.partition()
    database.sql(f"BEGIN; LOCK TABLE {partition} IN SHARE UPDATE EXCLUSIVE MODE; PREPARE TRANSACTION 'left over'")
    try:
        done = database.maintain(old_transaction_seconds=0)
    finally:
        database.sql("ROLLBACK PREPARED 'left over'")
    entry = next(entry for entry in done["not_done"] if entry["table"] == partition)
    assert (entry["why"], entry["held_by"][0]["application"]) == ("locked", "prepared transaction left over")
    assert "prepared transaction left over of role admin" in [finding["subject"] for finding in done["findings"]]


def test_who_keeps_dead_rows_is_named(database: Database) -> None:
    with database.busy("api", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT 1"):
        database.spoil()
        done = database.maintain()
    assert done["tables"][0]["dead_rows_after"] > MANY
    (finding,) = done["findings"]
    assert (finding["id"], finding["severity"]) == ("postgresql_horizon_held", "warning")
    assert "of role api" in finding["subject"]
    assert "idle in transaction" in finding["evidence"]
    assert f"{done['tables'][0]['dead_rows_after']} dead rows stay" in finding["evidence"]
    freed = database.maintain()
    assert (freed["tables"][0]["dead_rows_after"], freed["findings"]) == (0, [])


def test_an_old_transaction_is_told_and_a_young_one_is_not(database: Database) -> None:
    with database.busy("api", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT 1"):
        assert found(database.maintain(old_transaction_seconds=300)) == []
        assert found(database.maintain(old_transaction_seconds=0)) == ["postgresql_horizon_held"]


def test_leftovers_are_dropped_with_all_that_is_theirs(database: Database) -> None:
    database.sql(
        "CREATE TABLE temp_stats (id serial PRIMARY KEY, x int REFERENCES temp_stats CHECK (x > 0)); CREATE INDEX ON temp_stats (x)"
    )
    database.sql("ALTER TABLE temp_stats OWNER TO owner")
    predicted = database.maintain(check=True)
    assert [entry["table"] for entry in predicted["dropped"]] == ["public.temp_stats"]
    assert (predicted["changed"], predicted["tables"], database.exists("temp_stats")) == (True, [], True)
    done = database.maintain()
    assert [entry["table"] for entry in done["dropped"]] == ["public.temp_stats"]
    assert (done["changed"], database.exists("temp_stats")) == (True, False)
    assert done["diff"]["before"] == {"public.temp_stats": "a table of 0 bytes"}
    assert database.maintain()["changed"] is False


def test_a_leftover_that_somebody_uses_stays(database: Database) -> None:
    database.sql("CREATE TABLE temp_stats (x int); ALTER TABLE temp_stats OWNER TO owner; ANALYZE temp_stats")
    with database.busy("owner", "SELECT * FROM temp_stats"):
        predicted = database.maintain(check=True)
        done = by_ansible("pg_maintain", database.options())
    for result in (predicted, done):
        assert (skipped(result), result["dropped"]) == ([("public.temp_stats", "drop", "locked")], [])
        assert [(holder["role"], holder["mode"]) for holder in result["not_done"][0]["held_by"]] == [("owner", "AccessShareLock")]
    assert database.exists("temp_stats")


@pytest.mark.parametrize(
    ("statements", "evidence"),
    [
        (
            "CREATE TABLE temp_stats (x int); CREATE VIEW leftover AS SELECT x FROM temp_stats",
            "something hangs on it: rule _RETURN on view leftover",
        ),
        ("CREATE TABLE temp_stats (x int PRIMARY KEY); CREATE TABLE child () INHERITS (temp_stats)", "something hangs on it: table child"),
        ("CREATE TABLE temp_stats (x int); CREATE FUNCTION f(temp_stats) RETURNS int LANGUAGE sql AS 'SELECT 1'", "function f(temp_stats)"),
        ("CREATE TABLE temp_stats PARTITION OF requests FOR VALUES FROM ('2001-01-01') TO ('2001-02-01')", "it is no plain table"),
        ("CREATE TABLE temp_stats (x int) PARTITION BY LIST (x)", "it is no plain table"),
        ("CREATE TABLE parent (x int); CREATE TABLE temp_stats () INHERITS (parent)", "something hangs on it: table parent"),
        ("CREATE TABLE temp_stats (x int); ALTER TABLE temp_stats OWNER TO admin", "it belongs to admin, of which this role is no member"),
    ],
)
def test_a_leftover_that_others_need_or_own_stays(database: Database, statements: str, evidence: str) -> None:
    database.sql(f"SET ROLE owner; {statements}" if "admin" not in statements else statements)
    try:
        result = database.maintain(vacuum=False)
        assert skipped(result) == [("public.temp_stats", "drop", "refused")]
        assert evidence in result["not_done"][0]["evidence"]
        assert (result["changed"], found(result)) == (False, ["postgresql_leftover_kept"])
        assert database.exists("temp_stats")
    finally:
        database.sql("DROP TABLE temp_stats CASCADE; DROP TABLE IF EXISTS child, parent")


def test_a_role_without_the_right_is_told_so(database: Database) -> None:
    database.spoil()
    done = database.maintain("api")
    assert (done["changed"], done["tables"]) == (False, [])
    assert (database.partition(), "vacuum", "not_permitted") in skipped(done)
    assert "only table or database owner can vacuum it" in done["not_done"][0]["evidence"]
    assert "postgresql_not_permitted" in found(done)
    assert "postgresql_sessions_hidden" in found(done)
    assert database.dead_rows(database.partition()) > MANY


def test_a_statement_that_takes_too_long_is_ended(database: Database) -> None:
    database.spoil()
    partition = database.partition()
    with database.busy("owner", f"LOCK TABLE {partition} IN SHARE UPDATE EXCLUSIVE MODE"):
        done = database.maintain(lock_budget_seconds=5, statement_timeout_seconds=0.3)
    assert (partition, "vacuum", "timed_out") in skipped(done)
    assert "postgresql_maintenance_canceled" in found(done)


def test_an_error_in_one_table_does_not_keep_others_from_being_tended(database: Database) -> None:
    database.sql(
        "SET ROLE owner; CREATE TABLE temp_stats (x int); INSERT INTO temp_stats SELECT generate_series(1, 9000);"
        "CREATE FUNCTION bad(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1'; CREATE INDEX ON temp_stats (bad(x));"
        "CREATE OR REPLACE FUNCTION bad(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1 / ($1 - $1)'"
    )
    database.spoil()
    done = database.maintain(drop_leftovers=[])
    assert skipped(done) == [("public.temp_stats", "vacuum", "failed")]
    assert "division by zero (SQLSTATE 22012)" in done["not_done"][0]["evidence"]
    assert [(finding["id"], finding["severity"]) for finding in done["findings"]] == [("postgresql_maintenance_failed", "critical")]
    assert actions(done)[database.partition()] == "vacuum"
    database.sql("DROP TABLE temp_stats; DROP FUNCTION bad")


@pytest.mark.parametrize("phase", ["in the drop", "in the vacuum"])
def test_a_run_that_was_killed_is_finished_by_the_next(database: Database, tmp_path: Path, phase: str) -> None:
    killed.pg_killed(database, tmp_path, phase)
    assert database.maintain()["changed"] is False


def test_views_that_cannot_be_refreshed_while_they_are_read_are_told(database: Database) -> None:
    database.sql("SET ROLE owner; CREATE MATERIALIZED VIEW other AS SELECT 1 AS x WITH NO DATA")
    done = database.maintain(refresh=["public.other"], vacuum=False)
    assert skipped(done) == [("public.other", "refresh", "refused")]
    assert "it has no unique index" in done["not_done"][0]["evidence"]
    database.sql("CREATE UNIQUE INDEX ON other (x)")
    done = database.maintain(refresh=["other"], vacuum=False)
    assert done["not_done"][0]["evidence"] == "it was never filled"
    database.sql("REFRESH MATERIALIZED VIEW other")
    assert database.maintain(refresh=["other"], vacuum=False)["refreshed"][0]["rows_written"] == 0


REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"refresh": ["nobody"]}, "There is no materialized view public.nobody"),
    ({"refresh": ["requests"]}, "There is no materialized view public.requests"),
    ({"lock_budget_seconds": 0}, "lock_budget_seconds is 0"),
    ({"vacuum_scale": -0.1}, "vacuum_scale is -0.1"),
    ({"vacuum_cost_delay_seconds": 2}, "vacuum_cost_delay_seconds is 2"),
    ({"database": "nowhere"}, "PostgreSQL does not let us connect"),
    ({"port": 9}, "PostgreSQL does not let us connect"),
)


def test_what_cannot_be_done_is_refused_before_anything_is_touched(database: Database) -> None:
    database.spoil()
    assert [database.refused(**changes)["summary"] for changes, _summary in REFUSED] == [summary for _changes, summary in REFUSED]
    assert database.dead_rows(database.partition()) > MANY


def test_a_wrong_password_is_told_and_never_shown(database: Database) -> None:
    wrong = support.credentials(database.place.directory / "wrong", "maintenance", f"{servers.PASSWORD}x")
    failure = database.refused(credentials_dir=str(wrong))
    assert "password authentication failed" in failure["cause"]
    assert failure["remedy"] == "Check the credentials that are mounted and the rights of their role."
