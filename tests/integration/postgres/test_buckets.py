# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup with sums of parts of its tables tells which rows differ, and passes as any other where none does."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import chain

from tests.integration.postgres.conftest import BUCKETS, KEYED
from tests.integration.postgres.damage import Backup

DAMAGES = """
UPDATE wide SET word = CASE id WHEN -499 THEN 'word 498' ELSE 'word -499' END WHERE id IN (-499, 498);
DELETE FROM days WHERE day = '2026-02-01' AND hour = 3; DELETE FROM days WHERE day = 'infinity';
UPDATE moments SET n = 5 WHERE n = 200;
DELETE FROM names WHERE name = 'name 18';
UPDATE of_domain SET word = 'other' WHERE id IN (50, 57);
UPDATE drawn SET word = word || 'x';
INSERT INTO empty VALUES (3);
INSERT INTO months VALUES (1000, '2026-01-15');
UPDATE keyless SET word = 'c' WHERE id = 1;
"""
# Words, rows that were expected, rows that were found.
EXPECTED = {
    "public.wide": [("id up to -439", 62, 62), ("id from 437", 63, 63)],
    "public.days": [("day from 2026-02-01 to before 2026-02-07", 144, 143), ("day from 2026-04-04", 169, 168)],
    "public.moments": [("at from 2026-03-29 03:20:00+00 to before 2026-03-29 03:45:00+00", 25, 25)],
    "public.names": [("part 6 of 16 by hash of name, part, with keys from name 109, x to name 90, x", 37, 36)],
    "public.of_domain": [("id 50 to 62", 13, 13)],
    "public.drawn": [("all rows", 100, 100)],
    "public.empty": [("all rows", 0, 1)],
    "public.months_1": [("id from 174", 8, 9)],
    "public.keyless": [],
}


def test_tables_with_keys_of_every_kind_pass_and_their_parts_are_the_whole(made_keyed: Backup, room: Path) -> None:
    result = made_keyed.verify(room, database=KEYED, level="data").result
    assert (result["verdict"], result["reason"], result["differences"]) == ("passed", "", [])
    parts = {table.name: table.buckets for table in made_keyed.manifest.tables}
    assert {name for name, buckets in parts.items() if buckets is None} == {"keyless", "states_0", "states_1"}
    for table in made_keyed.manifest.tables:
        if table.buckets:
            lines = [[int(number) for number in line.split()] for line in table.buckets.sums]
            assert [sum(column) for column in zip(*lines, strict=True)] == [table.rows, *map(int, table.sums)]
            assert len(lines) <= BUCKETS


def test_rows_that_differ_are_named_with_a_query_that_shows_them(keyed: Backup, room: Path) -> None:
    keyed.graft(DAMAGES)
    result = keyed.verify(room, database=KEYED, level="data").result
    ranges = {difference["subject"]: difference["ranges"] for difference in result["differences"]}
    told = {name: [(part["rows"], part["expected_rows"], part["found_rows"]) for part in parts] for name, parts in ranges.items()}
    assert (result["verdict"], told) == ("failed", EXPECTED)
    assert "(day from 2026-02-01 to before 2026-02-07: 144 rows expected, 143 found; day from 2026-04-04: " in result["reason"]
    # In the database there is what was expected.
    for part in (part for parts in ranges.values() for part in parts):
        assert len(keyed.place.postgresql.sql(part["query"], KEYED).splitlines()) == part["expected_rows"]
    record = chain.read(keyed.repository / "records").verifications(keyed.path.name)[-1]
    assert {difference["subject"]: difference["ranges"] for difference in record["differences"]}["public.of_domain"] == ["id 50 to 62"]
