-- One object of every class that a dump can lose or change.
CREATE EXTENSION hstore;
CREATE EXTENSION postgres_fdw;
CREATE EXTENSION citext;
CREATE SCHEMA app AUTHORIZATION owner;
COMMENT ON SCHEMA app IS 'all of it';
GRANT USAGE ON SCHEMA app TO api;
ALTER DEFAULT PRIVILEGES FOR ROLE owner IN SCHEMA app GRANT SELECT ON TABLES TO api;
SET search_path = app, public;

CREATE COLLATION by_number (provider = icu, locale = 'en-u-kn');
CREATE TYPE state AS ENUM ('new', 'paid', 'sent');
CREATE DOMAIN percent AS numeric(5, 2) DEFAULT 1 CONSTRAINT percent_check CHECK (VALUE BETWEEN 0 AND 100);
CREATE TYPE pair AS (low integer, high percent);
CREATE TYPE span AS RANGE (SUBTYPE = float8);

CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
CREATE FUNCTION next_price(price numeric) RETURNS numeric LANGUAGE sql IMMUTABLE SET search_path = app AS 'SELECT price * 1.19';
CREATE PROCEDURE tidy(INOUT n integer) LANGUAGE sql AS 'SELECT n';
CREATE AGGREGATE longest(text) (SFUNC = textcat, STYPE = text);
CREATE OPERATOR === (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4eq);
CREATE CAST (span AS text) WITH INOUT AS ASSIGNMENT;
CREATE TEXT SEARCH DICTIONARY plain (TEMPLATE = simple, ACCEPT = true);
CREATE TEXT SEARCH CONFIGURATION words (COPY = simple);

CREATE TABLE customers (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text COLLATE by_number NOT NULL, note text DEFAULT 'none');
CREATE TABLE orders (
    id bigserial PRIMARY KEY,
    customer integer NOT NULL CONSTRAINT orders_customer REFERENCES customers ON DELETE RESTRICT,
    state state NOT NULL DEFAULT 'new',
    share percent,
    price numeric(10, 2) CONSTRAINT orders_price CHECK (price >= 0),
    gross numeric GENERATED ALWAYS AS (price * 1.19) STORED,
    lines pair[],
    facts hstore,
    document jsonb,
    during tstzrange,
    number integer CONSTRAINT orders_number UNIQUE DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT orders_during EXCLUDE USING gist (during WITH &&)
) WITH (fillfactor = 80);
CREATE INDEX orders_state ON orders (state) INCLUDE (price) WHERE price > 10;
CREATE UNIQUE INDEX orders_facts ON orders ((document ->> 'key'));
CREATE UNIQUE INDEX orders_identity ON orders (id, customer);
ALTER TABLE orders REPLICA IDENTITY USING INDEX orders_identity;
ALTER TABLE orders CLUSTER ON orders_pkey;
ALTER TABLE orders ALTER COLUMN state SET STATISTICS 500;
ALTER TABLE orders ALTER COLUMN document SET STORAGE EXTERNAL;
ALTER TABLE orders ALTER COLUMN document SET COMPRESSION pglz;
ALTER TABLE orders ADD CONSTRAINT orders_share CHECK (share > 0) NOT VALID;
CREATE STATISTICS orders_statistics (dependencies) ON state, share FROM orders;
CREATE TRIGGER orders_touched BEFORE UPDATE ON orders FOR EACH ROW WHEN (old.price > 5) EXECUTE FUNCTION touch();
CREATE TRIGGER orders_off BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE orders DISABLE TRIGGER orders_off;
CREATE RULE orders_kept AS ON DELETE TO customers DO INSTEAD NOTHING;
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE orders FORCE ROW LEVEL SECURITY;
CREATE POLICY orders_mine ON orders FOR SELECT TO api USING (share > 1);
GRANT SELECT ON orders TO api WITH GRANT OPTION;
GRANT UPDATE (price) ON orders TO api;
GRANT EXECUTE ON FUNCTION next_price(numeric) TO api;
COMMENT ON COLUMN orders.price IS 'net';

CREATE TABLE measured (at date, place text, value float8) PARTITION BY RANGE (at);
CREATE TABLE measured_2025 PARTITION OF measured FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE measured_rest PARTITION OF measured DEFAULT;
CREATE TABLE parent (id integer, note text);
CREATE TABLE child (extra integer) INHERITS (parent);
CREATE UNLOGGED TABLE fleeting (n integer);
CREATE TABLE copied (number bigint, word text);
CREATE TABLE alike (
    id integer PRIMARY KEY, n numeric, f float8, i interval, c char(5), w citext, e text COLLATE by_number, a integer[], p pair, j jsonb,
    z timestamptz, t text, b bytea, s state, x bit varying, r numrange
);
CREATE SEQUENCE tickets INCREMENT 5 CACHE 20;

CREATE VIEW cheap WITH (security_barrier) AS SELECT id, price FROM orders WHERE price < 10;
CREATE VIEW told AS SELECT id FROM customers;
ALTER VIEW told ALTER COLUMN id SET DEFAULT 7;
CREATE MATERIALIZED VIEW by_state AS SELECT state, count(*) AS orders FROM orders GROUP BY state;
CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
CREATE EVENT TRIGGER watched ON ddl_command_end EXECUTE FUNCTION watch();
CREATE PUBLICATION heard FOR TABLE orders (id, customer) WHERE (id > 5) WITH (publish = 'insert');
CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'db.example', dbname 'other');
CREATE FOREIGN TABLE distant (id integer, word text) SERVER elsewhere OPTIONS (table_name 'words');

INSERT INTO customers (name) SELECT 'name ' || n FROM generate_series(1, 30) n;
INSERT INTO orders (customer, share, price, lines, facts, document, number)
SELECT 1 + n % 30, 1 + n % 90, n % 50, ARRAY[(n, n % 100)::pair], hstore('key', n::text), jsonb_build_object('key', n, 'price', 1.0), n
FROM generate_series(1, 200) n;
INSERT INTO measured SELECT '2025-06-01'::date + n, 'here', n FROM generate_series(1, 400) n;
INSERT INTO parent VALUES (1, 'first');
INSERT INTO child VALUES (2, 'second', 3);
INSERT INTO copied SELECT n, 'word ' || n FROM generate_series(1, 50) n;
INSERT INTO alike VALUES (1, 1.0, 0, '1 month', 'a', 'Word', 'A', '{1,2}', NULL, '{"k": 1.0}', '2026-01-01Z', '', '\x', 'new', '', '[1.0,2]'),
    (2, 2.0, 2, '2 days', 'b', 'other', 'b', '{3}', (1, 2), '{"k": 2}', '2026-01-02Z', 'x', '\x00', 'paid', '01', '[3,4]'),
    (3, 3.0, 3, '3 days', 'c', 'third', 'c', '{4}', (2, 2), '{"k": 3}', '2026-01-03Z', 'y', '\x01', 'sent', '10', '[5,6]');
SELECT nextval('tickets');
REFRESH MATERIALIZED VIEW by_state;
SELECT lo_from_bytea(900001, 'a large object');
GRANT SELECT ON LARGE OBJECT 900001 TO api;
