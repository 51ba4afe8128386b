# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows that somebody has deleted come back beside the live tables, which are not touched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import manifest

from tests.integration.modules import Outcome
from tests.integration.postgres import damage, support
from tests.integration.postgres.scene import Scene
from tests.integration.postgres.support import ROWS

KINDS = r"""
CREATE SCHEMA other; GRANT USAGE ON SCHEMA other TO owner; CREATE SCHEMA "Odd ""one";
CREATE TYPE other.state AS ENUM ('new', 'old'); CREATE DOMAIN percent AS numeric(5, 2); CREATE TYPE pair AS (low integer, high percent);
CREATE TABLE other.endpoints (n integer); INSERT INTO other.endpoints VALUES (7);
CREATE TABLE "Odd ""one"."all's" (
  id integer GENERATED ALWAYS AS IDENTITY, state other.state, states other.state[], both_of pair, share percent,
  doubled numeric GENERATED ALWAYS AS (share * 2) STORED, during tstzrange, price money, document jsonb, raw bytea,
  word varchar(9) COLLATE "C", value float8, age interval, gone text
);
INSERT INTO "Odd ""one"."all's" (state, states, both_of, share, during, price, document, raw, word, value, age)
VALUES ('old', '{new,NULL,old}', '(1,2.50)', 3.10, '[2026-01-01Z,infinity)', '1.20', '{"a": [1.0, null]}', '\x00ff', E'\\.\r\n\tü', 'NaN',
  '1 mon -2 days');
INSERT INTO "Odd ""one"."all's" (value) VALUES ('-0');
ALTER TABLE "Odd ""one"."all's" DROP COLUMN gone;
"""
RIGHTS = """
SELECT has_schema_privilege('api', nspname, 'USAGE'), nspowner::regrole FROM pg_namespace WHERE starts_with(nspname, 'restored_')
"""
MISSING = """
INSERT INTO endpoints SELECT * FROM {0}.endpoints WHERE name NOT IN (SELECT name FROM endpoints);
INSERT INTO requests SELECT * FROM {0}.requests b WHERE NOT EXISTS (SELECT FROM requests r WHERE (r.id, r.timestamp) = (b.id, b.timestamp))
"""
CHANGING = f"""
CREATE FUNCTION public.change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.number := {ROWS + 1} - new.number; RETURN new; END $$;
CREATE FUNCTION public.changing() RETURNS event_trigger LANGUAGE plpgsql AS $$ DECLARE made record; BEGIN
  FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE object_type = 'table' LOOP
    EXECUTE format('CREATE TRIGGER change BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION public.change()', made.object_identity);
  END LOOP; END $$;
CREATE EVENT TRIGGER changing ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.changing();
"""  # noqa: S608 - a number of ours
_SCHEMAS = "SELECT string_agg(nspname, ' ' ORDER BY 1) FROM pg_namespace WHERE nspname !~ '^pg_'"


def restored(scene: Scene, room: Path, *tables: str, how: Any = None, **changes: Any) -> Outcome:
    return scene.run(how, tables=list(tables), scratch_dir=str(room / "scratch"), **changes)


def test_deleted_rows_come_back_beside_the_live_ones_until_they_are_dropped(scene: Scene, room: Path) -> None:
    schemas = scene.sql(_SCHEMAS)
    scene.sql("DELETE FROM requests WHERE number < 500")
    lost, databases = scene.seen(), scene.databases()
    with scene.client("api") as session:
        result = scene.place.good(restored(scene, room, "public.endpoints", "public.requests")).result
        assert session.poll() is None
    schema = f"restored_{scene.backup.lower()}"
    assert (result["changed"], result["side_schema"], result["rows"], result["backup"]) == (True, schema, ROWS + 20, scene.backup)
    expected = [("public.endpoints", f"{schema}.endpoints", 20), ("public.requests", f"{schema}.requests", ROWS)]
    assert [(made["table"], made["side_table"], made["rows"]) for made in result["side_tables"]] == expected
    assert (scene.seen(), scene.databases(), result["tries"], result["kept_database"]) == (lost, databases, 0, "")
    assert scene.sql(RIGHTS) == "f|owner"
    assert [path.name for path in (room / "scratch").iterdir()] == [".lock"]

    again = restored(scene, room, "public.endpoints")
    assert f"There is a schema {schema} already" in again.message
    scene.sql(MISSING.format(schema))
    assert scene.seen() == scene.content

    scene.sql(f"CREATE VIEW used AS TABLE {schema}.requests")
    refused = scene.undo(side_schema=schema)
    assert f"Somebody uses the schema {schema}, so it stays as it is" in refused.message
    assert "view used depends on table" in refused.message
    scene.sql("DROP VIEW used")
    foreseen = scene.place.good(scene.undo(how={"check": True}, side_schema=schema)).result
    assert (foreseen["changed"], foreseen["diff"]["after"], f"table {schema}.requests" in foreseen["diff"]["before"]) == (True, "", True)
    assert schema in scene.sql(_SCHEMAS)
    assert scene.place.good(scene.undo(side_schema=schema)).result["side_schema"] == schema
    assert (scene.sql(_SCHEMAS), scene.seen()) == (schemas, scene.content)


