# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements that make roles, for a server whose first superuser has another name."""

from __future__ import annotations

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.accounts import without_grantors

SQL = b"""CREATE ROLE "GRANTED BY admin";
GRANT owner TO api WITH ADMIN OPTION, INHERIT TRUE GRANTED BY admin;
GRANT owner TO monitoring WITH INHERIT FALSE GRANTED BY api;
GRANT owner TO "GRANTED BY admin" GRANTED BY "an Admin";
"""


@pytest.mark.parametrize(("only", "kept"), [(b"admin", (2, 3)), (b'"an Admin"', (1, 2)), (b"nobody", (1, 2, 3))])
def test_memberships_lose_the_grantor_that_is_meant(only: bytes, kept: tuple[int, ...]) -> None:
    before, after = SQL.splitlines(), without_grantors(SQL, only).splitlines()
    assert tuple(number for number in (1, 2, 3) if after[number] == before[number]) == kept
    assert after[0] == before[0]


def test_without_a_name_all_do() -> None:
    assert without_grantors(SQL).splitlines()[1:] == [
        b"GRANT owner TO api WITH ADMIN OPTION, INHERIT TRUE;",
        b"GRANT owner TO monitoring WITH INHERIT FALSE;",
        b'GRANT owner TO "GRANTED BY admin";',
    ]
