# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import manifest, properties
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.properties import Grant, Properties, Setting
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.finding import Finding

from tests.unit.plugins.module_utils._postgres import backups

LIVE = Properties(
    owner="owner",
    grants=(Grant("owner", "CREATE", grantable=False), Grant("api", "CONNECT", grantable=True)),
    tablespace="fast",
    connection_limit=40,
    settings=(Setting("", "search_path", "app, public"), Setting("api", "my.secret", "Planted-setting-77e0")),
    comment="of shop's",
)


def test_the_same_properties_do_not_differ_whatever_the_comment() -> None:
    assert properties.differences(LIVE, replace(LIVE, comment="being restored", grants=LIVE.grants[::-1]), []) == []


@pytest.mark.parametrize(
    ("changed", "subject", "expected", "found"),
    [
        ({"owner": "admin"}, "owner", "owner", "admin"),
        ({"tablespace": ""}, "tablespace", "fast", ""),
        ({"connection_limit": -1}, "connection limit", "40", "-1"),
        ({"grants": LIVE.grants[:1]}, "grants", "CONNECT to api with grant option, CREATE to owner", "CREATE to owner"),
        ({"grants": (Grant("", "CONNECT", grantable=False),)}, "grants", "CREATE to owner", "CONNECT to everybody"),
    ],
)
def test_what_differs_is_named(changed: dict[str, object], subject: str, expected: str, found: str) -> None:
    (difference,) = properties.differences(LIVE, replace(LIVE, **changed), [])  # type: ignore[arg-type]
    assert (difference.kind, difference.subject, difference.found) == ("database_property", subject, found)
    assert all(part in difference.expected for part in expected.split(", "))


def test_a_setting_that_a_finding_tells_of_is_no_difference_as_well() -> None:
    told = Finding("setting_not_carried_over", "warning", LIVE.settings[1].subject, "s", "e", "r")
    lacking = replace(LIVE, settings=LIVE.settings[:1])
    assert properties.differences(LIVE, lacking, [told]) == []
    assert [difference.subject for difference in properties.differences(LIVE, lacking, [])] == ["settings"]


def test_values_of_settings_differ_and_are_not_shown() -> None:
    other = replace(LIVE, settings=(LIVE.settings[0], replace(LIVE.settings[1], value="Planted-setting-0b1c")))
    (difference,) = properties.differences(LIVE, other, [])
    assert "setting my.secret of api (value " in difference.expected
    assert "Planted-setting" not in json.dumps(asdict(difference))


def test_a_new_database_is_open_to_everybody_and_its_owners() -> None:
    assert {(grant.role, grant.privilege) for grant in properties.of_new("owner").grants} == {
        *(("", privilege) for privilege in ("CONNECT", "TEMPORARY")),
        *(("owner", privilege) for privilege in ("CONNECT", "CREATE", "TEMPORARY")),
    }


@pytest.mark.parametrize("kept", [LIVE, None])
def test_a_manifest_keeps_them(tmp_path: Path, kept: Properties | None) -> None:
    (tmp_path / manifest.FILE_NAME).write_text(backups.manifest(properties=kept).render())
    assert manifest.load(tmp_path).properties == kept
