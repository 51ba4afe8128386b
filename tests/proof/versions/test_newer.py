# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What PostgreSQL has since 16, 17 and 18: it is backed up, restored and compared, and a loss of it is seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.app import servers
from tests.integration.postgres.damage import Backup
from tests.integration.postgres.support import Place
from tests.integration.postgres.test_verify_healthy import Database, passes, typed

SINCE: dict[str, tuple[int, Database]] = {
    "constructors of JSON in a view": (16, Database("CREATE VIEW v AS SELECT JSON_OBJECT('a': 1, 'b': JSON_ARRAY(1, 2)) AS j")),
    "a locale of the server's own": (
        17,
        Database(
            "CREATE TABLE t (w text PRIMARY KEY); INSERT INTO t VALUES ('a'), ('Z'), (E'\\u00df')",
            "ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C.UTF-8'",
        ),
    ),
    "a right to maintain": (17, Database("CREATE TABLE t (n integer); GRANT MAINTAIN ON t TO maintenance")),
    "rights in rows": (17, Database("CREATE TABLE t (a aclitem); INSERT INTO t VALUES ('api=arwdDxtm/owner')")),
    "identities of a partitioned table": (
        17,
        Database(
            "CREATE TABLE p (id integer GENERATED ALWAYS AS IDENTITY, d date) PARTITION BY RANGE (d);"
            " CREATE TABLE p_all PARTITION OF p DEFAULT; INSERT INTO p (d) SELECT '2026-01-01' FROM generate_series(1, 5)"
        ),
    ),
    "exclusion on a partitioned table": (
        17,
        Database(
            "CREATE TABLE p (n integer, r int4range, EXCLUDE USING gist (r WITH &&, n WITH =)) PARTITION BY LIST (n)"
            if servers.MAJOR < 17
            else "CREATE EXTENSION btree_gist; CREATE TABLE p (n integer, r int4range, EXCLUDE USING gist (n WITH =, r WITH &&))"
            " PARTITION BY LIST (n); CREATE TABLE p_all PARTITION OF p DEFAULT; INSERT INTO p VALUES (1, '[1,2)')"
        ),
    ),
    "a table out of JSON": (
        17,
        Database("""CREATE VIEW v AS SELECT * FROM JSON_TABLE('[{"a": 1}]', '$[*]' COLUMNS (a integer PATH '$.a')) AS jt"""),
    ),
    "trees of labels with a hash": (17, Database("CREATE EXTENSION ltree; CREATE TABLE t (l ltree); INSERT INTO t VALUES ('Top.Science')")),
    "columns that are computed when read": (
        18,
        Database("CREATE TABLE t (n integer, twice integer GENERATED ALWAYS AS (n * 2) VIRTUAL); INSERT INTO t VALUES (1), (2)"),
    ),
    "constraints of columns with names": (
        18,
        Database(
            "CREATE TABLE t (n integer CONSTRAINT there NOT NULL, m integer); INSERT INTO t VALUES (1);"
            " ALTER TABLE t ADD CONSTRAINT later NOT NULL m NOT VALID; COMMENT ON CONSTRAINT there ON t IS 'why'"
        ),
    ),
    "constraints that nobody enforces": (
        18,
        Database(
            "CREATE TABLE t (n integer PRIMARY KEY, p integer REFERENCES t NOT ENFORCED, CHECK (n > 5) NOT ENFORCED);"
            " INSERT INTO t VALUES (1, 9)"
        ),
    ),
    "keys over time": (
        18,
        Database(
            "CREATE EXTENSION btree_gist; CREATE TABLE t (id integer, during daterange, PRIMARY KEY (id, during WITHOUT OVERLAPS));"
            " INSERT INTO t VALUES (1, '[2026-01-01,2026-02-01)'), (1, '[2026-02-01,2026-03-01)');"
            " CREATE TABLE c (id integer, during daterange, FOREIGN KEY (id, PERIOD during) REFERENCES t (id, PERIOD during));"
            " INSERT INTO c VALUES (1, '[2026-01-10,2026-02-10)')"
        ),
    ),
    "statistics of the planner": (
        17,
        Database("CREATE TABLE t AS SELECT n, n % 7 AS m FROM generate_series(1, 1000) n; CREATE STATISTICS s ON n, m FROM t; ANALYZE"),
    ),
}
HERE = {name: database for name, (since, database) in SINCE.items() if since <= servers.MAJOR}


