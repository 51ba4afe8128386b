# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings from the environment."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from endpoint_stats.settings import Credentials, SettingsError, StoreSettings, from_environment

from tools.venv import ROOT


def store(minimum: int, maximum: int) -> StoreSettings:
    return StoreSettings("localhost", 1, Credentials(Path("/nowhere")), "", minimum, maximum)


@pytest.mark.parametrize(
    ("minimum", "maximum", "workers", "share"),
    [(5, 20, 2, (3, 10)), (5, 20, 1, (5, 20)), (2, 10, 3, (1, 3)), (20, 20, 3, (6, 6)), (0, 4, 4, (0, 1))],
)
def test_the_workers_share_a_pods_connections(minimum: int, maximum: int, workers: int, share: tuple[int, int]) -> None:
    found = store(minimum, maximum).share(workers)
    assert found == share
    assert found[1] * workers <= maximum


def test_the_defaults_are_those_of_the_plan() -> None:
    settings = from_environment({})
    assert (settings.database.pool_minimum, settings.database.pool_maximum) == (5, 20)
    assert (settings.redis.pool_minimum, settings.redis.pool_maximum) == (2, 10)
    assert dict(settings.ttl_seconds) == {"short": 60, "medium": 1800, "long": 43200}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_PORT", "tcp://10.0.0.1:5432"),
        ("DATABASE_PORT", "0"),
        ("WORKERS", "two"),
        ("WORKERS", "-1"),
        ("DATABASE_POOL_MINIMUM", "21"),
        ("REDIS_POOL_MAXIMUM", "1"),
        ("CACHE_TTL_SHORT_SECONDS", "0"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        from_environment({f"ENDPOINT_STATS_{name}": value})
    assert refused.value.name.removeprefix("ENDPOINT_STATS_") in {name, name.replace("MAXIMUM", "MINIMUM")}


def test_a_rotated_password_is_read_again(tmp_path: Path) -> None:
    for word in ("first-word", "second-word"):
        (tmp_path / "username").write_text("api\n")
        (tmp_path / "password").write_text(f"{word}\n")
        assert Credentials(tmp_path).read() == ("api", word)


def test_every_variable_is_documented() -> None:
    source = (ROOT / "app/src/endpoint_stats/settings.py").read_text()
    stores = [
        f"{name}_{end}" for name in ("DATABASE", "REDIS") for end in ("HOST", "PORT", "CREDENTIALS_DIR", "POOL_MINIMUM", "POOL_MAXIMUM")
    ]
    names = [*re.findall(r'environment\.(?:text|number)\("([A-Z_]+)"', source), "CA_FILE", *stores]
    table = (ROOT / "app/README.md").read_text()
    assert len(names) > 20
    assert [name for name in names if f"`ENDPOINT_STATS_{name}`" not in table] == []
