# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The corners of Redis' globs; tests/integration/maintenance compares thousands of them with a server's own answers."""

from __future__ import annotations

import time

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._redis.glob import matcher, names_all


@pytest.mark.parametrize(
    ("glob", "named", "others"),
    [
        (b"cache:*", [b"cache:", b"cache:a", b"cache:\xff\n"], [b"cache", b"Cache:a", b"a cache:"]),
        (b"*:a:*", [b":a:", b"x:a:y:a:"], [b":a", b"a:"]),
        (b"?", [b"a", b"\xff", b"\n"], [b"", b"ab", "é".encode()]),
        (b"*", [b"", b"a"], []),
        (b"**", [b"a", b"ab"], [b""]),
        (b"", [b""], [b"a"]),
        (b"[ab]c", [b"ac", b"bc"], [b"cc", b"c", b"[ab]c"]),
        (b"[^ab]c", [b"cc", b"^c"], [b"ac", b"c"]),
        (b"[c-a]", [b"a", b"b", b"c"], [b"-", b"d"]),
        (b"[]a", [], [b"]a", b"a", b"[]a"]),
        (b"[^]a", [b"xa", b"]a"], [b"a"]),
        (b"[ab", [b"a", b"b"], [b"[ab", b"c"]),
        (b"[a-]", [b"]", b"^", b"a"], [b"-", b"b"]),
        (rb"[\]]", [b"]"], [b"\\"]),
        (rb"\*", [b"*"], [b"a", b"\\*"]),
        (b"a\\", [b"a\\"], [b"a"]),
        (b"a.c|b", [b"a.c|b"], [b"abc|b", b"b"]),
    ],
)
def test_a_glob_names_what_redis_names(glob: bytes, named: list[bytes], others: list[bytes]) -> None:
    names = matcher(glob)
    assert [key for key in named if not names(key)] == []
    assert [key for key in others if names(key)] == []


def test_many_stars_take_no_long_time() -> None:
    names = matcher(b"*a" * 30 + b"*b")
    begun = time.monotonic()
    assert not names(b"a" * 5000)
    assert time.monotonic() - begun < 1


def test_a_range_beyond_ascii_is_refused_and_single_bytes_are_not() -> None:
    with pytest.raises(OpsError, match="ends beyond ASCII"):
        matcher("[à-é]".encode())
    assert matcher(b"[\xff]")(b"\xff")


@pytest.mark.parametrize(
    ("glob", "expected"), [(b"*", True), (b"?*", True), (b"", True), (b"c*", False), (rb"\*", False), (b"[a]*", False)]
)
def test_a_glob_without_a_name_names_all(glob: bytes, expected: bool) -> None:
    assert names_all(glob) is expected
