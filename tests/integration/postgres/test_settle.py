# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database of its own is brought to a wanted state on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.app import servers
from tests.integration.modules import Outcome
from tests.integration.postgres.support import Place

DATABASE = "settled"
FACT = "settled: everybody may CONNECT"
OBSERVE = """
SELECT 'everybody may ' || acl.privilege_type FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) AS acl
WHERE datname = current_database() AND acl.grantee = 0
"""


@pytest.fixture
def settled(place: Place) -> Iterator[Place]:
    yield place
    place.postgresql.sql(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)", "postgres")


def settle(place: Place, *, check: bool = False, **changes: Any) -> Outcome:
    steps = [
        {"database": "postgres", "observe": "SELECT 'nothing'", "statements": []},
        {
            "database": DATABASE,
            "owner": "owner",
            "observe": OBSERVE,
            "statements": [f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC"],
        },
    ]
    reached = {"host": "127.0.0.1", "port": place.postgresql.port, "ca_file": str(place.directory / "tls.crt")}
    return place.run("pg_settle", {**reached, "user": "admin", "password": servers.PASSWORD, "steps": steps, **changes}, check=check)


def test_a_dry_run_says_what_is_missing_and_makes_nothing(settled: Place) -> None:
    outcome = settled.good(settle(settled, check=True))
    assert outcome.result["changed"]
    assert outcome.result["after"] == [f"postgres: database {DATABASE}"]
    assert DATABASE not in outcome.result["databases"]
    assert DATABASE not in settled.postgresql.sql("SELECT datname FROM pg_database", "postgres").split()


def test_a_second_run_finds_nothing_and_a_damage_is_mended(settled: Place) -> None:
    assert FACT in settled.good(settle(settled)).result["before"]
    assert not settled.good(settle(settled)).result["changed"]
    settled.postgresql.sql(f"GRANT CONNECT ON DATABASE {DATABASE} TO PUBLIC", "postgres")
    dry = settled.good(settle(settled, check=True)).result
    assert (dry["changed"], dry["before"], dry["after"]) == (True, [FACT], [])
    assert settled.good(settle(settled)).result["before"] == [FACT]
    assert not settled.good(settle(settled)).result["changed"]


def test_a_database_that_is_made_anew_is_known_by_another_name(settled: Place) -> None:
    def identity() -> str:
        return str(settled.good(settle(settled)).result["databases"][DATABASE])

    first = identity()
    assert identity() == first
    settled.postgresql.sql(f"DROP DATABASE {DATABASE} WITH (FORCE)", "postgres")
    assert identity() not in ("", first)


def test_the_former_password_is_enough_to_begin(settled: Place) -> None:
    outcome = settled.good(settle(settled, password="a-password-that-nobody-has", former_password=servers.PASSWORD))
    assert DATABASE in outcome.result["databases"]


def test_a_wrong_password_is_an_error_with_its_cause(settled: Place) -> None:
    outcome = settle(settled, password="a-password-that-nobody-has")
    assert outcome.failed
    assert 'password authentication failed for user "admin"' in outcome.message
    assert "a-password-that-nobody-has" not in outcome.output
