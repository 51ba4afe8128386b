# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several databases of a server: where the backups of each lie, and which of them a run is for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.roles.rendered import evaluated

LOOPS = ("wanted", "named", "verified", "fetched")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"wanted": "shop audit logs", "named": "shop", "verified": "shop audit logs", "fetched": "shop audit logs"}),
        ({"backups_only": "audit, logs"}, dict.fromkeys(LOOPS, "audit logs")),
        (
            {"backups_verify_backup": "20261125T211700Z", "backups_fetch_backup": "20261125T211700Z"},
            {"wanted": "shop audit logs", "named": "shop", "verified": "shop", "fetched": "shop"},
        ),
    ],
)
def test_a_backup_by_its_name_is_one_of_a_single_database(given: dict[str, Any], expected: dict[str, str], tmp_path: Path) -> None:
    databases = [{"database": "audit"}, {"database": "logs"}]
    known = {"backups_postgresql": {"database": "shop"}, "endpoint_stats_backup_databases": databases, **given}
    expressions = {name: f"_backups_{name} | map(attribute='database') | join(' ')" for name in LOOPS}
    assert evaluated("backups", expressions, known, tmp_path) == expected


def test_all_roles_look_for_the_backups_of_a_further_database_in_one_place(tmp_path: Path) -> None:
    """In three roles, as none of them depends on another."""
    known = {"endpoint_stats_backups_dir": "/srv/backups", "endpoint_stats_backup_databases": [{"database": "a/b c"}]}
    asked = {
        "backups": ("backups_directory ~ _backups_suffix", {"_backups_one": "{{ backups_databases[0] }}"}),
        "health_report": ("health_report_backups_dir ~ _health_report_suffix", {"_health_report_one": "{{ _health_report_backed_up[1] }}"}),
        "disaster_recovery": ("_disaster_recovery_directory", {"disaster_recovery_database": "a/b c"}),
    }
    found = {}
    for role, (expression, variables) in asked.items():
        (tmp_path / role).mkdir()
        found[role] = evaluated(role, {"directory": expression}, {**known, **variables}, tmp_path / role)["directory"]
    assert found == dict.fromkeys(asked, "/srv/backups-a%2Fb%20c")
