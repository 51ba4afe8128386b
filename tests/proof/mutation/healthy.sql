-- One database after the other: its name, and what makes it.

-- # numbers at their ends
CREATE TABLE t (n numeric, f4 float4, f8 float8, i bigint, m money);
INSERT INTO t VALUES ('NaN', 'NaN', 'NaN', 0, 0), ('Infinity', 'Infinity', 'Infinity', 9223372036854775807, '1.5'),
    ('-Infinity', '-Infinity', '-Infinity', -9223372036854775808, '-92233720368547758.08'), ('1.0', '-0', '-0', 1, 2),
    ('1.00', 0, 1e-300, 2, 3), (1e1000, 1e-40, 4.9e-324, 3, 4);

-- # times at their ends
CREATE TABLE t (d date, s timestamp, z timestamptz, i interval, h time, o timetz);
INSERT INTO t VALUES ('infinity', 'infinity', '-infinity', '1 month', '24:00', '24:00+15:59'),
    ('4713-01-01 BC', '4713-01-01 BC', '2026-03-29 01:30+00', '30 days', '00:00', '00:00-15:59'),
    ('5874897-12-31', '294276-12-31', '-infinity', '-178000000 years', '12:00:00.000001', '12:00+01');

-- # documents
CREATE TABLE t (a json, b jsonb, c xml);
INSERT INTO t VALUES ('{"a":1, "a":  1.0}', '{"a": 1.0, "b": 1.00, "c": null}', '<a b="1">ü</a>'), ('null', 'null', NULL),
    ('[1,  2]', '[]', '<!-- note --><a/>');

-- # ranges
CREATE TYPE span AS RANGE (SUBTYPE = float8, MULTIRANGE_TYPE_NAME = spans);
CREATE TABLE t (a int4range, b numrange, c tstzrange, d span, e int8multirange, f spans);
INSERT INTO t VALUES ('empty', '[1.0,1.00]', '[2026-01-01Z,infinity)', '[0,)', '{[1,2),[5,9)}', '{}'),
    ('(,)', '(,5]', '(,)', '[-0,0]', '{}', '{[1,2]}');

-- # arrays
CREATE TYPE pair AS (low integer, high text);
CREATE TABLE t (a integer[], b text[], c pair[], d numeric[][], e timestamptz[]);
INSERT INTO t VALUES ('[-2:0]={1,2,3}', '{NULL,"NULL","a,b","\"\\"}', ARRAY[(1, 'x')::pair, NULL], '{{1.0,1.00},{NaN,2}}', '{infinity}'),
    ('{}', '{""}', '{}', '{}', NULL), ('{{1},{2}}', '[5:5][1:2]={{a,b}}', NULL, NULL, '{}');

-- # composites and domains
CREATE DOMAIN percent AS numeric(5, 2) CHECK (VALUE >= 0);
CREATE TYPE pair AS (low integer, share percent);
CREATE TYPE nest AS (one pair, many pair[]);
CREATE DOMAIN pairs AS pair[] CHECK (cardinality(VALUE) < 9);
CREATE TABLE t (a pair, b nest, c pairs, d percent);
INSERT INTO t VALUES ((1, 2.5), ((1, 2)::pair, ARRAY[(3, NULL)::pair]), ARRAY[(1, 1)::pair], 0), (NULL, NULL, NULL, NULL),
    ((NULL, NULL), (NULL, NULL), '{}', 100);

-- # enums, also as keys of partitions
CREATE TYPE state AS ENUM ('new', 'paid', 'sent');
ALTER TYPE state ADD VALUE 'lost' BEFORE 'sent';
CREATE TABLE by_list (s state, n integer) PARTITION BY LIST (s);
CREATE TABLE by_list_new PARTITION OF by_list FOR VALUES IN ('new', 'lost');
CREATE TABLE by_list_rest PARTITION OF by_list DEFAULT;
INSERT INTO by_list SELECT s, n FROM unnest(enum_range(NULL::state)) s, generate_series(1, 20) n;
CREATE TABLE by_hash (s state, n integer) PARTITION BY HASH (s);
CREATE TABLE by_hash_0 PARTITION OF by_hash FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE by_hash_1 PARTITION OF by_hash FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE by_hash_2 PARTITION OF by_hash FOR VALUES WITH (MODULUS 3, REMAINDER 2);
INSERT INTO by_hash SELECT s, n FROM by_list;
CREATE TABLE t (s state, many state[]);
INSERT INTO t VALUES ('new', '{sent,lost}'), (NULL, NULL);

