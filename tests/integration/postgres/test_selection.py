# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of a part of a database: what is left out is said, what stays is proven as always, and none of them stands for the whole."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import manifest

from tests.integration.app import servers
from tests.integration.postgres import support
from tests.integration.postgres.by_hand import hand
from tests.integration.postgres.damage import Backup
from tests.integration.postgres.parts import LEFT_OUT, LESS, NAME, ODD, back_up, judged
from tests.integration.postgres.support import Place

_LACKS = "it lacks schema audit, public.many, rows of public.log_1, rows of public.log_2"


def test_it_says_what_it_lacks_and_holds_the_rest(source: Place, made_partial: Path) -> None:
    (path,) = made_partial.glob("2*")
    made = manifest.load(path)
    assert made.selection is not None
    assert (made.left_out, made.selection.asked.asked) == (LEFT_OUT, LESS)
    rows = {table.identity: table.rows for table in made.tables}
    assert rows == {"public.customers": 30, "public.orders": 100, "public.log_1": 0, "public.log_2": 0, ODD: 1}
    assert {table.sums for table in made.tables if not table.rows} == {("0", "0")}
    assert [sequence.name for sequence in made.sequences] == ["public.customers_id_seq"]
    assert not [entry for entry in made.entries if "audit" in (entry.schema, entry.name)]
    assert 0 < made.selection.bytes_left_out < made.database.size_bytes
    document = json.loads((made_partial / ".endpoint-stats-backups.json").read_text())
    assert document["selection"] == LESS
    assert f'backup_rows{{database="{NAME}",selection="partial"}} 131' in (made_partial.parent / "backup.prom").read_text()


def test_it_passes_and_says_that_it_is_a_part(partial: Backup, room: Path) -> None:
    result = partial.verify(room, database=NAME).result
    assert (result["verdict"], result["reason"]) == ("passed", "")
    assert [(found["id"], found["evidence"]) for found in result["findings"]] == [("backup_partial", _LACKS)]
    assert (result["checked"]["tables"], result["checked"]["rows"]) == (5, 131)


def test_rows_that_were_left_out_are_not_expected_back(partial: Backup, room: Path) -> None:
    partial.graft("", "--exclude-schema=audit", "--exclude-table=public.many")
    assert judged(partial, room) == ("failed", [("rows", "public.log_1"), ("rows", "public.log_2")])


@pytest.mark.parametrize(
    ("selection", "told"),
    [
        ({"exclude_tables": ["public.*"]}, r"exclude_tables names what the database does not have: public\.\*.*Names are exact"),
        ({"exclude_tables": ["public.customers"]}, r"constraint of_customer on table public.orders needs .*table public.customers"),
        (
            {"exclude_table_data": ["public.customers"]},
            "constraint of_customer on table public.orders needs the rows of table public.customers",
        ),
        ({"exclude_tables": ["public.orders"]}, "materialized view public.many needs table public.orders.*Leave out what is named first"),
    ],
)
def test_what_could_not_be_restored_is_refused(source: Place, room: Path, selection: dict[str, list[str]], told: str) -> None:
    outcome = back_up(source, room / "backups", selection)
    assert outcome.failed
    assert re.search(told, outcome.message), outcome.message
    assert list(room.iterdir()) == []


def test_a_directory_holds_backups_of_one_selection(partial: Backup) -> None:
    before = sorted(partial.repository.iterdir())
    for other in ({}, {"exclude_schemas": ["audit"]}):
        outcome = back_up(partial.place, partial.repository, other)
        assert "The directory holds backups of another part of the database" in outcome.message
        assert "Name another directory" in outcome.message
    assert sorted(partial.repository.iterdir()) == before
    again = back_up(partial.place, partial.repository, dict(reversed(LESS.items())), retention={"last": 1})
    assert partial.place.good(again).result["deleted"] == [partial.path.name]


