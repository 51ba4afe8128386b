# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import beside

NOW = datetime(2026, 11, 25, 21, 17, tzinfo=UTC)
REPLACED = beside.Replaced(
    at="2026-11-25T21:17:00Z",
    successor=7,
    backup="20261125T200000Z",
    rows=3,
    transaction=800,
    origin="",
    comment="of shop's\n",
)


def row(name: str, oid: int = 1, comment: str = "", *, is_open: bool = True) -> dict[str, Any]:
    return {"oid": oid, "name": name, "open": is_open, "comment": comment}


def seen(*rows: dict[str, Any], database: str = "shop") -> beside.Catalog:
    return beside.catalog(database, rows)


def test_the_live_database_and_those_beside_it_are_told_by_name() -> None:
    others = ["shop__before_20261125t211700z", "shop__undone_20261125t211800z", "shop__restore_20261125t211900z"]
    strangers = ["shop2", "shop__before_", "shop__before_20261125t211700z_old", "shopshop__before_20261125t211700z", "my_shop"]
    catalog = seen(row("shop", 5, "kept by us"), *map(row, others + strangers))
    assert (catalog.live, catalog.comment) == (5, "kept by us")
    assert sorted(other.name for other in catalog.beside) == sorted(others)
    assert [other.kind for other in catalog.kept] == ["undone", "before"]
    assert catalog.lines() == [f"{name}: database {5 if name == 'shop' else 1}" for name in sorted(["shop", *others])]


def test_a_database_that_is_gone_has_no_oid() -> None:
    catalog = seen(row("shop__before_20261125t211700z"))
    assert (catalog.live, catalog.lines()) == (None, ["shop__before_20261125t211700z: database 1"])
    assert catalog.lines_after("", "shop__before_20261125t211700z") == ["shop: database 1"]


def test_a_diff_shows_which_database_has_which_name() -> None:
    catalog = seen(row("shop", 5), row("shop__restore_20261125t211700z", 6), row("shop__before_20261124t211700z", 4))
    restored = catalog.lines_after("shop__before_20261125t211701z", "made from backup B", without=["shop__restore_20261125t211700z"])
    assert restored == [
        "shop: made from backup B",
        "shop__before_20261124t211700z: database 4",
        "shop__before_20261125t211701z: database 5",
    ]
    undone = catalog.lines_after("shop__undone_20261125t211701z", "shop__before_20261124t211700z")
    assert undone == ["shop: database 4", "shop__restore_20261125t211700z: database 6", "shop__undone_20261125t211701z: database 5"]


@pytest.mark.parametrize(
    ("name", "comment", "is_open", "leftover"),
    [
        ("shop__restore_20261125t211900z", beside.restoring("20261125T200000Z"), True, True),
        ("shop__restore_20261125t211900z", "", False, True),
        ("shop__restore_20261125t211900z", "", True, False),
        ("shop__restore_20261125t211900z", "somebody's", False, False),
        ("shop__restore_20261125t211900z", '{"made_by": "me"}', True, False),
        ("shop__restore_20261125t211900z", "[1]", True, False),
        ("shop__before_20261125t211900z", REPLACED.render(), True, False),
        ("shop__before_20261125t211900z", "", False, False),
    ],
)
def test_only_what_we_began_to_restore_is_a_leftover(name: str, comment: str, is_open: bool, leftover: bool) -> None:
    catalog = seen(row(name, 1, comment, is_open=is_open))
    assert [other.name for other in catalog.leftovers] == ([name] if leftover else [])


def test_how_a_database_was_put_aside_is_read_back() -> None:
    catalog = seen(row("shop__before_20261125t211900z", 1, REPLACED.render()))
    assert catalog.kept[0].replaced == REPLACED


def test_only_what_was_restored_to_the_end_says_that_it_is_ready() -> None:
    ready = beside.Ready("20261125T200000Z", "ab12", 900)
    name = "shop__restore_20261125t211900z"
    assert seen(row(name, 1, ready.render())).leftovers[0].ready == ready
    assert seen(row(name, 1, beside.restoring("20261125T200000Z"))).leftovers[0].ready is None
    assert seen(row("shop__before_20261125t211900z", 1, ready.render())).kept[0].ready is None


@pytest.mark.parametrize(("live", "origin"), [(7, "20261125T200000Z"), (8, "")])
def test_the_live_database_is_known_to_come_from_a_backup(live: int, origin: str) -> None:
    assert seen(row("shop", live), row("shop__before_20261125t211900z", 1, REPLACED.render())).origin == origin


@pytest.mark.parametrize("comment", ["", "a comment", '{"made_by": "me"}', json.dumps({"made_by": beside.MADE_BY}), REPLACED.render()[:-1]])
def test_another_comment_does_not_tell_how_a_database_was_put_aside(comment: str) -> None:
    assert seen(row("shop__before_20261125t211900z", 1, comment)).kept[0].replaced is None


def test_names_follow_each_other_whatever_the_clock_says() -> None:
    assert seen(row("shop")).named("before", NOW) == "shop__before_20261125t211700z"
    later = seen(row("shop"), row("shop__undone_20261125t235959z"))
    assert later.named("before", NOW) == "shop__before_20261126t000000z"
    assert later.kept[0].age_seconds(NOW) < 0


@pytest.mark.parametrize(("name", "refused"), [("x" * 37, False), ("x" * 38, True), ("ü" * 18, False), ("ü" * 19, True)])
def test_a_name_that_would_be_cut_off_is_refused(name: str, refused: bool) -> None:
    longest = max((seen(row(name), database=name).named(kind, NOW) for kind in ("restore", "before", "undone")), key=len)
    assert (len(longest.encode()) > 63) is refused
    if refused:
        with pytest.raises(OpsError, match="at most 37 bytes"):
            beside.refuse_name(name)
    else:
        beside.refuse_name(name)


@pytest.mark.parametrize("name", ["postgres", "template0", "template1"])
def test_the_databases_of_postgresql_itself_are_refused(name: str) -> None:
    with pytest.raises(OpsError, match="PostgreSQL itself"):
        beside.refuse_name(name)