-- # texts of all sorts
CREATE EXTENSION citext;
CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE t (a text, b varchar(9), c char(9), d citext, e text COLLATE blind, f name, g "char");
INSERT INTO t VALUES (E'line\r\nend', 'a ', 'a ', 'AbC', 'Ä', 'n', 'x'), (E'\\.\n\\N\t\b', '', '', 'aBc', 'ä', '', ''),
    (E'\u00fc\U0001F600', NULL, NULL, NULL, NULL, NULL, NULL), ('\N', '\.', '\', '\x', 'A', 'a', '1');

-- # bytes, bits and addresses
CREATE TABLE t (a bytea, b bit(5), c bit varying, d inet, e cidr, f macaddr, g uuid, h pg_lsn);
INSERT INTO t VALUES ('\x', '10101', '', '::1/64', '10.0.0.0/8', '08:00:2b:01:02:03', gen_random_uuid(), '16/B374D848'),
    ('\x00ff5c6e0a', '00000', '0', '10.1.2.3', '::/0', NULL, NULL, '0/0'), (decode(repeat('00', 10000), 'hex'), NULL, NULL, NULL, NULL, NULL, NULL, NULL);

-- # shapes and words
CREATE TABLE t (a point, b box, c polygon, d path, e line, f circle, g lseg, h tsvector, i tsquery);
INSERT INTO t VALUES ('(1,-0)', '(1,1),(0,0)', '((0,0),(1,1),(1,0))', '[(0,0),(1,1)]', '{1,2,3}', '<(1,2),3>', '[(0,0),(1,1)]',
    'a:1A fat:2B,4C cat:5D', 'fat & !cat | rat:*'), ('(NaN,Infinity)', NULL, NULL, NULL, NULL, NULL, NULL, '', '');

-- # names of objects in rows
CREATE FUNCTION f(integer) RETURNS integer LANGUAGE sql AS 'SELECT $1';
CREATE TABLE t (a regclass, b regtype, c regproc, d regprocedure, e regrole, f regnamespace, g aclitem, h oid, i tid, j xid8);
INSERT INTO t VALUES ('t', 'integer', 'f', 'f(integer)', 'api', 'public', 'api=r/owner', 4711, '(1,2)', '9');

-- # types of extensions
CREATE EXTENSION hstore;
CREATE EXTENSION ltree;
CREATE EXTENSION cube;
CREATE EXTENSION seg;
CREATE EXTENSION isn;
CREATE EXTENSION intarray;
CREATE TABLE t (a hstore, b ltree, c cube, d seg, e isbn13, f lquery, g ltree[]);
INSERT INTO t VALUES ('b=>1, a=>NULL', 'Top.Science', '(1,2),(3,4)', '1.00 .. 2', '978-0-393-04002-9', '*.a{2}', '{a.b,c}');

-- # rows of an extension's own table
CREATE EXTENSION unaccent;
CREATE TABLE t (n integer);
INSERT INTO t VALUES (1);

-- # a table without columns
CREATE TABLE nothing ();
INSERT INTO nothing DEFAULT VALUES;
INSERT INTO nothing DEFAULT VALUES;

-- # columns that have the names of tables
CREATE TABLE t (t integer, "T" text, r integer, h integer, "row" text, "select" text);
INSERT INTO t VALUES (1, 'a', 2, 3, 'b', 'c');
CREATE TABLE "row" ("row" integer);
INSERT INTO "row" VALUES (7);

-- # a child with its columns in another order
CREATE TABLE parent (a integer, b text);
CREATE TABLE child (b text, c date, a integer);
ALTER TABLE child INHERIT parent;
INSERT INTO child VALUES ('x', '2026-01-01', 1);
INSERT INTO parent VALUES (2, 'y');
ALTER TABLE parent ADD late numeric DEFAULT 1.50;

-- # columns that were dropped and added
CREATE TABLE t (a integer, b text, c integer);
INSERT INTO t VALUES (1, 'x', 2);
ALTER TABLE t DROP b;
ALTER TABLE t ADD d numeric DEFAULT 3.0;
ALTER TABLE t ADD b date;
INSERT INTO t VALUES (2, 3, 4.00, 'infinity');

-- # numbers that it gives and computes
CREATE TABLE t (id integer GENERATED ALWAYS AS IDENTITY (START 5 INCREMENT 5), n numeric, twice numeric GENERATED ALWAYS AS (n * 2) STORED,
    other smallserial);
INSERT INTO t (n) SELECT n FROM generate_series(1, 9) n;
CREATE SEQUENCE down INCREMENT -1 MAXVALUE 10 START 10;
SELECT nextval('down');

-- # large objects
SELECT lo_from_bytea(810001, 'first'), lo_from_bytea(810002, ''), lo_from_bytea(810003, decode(repeat('00ff', 70000), 'hex'));
ALTER LARGE OBJECT 810002 OWNER TO owner; GRANT SELECT ON LARGE OBJECT 810001 TO api; COMMENT ON LARGE OBJECT 810003 IS 'note';
CREATE TABLE t (picture oid);
INSERT INTO t VALUES (810001);

-- # tables that keep nothing and tables elsewhere
CREATE EXTENSION postgres_fdw;
CREATE UNLOGGED TABLE fleeting (n integer PRIMARY KEY);
INSERT INTO fleeting VALUES (1);
CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'db.example');
CREATE FOREIGN TABLE distant (id integer) SERVER elsewhere;

