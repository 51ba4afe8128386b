# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import beside, restore_preflight
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.contents import Entry
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.manifest import Manifest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.properties import of_new

from tests.unit.plugins.module_utils._postgres.backups import manifest

SIDE = restore_preflight.ServerSide(150018, False, "restore", False, True, True, "7712218975259400564")
CATALOG = beside.catalog("endpoint_stats", [{"oid": 5, "name": "endpoint_stats", "open": True, "comment": ""}])


@dataclass
class Answers:
    """A server with these roles, and others who own what they own; questions it has no answer to have none."""

    roles: dict[str, bool] = field(default_factory=lambda: {"owner": True, "api": False})
    of_owner: tuple[str, ...] = ("owner",)
    extensions: dict[str, bool] = field(default_factory=lambda: {"plpgsql": True, "pg_trgm": True})
    owners: tuple[str, ...] = ()
    obstacles: tuple[dict[str, str], ...] = ()
    asked: list[Any] = field(default_factory=list)

    def execute(self, query: str, parameters: Any = ()) -> Answers:
        self.asked = self._rows(query, parameters)
        return self

    def fetchall(self) -> list[dict[str, Any]]:
        return self.asked

    def fetchone(self) -> dict[str, Any] | None:
        return self.asked[0] if self.asked else None

    def __iter__(self) -> Any:
        return iter(self.asked)

    def _rows(self, query: str, parameters: Any) -> list[dict[str, Any]]:
        known: dict[str, Callable[[], list[dict[str, Any]]]] = {
            restore_preflight._ROLES: lambda: [
                {"name": name, "usable": self.roles[name], "of_owner": name in self.of_owner}
                for name in parameters["names"]
                if name in self.roles
            ],
            restore_preflight._UNTRUSTED: lambda: _named(name for name in parameters[0] if not self.extensions.get(name, True)),
            restore_preflight._OWNERS: lambda: _named(self.owners),
            restore_preflight._OBSTACLES: lambda: list(self.obstacles),
            restore_preflight._TABLESPACE: lambda: [{"usable": parameters[0] == "fast"}],
        }
        others = self.extensions if "pg_available_extensions" in query else self.roles
        return known.get(query, lambda: _named(others))()


def _named(names: Iterable[str]) -> list[dict[str, Any]]:
    return [{"name": name} for name in names]


def in_the_way(made: Manifest, answers: Answers, tablespace: str = "", **side: Any) -> list[str]:
    wanted = replace(of_new("owner"), tablespace=tablespace)
    found = restore_preflight.of_restore(answers, made, replace(SIDE, **side), wanted)
    return [error.summary for error in found]


def entry(kind: str, owner: str = "owner") -> Entry:
    return Entry(kind, "public", "x", owner, "1" * 64)


def test_nothing_is_in_the_way_where_all_is_there() -> None:
    made = manifest(extensions={"plpgsql": "1.0", "pg_trgm": "1.6"}, entries=(entry("TABLE"), entry("SCHEMA", "pg_database_owner")))
    assert in_the_way(made, Answers()) == []
    assert in_the_way(made, Answers(), version_number=170005, tablespace="fast") == []


@pytest.mark.parametrize(
    ("changes", "answers", "side", "told"),
    [
        ({}, Answers(), {"version_number": 140011}, "The server is older than the one the backup is of"),
        ({"roles": ("analyst", "owner")}, Answers(), {}, "Roles are missing on the server: analyst"),
        ({"entries": (entry("TABLE", "api"),)}, Answers(), {}, "The role restore is no member of owners in the backup: api"),
        ({"extensions": {"postgis": "3"}}, Answers(), {}, "Extensions are not installed on the server: postgis"),
        ({"extensions": {"pg_cron": "1.4"}}, Answers(extensions={"pg_cron": True}), {}, "The backup has pg_cron"),
        ({"extensions": {"pageinspect": "1"}}, Answers(extensions={"pageinspect": False}), {}, "superuser may make: EXTENSION pageinspect"),
        ({"entries": (entry("EVENT TRIGGER"),)}, Answers(), {}, "superuser may make: EVENT TRIGGER public.x"),
    ],
)
def test_what_a_backup_needs_is_named(changes: dict[str, Any], answers: Answers, side: dict[str, Any], told: str) -> None:
    (found,) = in_the_way(manifest(**changes), answers, **side)
    assert told in found


def test_a_tablespace_needs_a_right() -> None:
    assert in_the_way(manifest(), Answers(), "slow") == ["The role restore may not use the tablespace of the database, slow"]


def test_a_superuser_may_make_what_others_may_not() -> None:
    made = manifest(extensions={"pageinspect": "1"}, entries=(entry("EVENT TRIGGER"),))
    assert in_the_way(made, Answers(extensions={"pageinspect": False}), superuser=True) == []


@pytest.mark.parametrize(
    ("owners", "superuser", "acting"),
    [(("owner", "pg_database_owner"), False, "owner"), (("owner", "api"), False, ""), (("owner",), True, "")],
)
def test_it_acts_as_the_owner_of_the_database_where_that_one_may_own_everything(
    owners: tuple[str, ...], superuser: bool, acting: str
) -> None:
    made = manifest(entries=tuple(entry("TABLE", owner) for owner in owners))
    assert restore_preflight.acting_role(Answers(), made, replace(SIDE, superuser=superuser), "owner") == acting


@pytest.mark.parametrize(
    ("side", "answers", "told"),
    [
        ({"standby": True}, Answers(), "The server is a standby"),
        ({"ends_sessions": False}, Answers(), "may not end the sessions of others"),
        ({"makes_databases": False}, Answers(), "may neither make nor rename databases"),
        ({}, Answers(owners=("admin",)), "is no member of admin, who owns the database"),
        (
            {},
            Answers(obstacles=({"kind": "logical replication slot", "name": "audit", "database": "endpoint_stats"},)),
            "endpoint_stats has a logical replication slot, audit",
        ),
    ],
)
def test_what_keeps_a_name_from_changing_is_named(side: dict[str, Any], answers: Answers, told: str) -> None:
    assert list(restore_preflight.of_swap(Answers(), CATALOG, SIDE)) == []
    (found,) = restore_preflight.of_swap(answers, CATALOG, replace(SIDE, **side))
    assert told in found.summary
    assert found.remedy


def test_one_obstacle_is_told_as_it_is_and_several_together() -> None:
    first, second = OpsError("One", cause="this", remedy="Do so."), OpsError("Two", remedy="Do so.")
    with pytest.raises(OpsError) as caught:
        restore_preflight.refuse([first])
    assert caught.value is first
    with pytest.raises(OpsError, match="2 things stand in the way; nothing was touched") as both:
        restore_preflight.refuse([first, second])
    assert (both.value.cause, both.value.remedy) == ("One (this); Two", "Do so.")
    restore_preflight.refuse([])
