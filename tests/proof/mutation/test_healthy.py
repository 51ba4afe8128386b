# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Healthy databases pass at the highest level, whatever types, names and tables they have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration import modules
from tests.integration.postgres.support import DATABASE, ROWS, Place
from tests.integration.postgres.test_verify_healthy import Database, passes

_TABLES = 10_000
# PostgreSQL's own default holds the locks of some 6 400 tables.
_LOCKS = 2048
_LONG_SECONDS = 1200


def _controls() -> dict[str, str]:
    """The databases of healthy.sql by their names."""
    sections = Path(__file__).with_name("healthy.sql").read_text().split("\n-- # ")[1:]
    return {name: sql for name, _newline, sql in (section.partition("\n") for section in sections)}


CONTROLS = _controls()
PROPERTIES = {
    "no encoding": Database(
        "SET client_encoding = 'SQL_ASCII'; CREATE TABLE t (w text); INSERT INTO t VALUES (E'\\\\xff\\\\xfe'), ('plain');",
        "ENCODING 'SQL_ASCII' LOCALE 'C'",
    ),
    "an old encoding": Database("CREATE TABLE t (w text); INSERT INTO t VALUES (E'gr\\u00fc\\u00df');", "ENCODING 'LATIN1' LOCALE 'C'"),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_there_are(name: str, place: Place, room: Path) -> None:
    assert passes(place, room, Database(CONTROLS[name]))


@pytest.mark.parametrize("name", PROPERTIES)
def test_the_database_has(name: str, place: Place, room: Path) -> None:
    assert passes(place, room, PROPERTIES[name])


@pytest.fixture
def many_locks(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server that can lock as many tables at once, and the time that they take."""
    monkeypatch.setattr(modules, "_SECONDS", _LONG_SECONDS)
    for statement in (f"ALTER SYSTEM SET max_locks_per_transaction = {_LOCKS}", "ALTER SYSTEM RESET max_locks_per_transaction"):
        place.postgresql.sql(statement, "postgres")
        place.postgresql.stop()
        place.postgresql.start()
        if "RESET" not in statement:
            yield


def test_there_are_ten_thousand_tables(place: Place, room: Path, many_locks: None) -> None:
    made = "".join(f"CREATE TABLE t{number} AS SELECT {number} AS n;\n" for number in range(_TABLES))
    assert passes(place, room, Database(f"BEGIN;\n{made}COMMIT;"))


def test_it_is_written_to_meanwhile(place: Place, room: Path) -> None:
    """What is committed during the backup is in none of its parts."""
    statement = "INSERT INTO requests (timestamp, endpoint, response_time, status, number) VALUES (now(), '/api/1', 1, 200, -1)"
    options = {"directory": str(room / "backups"), "scratch_dir": str(room / "scratch"), "database": DATABASE}
    try:
        with place.postgresql.repeated(statement):
            place.good(place.backup(room / "backups"))
        result = place.good(place.run("pg_backup_verify", options)).result
        assert (result["verdict"], result["reason"]) == ("passed", "")
        assert int(place.postgresql.sql("SELECT count(*) FROM requests")) > ROWS
    finally:
        place.create_database()