def test_values_of_all_kinds_are_what_they_were(scene: Scene, room: Path) -> None:
    scene.sql(KINDS)
    backup = scene.place.good(scene.place.backup(room / "backups")).result["backup"]
    odd, named = '"Odd ""one"."all\'s"', "Odd \"one.all's"
    before = scene.sql(f"TABLE {odd}")
    scene.sql(f"TRUNCATE {odd}; CREATE SCHEMA restored_by_somebody; ALTER ROLE restore SET DateStyle = 'German'")
    try:
        where = {"directory": str(room / "backups"), "backup": backup, "require_proven": False}
        result = scene.place.good(restored(scene, room, named, "public.endpoints", "other.endpoints", **where)).result
    finally:
        scene.sql("ALTER ROLE restore RESET ALL")
    schema = result["side_schema"]
    assert [made["side_table"] for made in result["side_tables"]] == [
        f"{schema}.all's",
        f"{schema}.public.endpoints",
        f"{schema}.other.endpoints",
    ]
    assert scene.sql(f'TABLE {schema}."all\'s"') == before
    assert scene.sql(f'TABLE {schema}."other.endpoints"') == "7"
    assert result["findings"] == []


@pytest.mark.parametrize(
    ("tables", "changes", "told"),
    [
        (["requests"], {}, "has no table requests"),
        (["public.requests"], {"state": "undone"}, "tables does not go together with state=undone"),
        ([], {"side_schema": "restored_x"}, "side_schema does not go together with state=restored"),
        ([], {"state": "undone", "side_schema": "public"}, "There is no schema public that a restore of tables has made"),
        (["public.requests"], {"user": "backup"}, "The role backup is no member of owner, who owns the database"),
        (["public.requests"], {"scratch_dir": "/tmp/" + 90 * "x"}, "could not be restored; the database is as before"),
    ],
)
def test_what_cannot_be_done_is_refused(scene: Scene, room: Path, tables: list[str], changes: dict[str, Any], told: str) -> None:
    before = scene.sql(_SCHEMAS)
    refused = scene.run(**{"tables": tables, "scratch_dir": str(room / "scratch"), **changes})
    assert refused.failed
    assert told in refused.message
    assert scene.sql(_SCHEMAS) == before


def test_a_check_says_what_would_be_made(scene: Scene, room: Path) -> None:
    before = scene.sql(_SCHEMAS)
    foreseen = scene.place.good(restored(scene, room, "public.endpoints", how={"check": True})).result
    assert (foreseen["rows"], foreseen["side_tables"][0]["rows"]) == (20, 20)
    assert foreseen["diff"]["after"].splitlines() == [f"schema {foreseen['side_schema']}", f"table {foreseen['side_schema']}.endpoints"]
    assert (scene.sql(_SCHEMAS), (room / "scratch").exists()) == (before, False)


def test_of_a_backup_that_is_not_what_its_manifest_says_nothing_is_copied(scene: Scene, backup: damage.Backup, room: Path) -> None:
    before = scene.sql(_SCHEMAS)
    first, *others = backup.manifest.tables
    backup.forge(tables=(replace(first, rows=first.rows + 1), *others))
    where = {"directory": str(backup.repository), "backup": backup.path.name, "require_proven": False}
    refused = restored(scene, room, "public.endpoints", **where)
    assert f"{first.identity}: expected {first.rows + 1} rows" in refused.message
    assert scene.sql(_SCHEMAS) == before


def test_a_copy_that_became_another_one_on_its_way_is_not_kept(scene: Scene, room: Path) -> None:
    """Something in the live database changes the rows of every new table: all numbers change their places, say."""
    scene.sql(CHANGING)
    before = scene.sql(_SCHEMAS)
    refused = restored(scene, room, "public.requests")
    assert "The copy of public.requests is not what the backup holds. Cause: other values" in refused.message
    assert scene.sql(_SCHEMAS) == before


def test_a_type_that_the_live_database_lost_leaves_nothing(scene: Scene, room: Path) -> None:
    scene.sql("CREATE TYPE mood AS ENUM ('fine'); CREATE TABLE moods (mood mood)")
    backup = scene.place.good(scene.place.backup(room / "backups")).result["backup"]
    scene.sql("DROP TABLE moods; DROP TYPE mood")
    before = scene.sql(_SCHEMAS)
    refused = restored(scene, room, "public.moods", directory=str(room / "backups"), backup=backup, require_proven=False)
    assert 'type "public.mood" does not exist' in refused.message
    assert scene.sql(_SCHEMAS) == before
    assert support.tree(room / "scratch").keys() == {".", ".lock"}
    assert manifest.load(room / "backups" / backup).id == backup