-- # row security
CREATE TABLE t (id integer, who text);
INSERT INTO t VALUES (1, 'api'), (2, 'owner');
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
ALTER TABLE t FORCE ROW LEVEL SECURITY;
CREATE POLICY mine ON t USING (who = current_user);

-- # odd names
CREATE SCHEMA "a.b";
CREATE TABLE "a.b"."c.d" ("e.f" integer, "%s {0} :x" text);
INSERT INTO "a.b"."c.d" VALUES (1, '%');
CREATE SCHEMA "ü ""q""";
CREATE TABLE "ü ""q"""."new\line" ("'" integer);
INSERT INTO "ü ""q"""."new\line" VALUES (2);

-- # tables without rows
CREATE TABLE a (n integer);
CREATE TABLE b (n integer) PARTITION BY RANGE (n);
CREATE TABLE c () INHERITS (a);

-- # constraints that hold for new rows alone
CREATE TABLE parent (id integer PRIMARY KEY);
CREATE TABLE t (id integer, n integer);
INSERT INTO t VALUES (7, -1);
ALTER TABLE t ADD FOREIGN KEY (id) REFERENCES parent NOT VALID;
ALTER TABLE t ADD CHECK (n > 0) NOT VALID;

-- # tables that refer to each other
CREATE TABLE a (id integer PRIMARY KEY, b integer);
CREATE TABLE b (id integer PRIMARY KEY, a integer REFERENCES a);
ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b DEFERRABLE INITIALLY DEFERRED;
BEGIN;
INSERT INTO a VALUES (1, 1);
INSERT INTO b VALUES (1, 1); COMMIT;

-- # equal rows
CREATE TABLE t (n integer, w text);
INSERT INTO t SELECT 1, 'x' FROM generate_series(1, 1000);
INSERT INTO t VALUES (NULL, NULL), (NULL, NULL);

-- # long values
CREATE TABLE t (a text, b jsonb);
INSERT INTO t SELECT repeat('ü', 3000000), jsonb_build_object('k', repeat('v', 500000));
