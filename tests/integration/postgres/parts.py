# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database of several parts, and a backup of some of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.modules import Outcome
from tests.integration.postgres.damage import Backup, copy_of
from tests.integration.postgres.support import Place

NAME = "parts"
SQL = """
SET ROLE owner;
CREATE SCHEMA audit; CREATE SCHEMA "Odd one"; CREATE EXTENSION citext;
CREATE TYPE audit.kind AS ENUM ('a', 'b'); CREATE FUNCTION audit.now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT now()';
CREATE TABLE customers (id serial PRIMARY KEY, name citext NOT NULL);
CREATE TABLE orders (id integer PRIMARY KEY, customer integer NOT NULL CONSTRAINT of_customer REFERENCES customers);
CREATE TABLE log (at date, line text, length integer GENERATED ALWAYS AS (length(line)) STORED) PARTITION BY RANGE (at);
CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE log_2 PARTITION OF log FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE INDEX ON log (at);
CREATE TABLE audit.events (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, kind audit.kind);
CREATE VIEW audit.told AS SELECT kind FROM audit.events;
CREATE TABLE "Odd one"."it's ""odd"" one" (n integer);
CREATE MATERIALIZED VIEW many AS SELECT count(*) FROM orders;
INSERT INTO customers (name) SELECT 'name ' || n FROM generate_series(1, 30) n;
INSERT INTO orders SELECT n, 1 + n % 30 FROM generate_series(1, 100) n;
INSERT INTO log (at, line) SELECT '2026-01-01'::date + n, repeat('x', n) FROM generate_series(0, 50) n;
INSERT INTO audit.events (kind) SELECT 'a' FROM generate_series(1, 40);
INSERT INTO "Odd one"."it's ""odd"" one" VALUES (7);
REFRESH MATERIALIZED VIEW many; SELECT lo_from_bytea(4711, 'large'); GRANT SELECT ON LARGE OBJECT 4711 TO PUBLIC; ANALYZE;
"""
ODD = 'Odd one.it\'s "odd" one'
LESS = {"exclude_schemas": ["audit"], "exclude_tables": ["public.many"], "exclude_table_data": ["public.log"]}
LEFT_OUT = ["schema audit", "public.many", "rows of public.log_1", "rows of public.log_2"]
# What is selected, and what that leaves out.
SELECTIONS: dict[str, tuple[dict[str, list[str]], list[str]]] = {
    "a schema": ({"include_schemas": ["public"]}, ["schema Odd one", "schema audit"]),
    "two tables": (
        {"include_tables": ["public.customers", "public.orders"]},
        ["schema Odd one", "schema audit", "public.log", "public.log_1", "public.log_2", "public.many"],
    ),
    "an odd table": (
        {"include_tables": [ODD], "include_schemas": ["public"], "exclude_tables": ["public.log_2"]},
        ["schema audit", "public.log_2"],
    ),
    "without an odd table": ({"exclude_tables": [ODD, "audit.told"]}, [ODD, "audit.told"]),
    "without the rows of a partition": ({"exclude_table_data": ["public.log_1", ODD]}, [f"rows of {ODD}", "rows of public.log_1"]),
    "everything by name": ({"include_schemas": ["public", "audit", "Odd one"]}, []),
}


@pytest.fixture(scope="session")
def source(place: Place) -> Iterator[Place]:
    """The server with the database, which nobody changes."""
    place.postgresql.sql(f"CREATE DATABASE {NAME} OWNER owner", "postgres")
    place.postgresql.sql(SQL, NAME)
    yield place
    place.postgresql.sql(f"DROP DATABASE {NAME} WITH (FORCE)", "postgres")


def back_up(place: Place, directory: Path, selection: dict[str, list[str]], **how: Any) -> Outcome:
    return place.backup(directory, selection=selection, **{"database": NAME, **how})


@pytest.fixture(scope="session")
def made_partial(source: Place) -> Iterator[Path]:
    with source.room() as directory:
        source.good(back_up(source, directory / "backups", LESS, metrics_path=str(directory / "backup.prom")))
        yield directory / "backups"


@pytest.fixture
def partial(source: Place, made_partial: Path, room: Path) -> Backup:
    """A copy of a backup without a schema, a view and the rows of a table."""
    return copy_of(source, made_partial, room)


def judged(backup: Backup, room: Path, level: str = "data") -> tuple[str, list[tuple[str, str]]]:
    result = backup.verify(room, level=level, database=NAME).result
    return result["verdict"], sorted((difference["kind"], difference["subject"]) for difference in result["differences"])