def test_what_is_left_out_is_not_waited_for(source: Place, room: Path) -> None:
    with source.postgresql.locked("audit.events", NAME):
        source.good(back_up(source, room / "backups", LESS, table_lock_timeout_seconds=1))
        whole = back_up(source, room / "whole", {}, table_lock_timeout_seconds=1)
    assert "audit.events is locked" in whole.message


def test_it_takes_the_place_of_no_live_database(partial: Backup, room: Path) -> None:
    place, name = partial.place, partial.path.name
    where = {"database": NAME, "directory": str(partial.repository), "scratch_dir": str(room / "scratch"), "backup": name}
    known = {**place.options("restore"), **where, "password": servers.PASSWORD, "require_proven": False}
    del known["credentials_dir"]
    refused = place.run("pg_restore", known)
    assert f"The backup {name} holds a part of the database, and would take the place of all of it" in refused.message
    assert f"{_LACKS}. Bring what is needed into a schema beside the live tables (tables)" in refused.message
    for table, told in (
        ("audit.events", "it was made without schema audit"),
        ("public.log_1", "was made without the rows of public.log_1"),
    ):
        assert told in place.run("pg_restore", {**known, "tables": [table]}).message
    beside = place.good(place.run("pg_restore", {**known, "tables": ["public.orders"]})).result
    assert place.postgresql.sql(f"SELECT count(*) FROM {beside['side_schema']}.orders", NAME) == "100"  # noqa: S608 - a schema of ours
    place.good(place.run("pg_restore", {**known, "state": "undone", "side_schema": beside["side_schema"]}))

    place.postgresql.sql(f"ALTER DATABASE {NAME} RENAME TO {NAME}_aside", "postgres")
    try:
        result = place.good(place.run("pg_restore", known)).result
        assert ("backup_partial", _LACKS) in [(found["id"], found["evidence"]) for found in result["findings"]]
        assert place.postgresql.sql("SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM log)", NAME) == "100|0"
    finally:
        place.postgresql.sql(f"DROP DATABASE IF EXISTS {NAME}", "postgres")
        place.postgresql.sql(f"ALTER DATABASE {NAME}_aside RENAME TO {NAME}", "postgres")


def test_the_guide_says_what_is_missing(partial: Backup, room: Path) -> None:
    typist, text = hand(partial.path, partial.place.postgresql), (partial.path / "RESTORE.md").read_text()
    assert "It holds a part of the database `parts`" in text
    assert text.endswith("".join(f"    {line}\n" for line in LEFT_OUT))
    assert "RENAME" not in text
    typist.type("Decompress the dump", f"export DUMP={room}/plain")
    typist.type("On a server that has the database: beside it", f"export DUMP={room}/plain")
    try:
        assert typist.type("Compare the content, and let the planner know it", f"export DATABASE={NAME}__by_hand") == ""
    finally:
        partial.place.postgresql.sql(f"DROP DATABASE {NAME}__by_hand", "postgres")


def test_copies_elsewhere_are_of_one_selection_too(partial: Backup, room: Path) -> None:
    servers.install(("rclone",))
    (room / "copies").mkdir()
    support.own(room / "copies")
    (room / "rclone.conf").write_text("[there]\ntype = local\n")
    known = {"config_file": str(room / "rclone.conf"), "remote": f"there:{room}/copies", "owner": "tests/stack", "database": NAME}
    place = partial.place
    assert place.good(place.run("backup_offsite", {**known, "directory": str(partial.repository)})).result["copied"] == [partial.path.name]
    place.good(back_up(place, room / "whole", {}))
    other = place.run("backup_offsite", {**known, "directory": str(room / "whole")})
    assert "The off-site directory is of another part of the database" in other.message
    place.good(place.run("backup_offsite", {**known, "state": "fetched", "directory": str(room / "fetched")}))
    assert judged(Backup(place, room / "fetched" / partial.path.name), room, "checksum") == ("passed", [])
