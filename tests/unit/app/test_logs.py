# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The format of the logs."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

from endpoint_stats.logs import REQUEST, JsonFormatter, conceal


def formatted(message: str, **extra: Any) -> str:
    record = logging.LogRecord("test", logging.INFO, __file__, 1, message, None, None)
    record.__dict__.update(extra)
    return JsonFormatter().format(record)


def test_a_line_has_the_plans_fields() -> None:
    line = json.loads(formatted("hello", category="application", metrics={"duration_ms": 1.5, "status_code": 200}))
    assert list(line) == ["timestamp", "level", "category", "service", "message", "context", "metrics"]
    assert line["context"] == {"request_id": None, "user_id": None, "endpoint": None}
    assert line["metrics"] == {"duration_ms": 1.5, "status_code": 200}
    assert line["timestamp"].endswith("Z")


def test_what_is_logged_within_a_request_names_it() -> None:
    token = REQUEST.set({"request_id": "abc"})
    try:
        assert json.loads(formatted("hello"))["context"]["request_id"] == "abc"
    finally:
        REQUEST.reset(token)


def test_a_message_is_one_line() -> None:
    assert "\n" not in formatted('two\nlines and a "quote"')


def test_a_password_is_in_no_line() -> None:
    secret = 'quoted"and\\backslash'
    conceal(secret)
    line = formatted(f"login with {secret} failed")
    assert json.loads(line)["message"] == "login with *** failed"


def test_a_password_is_in_no_traceback() -> None:
    conceal("planted-password")
    try:
        raise ValueError("planted-password")
    except ValueError:
        line = formatted("failed", exc_info=sys.exc_info())
    assert "planted-password" not in line
    assert "ValueError: ***" in json.loads(line)["exception"]