@pytest.mark.parametrize("name", HERE)
def test_there_are(name: str, place: Place, room: Path) -> None:
    assert passes(place, room, HERE[name])


MEMBERSHIPS = {
    "of one that inherits nothing of it": "GRANT owner TO maintenance WITH INHERIT FALSE",
    "of one that may not become it": "GRANT owner TO maintenance WITH SET FALSE",
    "by another grantor": "GRANT owner TO api WITH ADMIN OPTION; SET ROLE api; GRANT owner TO monitoring",
}
_UNDO = "REVOKE owner FROM monitoring, api GRANTED BY admin CASCADE; GRANT owner TO maintenance WITH INHERIT TRUE, SET TRUE"


@pytest.mark.parametrize("name", MEMBERSHIPS)
def test_a_membership(name: str, place: Place, room: Path) -> None:
    """It comes back as it was; taken away from the backup, it is missed."""
    typed(place, MEMBERSHIPS[name], "postgres")
    try:
        made = place.good(place.backup(room / "backups"))
        backup = Backup(place, Path(made.result["backup_path"]))
        assert backup.verify(room).result["verdict"] == "passed"
        taken = b"GRANT owner TO maintenance WITH INHERIT TRUE, SET TRUE; REVOKE ADMIN OPTION FOR owner FROM api CASCADE;"
        backup.replace("globals.sql", lambda data: data + taken, reseal=True)
        result = backup.verify(room).result
        assert (result["verdict"], {difference["kind"] for difference in result["differences"]}) == ("failed", {"role_changed"})
    finally:
        typed(place, _UNDO, "postgres")


MUTANTS = {
    "a right to maintain lost": (17, "GRANT MAINTAIN ON t TO api", "REVOKE MAINTAIN ON t FROM api", {"entry_missing"}),
    "a column that is stored": (
        18,
        "ALTER TABLE t ADD twice integer GENERATED ALWAYS AS (n * 2) VIRTUAL",
        "ALTER TABLE t DROP twice, ADD twice integer GENERATED ALWAYS AS (n * 2) STORED",
        {"entry_changed"},
    ),
    "a constraint of another name": (
        18,
        "ALTER TABLE t ADD CONSTRAINT there NOT NULL n",
        "ALTER TABLE t RENAME CONSTRAINT there TO elsewhere",
        {"entry_changed"},
    ),
    "a constraint that is enforced": (
        18,
        "ALTER TABLE t ADD CONSTRAINT small CHECK (n < 9) NOT ENFORCED",
        "ALTER TABLE t DROP CONSTRAINT small, ADD CONSTRAINT small CHECK (n < 9)",
        {"entry_missing", "entry_changed"},
    ),
}


@pytest.mark.parametrize("name", [name for name, (since, *_rest) in MUTANTS.items() if since <= servers.MAJOR])
def test_in_the_dump_is(name: str, place: Place, room: Path) -> None:
    _since, before, changed, kinds = MUTANTS[name]
    typed(place, "CREATE DATABASE newer OWNER owner TEMPLATE template0", "postgres")
    try:
        typed(place, f"CREATE TABLE t (n integer); {before}", "newer")
        (room / "admin").mkdir()
        for file, text in (("username", "admin"), ("password", f"{servers.PASSWORD}\n")):
            (room / "admin" / file).write_text(text, encoding="utf-8")
        known = {"credentials_dir": str(room / "admin"), "database": "newer", "directory": str(room / "backups")}
        made = place.good(place.run("pg_backup", {**place.options("admin"), **known}))
        backup = Backup(place, Path(made.result["backup_path"]))
        backup.graft(changed)
        result = backup.verify(room, level="checksum", database="newer").result
        assert (result["verdict"], {difference["kind"] for difference in result["differences"]}) == ("failed", kinds)
    finally:
        typed(place, "DROP DATABASE newer WITH (FORCE)", "postgres")
