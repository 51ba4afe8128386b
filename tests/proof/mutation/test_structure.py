# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every class of object is lost or changed once: the dump fails for that object and for no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.app import servers
from tests.integration.postgres.damage import Backup

# PostgreSQL 17 dumps them in groups.
LARGE_OBJECT = "BLOB METADATA" if servers.MAJOR >= 17 else "BLOB"
KINDS = {"-": "entry_missing", "+": "entry_unexpected", "~": "entry_changed"}
# What was done to the database that was dumped, and what the verification has to name.
MUTANTS = {
    "a default changed": ("ALTER TABLE app.orders ALTER state SET DEFAULT 'paid'", "~TABLE app.orders"),
    "a default dropped": ("ALTER TABLE app.customers ALTER note DROP DEFAULT", "~TABLE app.customers"),
    "a default of a view lost": ("ALTER VIEW app.told ALTER id DROP DEFAULT", "-DEFAULT app.told id"),
    "a rule dropped": ("DROP RULE orders_kept ON app.customers", "-RULE app.customers orders_kept"),
    "a rule changed": (
        "CREATE OR REPLACE RULE orders_kept AS ON DELETE TO app.customers WHERE old.id > 3 DO INSTEAD NOTHING",
        "~RULE app.customers orders_kept",
    ),
    "a rule disabled": ("ALTER TABLE app.customers DISABLE RULE orders_kept", "~RULE app.customers orders_kept"),
    "a grant lost": ("REVOKE SELECT ON app.orders FROM api CASCADE", "-ACL app.TABLE orders"),
    "a grant too many": ("GRANT DELETE ON app.orders TO api", "~ACL app.TABLE orders"),
    "a grant option lost": ("REVOKE GRANT OPTION FOR SELECT ON app.orders FROM api", "~ACL app.TABLE orders"),
    "a grant on a column lost": ("REVOKE UPDATE (price) ON app.orders FROM api", "-ACL app.COLUMN orders.price"),
    "a grant on a schema lost": ("REVOKE USAGE ON SCHEMA app FROM api", "-ACL SCHEMA app"),
    "a grant on a function lost": (
        "REVOKE EXECUTE ON FUNCTION app.next_price(numeric) FROM api",
        "-ACL app.FUNCTION next_price(price numeric)",
    ),
    "rights of objects to come lost": (
        "ALTER DEFAULT PRIVILEGES FOR ROLE owner IN SCHEMA app REVOKE SELECT ON TABLES FROM api",
        "-DEFAULT ACL app.DEFAULT PRIVILEGES FOR TABLES",
    ),
    "another owner of a table": ("ALTER TABLE app.copied OWNER TO owner", "~TABLE app.copied"),
    "another owner of a function": ("ALTER FUNCTION app.touch() OWNER TO owner", "~FUNCTION app.touch()"),
    "another owner of a schema": ("ALTER SCHEMA app OWNER TO admin", "~ACL SCHEMA app", "~COMMENT SCHEMA app", "~SCHEMA app"),
    "another owner of a type": ("ALTER TYPE app.state OWNER TO owner", "~TYPE app.state"),
    "another collation of a column": ('ALTER TABLE app.customers ALTER name TYPE text COLLATE "C"', "~TABLE app.customers"),
    "a collation lost": (
        'ALTER TABLE app.customers ALTER name TYPE text COLLATE "C"; ALTER TABLE app.alike ALTER e TYPE text COLLATE "C"; '
        "DROP COLLATION app.by_number",
        "-COLLATION app.by_number",
        "~TABLE app.alike",
        "~TABLE app.customers",
    ),
    "a policy dropped": ("DROP POLICY orders_mine ON app.orders", "-POLICY app.orders orders_mine"),
    "a policy changed": ("ALTER POLICY orders_mine ON app.orders USING (true)", "~POLICY app.orders orders_mine"),
    "a policy for everybody": ("ALTER POLICY orders_mine ON app.orders TO PUBLIC", "~POLICY app.orders orders_mine"),
    "row security disabled": ("ALTER TABLE app.orders DISABLE ROW LEVEL SECURITY", "-ROW SECURITY app.orders"),
    "row security not forced": ("ALTER TABLE app.orders NO FORCE ROW LEVEL SECURITY", "~TABLE app.orders"),
    "a trigger enabled": ("ALTER TABLE app.orders ENABLE TRIGGER orders_off", "~TRIGGER app.orders orders_off"),
    "a trigger disabled": ("ALTER TABLE app.orders DISABLE TRIGGER orders_touched", "~TRIGGER app.orders orders_touched"),
    "a trigger dropped": ("DROP TRIGGER orders_touched ON app.orders", "-TRIGGER app.orders orders_touched"),
    "a condition of a trigger changed": (
        "CREATE OR REPLACE TRIGGER orders_touched BEFORE UPDATE ON app.orders FOR EACH ROW WHEN (old.price > 6) "
        "EXECUTE FUNCTION app.touch()",
        "~TRIGGER app.orders orders_touched",
    ),
    "an event trigger disabled": ("ALTER EVENT TRIGGER watched DISABLE", "~EVENT TRIGGER watched"),
    "a constraint validated": (
        "ALTER TABLE app.orders VALIDATE CONSTRAINT orders_share",
        "-CHECK CONSTRAINT app.orders orders_share",
        "~TABLE app.orders",
    ),
    "a check dropped": ("ALTER TABLE app.orders DROP CONSTRAINT orders_price", "~TABLE app.orders"),
    "a check changed": (
        "ALTER TABLE app.orders DROP CONSTRAINT orders_price, ADD CONSTRAINT orders_price CHECK (price > -1)",
        "~TABLE app.orders",
    ),
    "a foreign key dropped": ("ALTER TABLE app.orders DROP CONSTRAINT orders_customer", "-FK CONSTRAINT app.orders orders_customer"),
    "a foreign key that deletes": (
        "ALTER TABLE app.orders DROP CONSTRAINT orders_customer, ADD CONSTRAINT orders_customer FOREIGN KEY (customer) "
        "REFERENCES app.customers ON DELETE CASCADE",
        "~FK CONSTRAINT app.orders orders_customer",
    ),
    "a foreign key not validated": (
        "ALTER TABLE app.orders DROP CONSTRAINT orders_customer, ADD CONSTRAINT orders_customer FOREIGN KEY (customer) "
        "REFERENCES app.customers ON DELETE RESTRICT NOT VALID",
        "~FK CONSTRAINT app.orders orders_customer",
    ),
    "a unique constraint dropped": ("ALTER TABLE app.orders DROP CONSTRAINT orders_number", "-CONSTRAINT app.orders orders_number"),
    "a constraint not deferrable": (
        "ALTER TABLE app.orders DROP CONSTRAINT orders_number, ADD CONSTRAINT orders_number UNIQUE (number)",
        "~CONSTRAINT app.orders orders_number",
    ),
    "an exclusion constraint dropped": ("ALTER TABLE app.orders DROP CONSTRAINT orders_during", "-CONSTRAINT app.orders orders_during"),
    "a primary key dropped": ("ALTER TABLE app.orders DROP CONSTRAINT orders_pkey", "-CONSTRAINT app.orders orders_pkey"),
    "an index dropped": ("DROP INDEX app.orders_state", "-INDEX app.orders_state"),
    "a predicate of an index changed": (
        "DROP INDEX app.orders_state; CREATE INDEX orders_state ON app.orders (state) INCLUDE (price) WHERE price > 11",
        "~INDEX app.orders_state",
    ),
    "an index without its column": (
        "DROP INDEX app.orders_state; CREATE INDEX orders_state ON app.orders (state) WHERE price > 10",
        "~INDEX app.orders_state",
    ),
    "an index not unique": (
        "DROP INDEX app.orders_facts; CREATE INDEX orders_facts ON app.orders ((document ->> 'key'))",
        "~INDEX app.orders_facts",
    ),
    "a replica identity lost": ("ALTER TABLE app.orders REPLICA IDENTITY DEFAULT", "~INDEX app.orders_identity"),
    "an order of rows lost": ("ALTER TABLE app.orders SET WITHOUT CLUSTER", "~CONSTRAINT app.orders orders_pkey"),
    "a statistics target lost": ("ALTER TABLE app.orders ALTER state SET STATISTICS -1", "~TABLE app.orders"),
    "extended statistics dropped": ("DROP STATISTICS app.orders_statistics", "-STATISTICS app.orders_statistics"),
    "a storage lost": ("ALTER TABLE app.orders ALTER document SET STORAGE EXTENDED", "~TABLE app.orders"),
    "a compression lost": ("ALTER TABLE app.orders ALTER document SET COMPRESSION DEFAULT", "~TABLE app.orders"),
    "a fill factor lost": ("ALTER TABLE app.orders RESET (fillfactor)", "~TABLE app.orders"),
    "a bound of a partition changed": (
        "ALTER TABLE app.measured DETACH PARTITION app.measured_2025; ALTER TABLE app.measured ATTACH PARTITION "
        "app.measured_2025 FOR VALUES FROM ('2024-01-01') TO ('2026-01-01')",
        "~TABLE ATTACH app.measured_2025",
    ),
    "a partition detached": ("ALTER TABLE app.measured DETACH PARTITION app.measured_rest", "-TABLE ATTACH app.measured_rest"),
    "a partition dropped": ("DROP TABLE app.measured_rest", "-TABLE ATTACH app.measured_rest", "-TABLE app.measured_rest"),
    "a child without its parent": ("ALTER TABLE app.child NO INHERIT app.parent", "~TABLE app.child"),
    "a table that is logged": ("ALTER TABLE app.fleeting SET LOGGED", "~TABLE app.fleeting"),
    "a table that is not logged": ("ALTER TABLE app.copied SET UNLOGGED", "~TABLE app.copied"),
    "a table dropped": ("DROP TABLE app.copied", "-TABLE app.copied"),
    "a table too many": ("CREATE TABLE app.stranger (n integer)", "+TABLE app.stranger"),
    "a check of a domain dropped": ("ALTER DOMAIN app.percent DROP CONSTRAINT percent_check", "~DOMAIN app.percent"),
    "a default of a domain changed": ("ALTER DOMAIN app.percent SET DEFAULT 2", "~DOMAIN app.percent"),
    "an enum in another order": (
        "ALTER TYPE app.state RENAME VALUE 'new' TO 'x'; ALTER TYPE app.state RENAME VALUE 'paid' TO 'new'; ALTER TYPE "
        "app.state RENAME VALUE 'x' TO 'paid'",
        "~TABLE app.orders",
        "~TYPE app.state",
    ),
    "an enum with a value more": ("ALTER TYPE app.state ADD VALUE 'lost'", "~TYPE app.state"),
    "an attribute of a type too many": ("ALTER TYPE app.pair ADD ATTRIBUTE third integer", "~TYPE app.pair"),
    "a range without its subtype's kind": ("DROP TYPE app.span CASCADE", "-CAST CAST (app.span AS text)", "-TYPE app.span"),
    "a body of a function changed": (
        "CREATE OR REPLACE FUNCTION app.next_price(price numeric) RETURNS numeric LANGUAGE sql IMMUTABLE SET "
        "search_path = app AS 'SELECT price * 1.2'",
        "~FUNCTION app.next_price(numeric)",
    ),
    "a function not immutable": ("ALTER FUNCTION app.next_price(numeric) VOLATILE", "~FUNCTION app.next_price(numeric)"),
    "a function with the rights of its owner": (
        "ALTER FUNCTION app.next_price(numeric) SECURITY DEFINER",
        "~FUNCTION app.next_price(numeric)",
    ),
    "a setting of a function lost": ("ALTER FUNCTION app.next_price(numeric) RESET ALL", "~FUNCTION app.next_price(numeric)"),
    "a procedure dropped": ("DROP PROCEDURE app.tidy(integer)", "-PROCEDURE app.tidy(integer)"),
    "an aggregate changed": (
        "DROP AGGREGATE app.longest(text); CREATE AGGREGATE app.longest(text) (SFUNC = textcat, STYPE = text, INITCOND = '')",
        "~AGGREGATE app.longest(text)",
    ),
    "an operator dropped": ("DROP OPERATOR app.=== (integer, integer)", "-OPERATOR app.==="),
    "a cast dropped": ("DROP CAST (app.span AS text)", "-CAST CAST (app.span AS text)"),
    "a text search configuration changed": (
        "ALTER TEXT SEARCH CONFIGURATION app.words DROP MAPPING FOR email",
        "~TEXT SEARCH CONFIGURATION app.words",
    ),
    "a text search dictionary changed": ("ALTER TEXT SEARCH DICTIONARY app.plain (ACCEPT = false)", "~TEXT SEARCH DICTIONARY app.plain"),
    "a column of another type": ("ALTER TABLE app.copied ALTER number TYPE integer", "~TABLE app.copied"),
    "a column dropped": ("ALTER TABLE app.copied DROP word", "~TABLE app.copied"),
    "a column too many": ("ALTER TABLE app.copied ADD another integer", "~TABLE app.copied"),
    "a column that may be null": ("ALTER TABLE app.orders ALTER state DROP NOT NULL", "~TABLE app.orders"),
    "an identity by default": ("ALTER TABLE app.customers ALTER id SET GENERATED BY DEFAULT", "~SEQUENCE app.customers_id_seq"),
    "a generated column that is none": ("ALTER TABLE app.orders ALTER gross DROP EXPRESSION", "~TABLE app.orders"),
    "a view changed": (
        "CREATE OR REPLACE VIEW app.cheap WITH (security_barrier) AS SELECT id, price FROM app.orders WHERE price < 11",
        "~VIEW app.cheap",
    ),
    "a view without its barrier": ("ALTER VIEW app.cheap RESET (security_barrier)", "~VIEW app.cheap"),
    "a materialized view dropped": (
        "DROP MATERIALIZED VIEW app.by_state",
        "-MATERIALIZED VIEW DATA app.by_state",
        "-MATERIALIZED VIEW app.by_state",
    ),
    "a materialized view not populated": ("REFRESH MATERIALIZED VIEW app.by_state WITH NO DATA", "-MATERIALIZED VIEW DATA app.by_state"),
    "a sequence of another step": ("ALTER SEQUENCE app.tickets INCREMENT 6", "~SEQUENCE app.tickets"),
    "a sequence that keeps no numbers": ("ALTER SEQUENCE app.tickets CACHE 1", "~SEQUENCE app.tickets"),
    "a sequence one further": ("SELECT setval('app.tickets', 2)", "~SEQUENCE SET app.tickets"),
    "a sequence one back": ("SELECT setval('app.orders_id_seq', 199)", "~SEQUENCE SET app.orders_id_seq"),
    "a sequence not called yet": ("SELECT setval('app.orders_id_seq', 200, false)", "~SEQUENCE SET app.orders_id_seq"),
    "a sequence that nobody owns": (
        "ALTER SEQUENCE app.orders_id_seq OWNED BY NONE",
        "-DEFAULT app.orders id",
        "-SEQUENCE OWNED BY app.orders_id_seq",
        "~TABLE app.orders",
    ),
    "a comment lost": ("COMMENT ON COLUMN app.orders.price IS NULL", "-COMMENT app.COLUMN orders.price"),
    "a comment changed": ("COMMENT ON SCHEMA app IS 'most of it'", "~COMMENT SCHEMA app"),
    "a publication of more rows": ("ALTER PUBLICATION heard SET TABLE app.orders (id, customer)", "~PUBLICATION TABLE app.heard orders"),
    "a publication of more operations": ("ALTER PUBLICATION heard SET (publish = 'insert, update')", "~PUBLICATION heard"),
    "a publication dropped": ("DROP PUBLICATION heard", "-PUBLICATION TABLE app.heard orders", "-PUBLICATION heard"),
    "an extension dropped": (
        "DROP EXTENSION postgres_fdw CASCADE",
        "-COMMENT EXTENSION postgres_fdw",
        "-EXTENSION postgres_fdw",
        "-FOREIGN TABLE app.distant",
        "-SERVER elsewhere",
    ),
    "a foreign server elsewhere": ("ALTER SERVER elsewhere OPTIONS (SET host 'db2.example')", "~SERVER elsewhere"),
    "a foreign table of other rows": ("ALTER FOREIGN TABLE app.distant OPTIONS (SET table_name 'other')", "~FOREIGN TABLE app.distant"),
    "a large object of another owner": ("ALTER LARGE OBJECT 900001 OWNER TO owner", "~ACL LARGE OBJECT 900001", f"~{LARGE_OBJECT} 900001"),
    "a large object for everybody": ("GRANT SELECT ON LARGE OBJECT 900001 TO PUBLIC", "~ACL LARGE OBJECT 900001"),
    "a large object lost": ("SELECT lo_unlink(900001)", "-ACL LARGE OBJECT 900001", f"-{LARGE_OBJECT} 900001"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_in_the_dump_is(name: str, everything: Backup, room: Path) -> None:
    sql, *expected = MUTANTS[name]
    everything.graft(sql)
    result = everything.verify(room, level="checksum", database="everything").result
    found = [(difference["kind"], difference["subject"]) for difference in result["differences"]]
    assert (result["verdict"], found) == ("failed", [(KINDS[word[0]], word[1:]) for word in expected])
