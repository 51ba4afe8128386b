# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be posted, and that each refusal names its field."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from endpoint_stats.validation import Call, InvalidError, call, endpoint_name, request_id

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
GOOD = {"endpoint": "/api/users", "response_time": 12.5, "status": 200}


def test_a_call_is_read() -> None:
    assert call(GOOD, NOW) == Call("/api/users", 12.5, 200)


def test_a_timestamp_keeps_its_offset() -> None:
    read = call({**GOOD, "timestamp": "2026-01-31T13:00:00+02:00"}, NOW).timestamp
    assert read == NOW - timedelta(hours=1)


@pytest.mark.parametrize("written", ["api/users", "/api/users", "//api/users/", "/api/users//"])
def test_an_endpoint_has_one_name(written: str) -> None:
    assert endpoint_name(written) == "/api/users"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("endpoint", None),
        ("endpoint", ""),
        ("endpoint", "/"),
        ("endpoint", 5),
        ("endpoint", "/a b"),
        ("endpoint", "/a?secret=1"),
        ("endpoint", "/a\x00b"),
        ("endpoint", "/" + "a" * 200),
        ("response_time", None),
        ("response_time", True),
        ("response_time", "12"),
        ("response_time", -1),
        ("response_time", float("nan")),
        ("response_time", float("inf")),
        ("response_time", 10**400),
        ("status", 99),
        ("status", 600),
        ("status", True),
        ("status", 200.0),
        ("timestamp", "yesterday"),
        ("timestamp", 5),
        ("timestamp", "2026-01-31T12:00:00"),
        ("timestamp", "2026-01-31T12:06:00Z"),
        ("timestamp", "1999-12-31T23:59:59Z"),
        ("number", 1),
        ("colour", "red"),
    ],
)
def test_a_refusal_names_the_field(field: str, value: Any) -> None:
    with pytest.raises(InvalidError) as refused:
        call({**GOOD, field: value}, NOW)
    assert refused.value.field == field


@pytest.mark.parametrize("document", [None, [], "text", 5])
def test_only_an_object_is_a_call(document: Any) -> None:
    with pytest.raises(InvalidError) as refused:
        call(document, NOW)
    assert refused.value.field == "body"


@pytest.mark.parametrize("number", [None, 0, -1, 1.0, True, 2**63])
def test_a_canary_row_needs_its_number(number: Any) -> None:
    with pytest.raises(InvalidError) as refused:
        call({**GOOD, "endpoint": "/canary/stream", "number": number}, NOW)
    assert refused.value.field == "number"


def test_a_canary_row_carries_its_number() -> None:
    assert call({**GOOD, "endpoint": "/canary/stream", "number": 7}, NOW).number == 7


def test_a_canary_stream_has_a_simple_name() -> None:
    with pytest.raises(InvalidError) as refused:
        call({**GOOD, "endpoint": "/canary/a/b", "number": 7}, NOW)
    assert refused.value.field == "stream"


@pytest.mark.parametrize(
    ("given", "taken"), [("abc-1.2:3_4", True), ("", False), (None, False), ("a b", False), ("a\nb", False), ("x" * 65, False)]
)
def test_a_request_id_is_taken_only_if_it_is_harmless(given: str | None, taken: bool) -> None:
    assert request_id(given) == (given if taken else None)
