# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.redact import HIDDEN, clean, log_line

from tests.unit.plugins.module_utils._health.samples import PLANTED


@pytest.mark.parametrize(
    "text",
    [
        f"password={PLANTED}",
        f"PGPASSWORD={PLANTED} pg_dump",
        f'{{"password": "{PLANTED}", "user": "api"}}',
        f'said {{\\"redis_password\\": \\"{PLANTED}\\"}}',
        f"connecting to postgresql://api:{PLANTED}@postgres:5432/endpoint_stats",
        f"connecting to rediss://:{PLANTED}@redis:6379/0",
        f"Authorization: Bearer {PLANTED}",
        f"api_key => '{PLANTED}'",
        f"client --password {PLANTED} --host redis",
        f"the login with {PLANTED} was refused",
        f"set-cookie: session={PLANTED}; Path=/",
        f"token: eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ{PLANTED}.sig",
        f"-----BEGIN PRIVATE KEY-----\n{PLANTED}\n-----END PRIVATE KEY-----",
        f"{'x' * 490} password={PLANTED}",
    ],
)
def test_a_secret_is_hidden(text: str) -> None:
    shown = clean(text)
    assert PLANTED not in shown
    assert PLANTED[:8] not in shown
    assert HIDDEN in shown or len(shown) == 500


@pytest.mark.parametrize(
    "text",
    [
        "Readiness probe failed: HTTP probe failed with statuscode: 503",
        "pod flask-api-7d9c5b7f8d-x2x5k was evicted from worker-1.example.net",
        'password authentication failed for user "api"',
        "request 5f0c7f1e-52f4-4f0e-9d0e-0c8a1b2c3d4e took 12 ms",
        "Pulled images.lab/endpoint-stats/api@sha256:" + "0123456789abcdef" * 4,
        "GET /api/endpoint-stats/checkout?period=month 200",
        "/var/lib/postgresql/data/pgdata/base/16384/2619",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert clean(text) == text


def test_text_is_bounded_and_has_no_control_characters() -> None:
    assert clean("a\x1b[31mred\x00\u202e") == "a red  "
    assert len(clean("word " * 1000)) == 500


def test_of_the_applications_log_only_known_fields_are_kept() -> None:
    entry = {
        "level": "ERROR",
        "message": f"could not connect, password={PLANTED}",
        "context": {"request_id": "5f0c7f1e52f44f0e9d0e0c8a1b2c3d4e", "endpoint": "/api/stats", "headers": {"x": PLANTED}},
        "metrics": {"duration_ms": 12.5, "status_code": 500, "secret": PLANTED},
        "environ": {"PASSWORD": PLANTED},
    }
    assert log_line(json.dumps(entry)) == {
        "level": "ERROR",
        "message": f"could not connect, password={HIDDEN}",
        "endpoint": "/api/stats",
        "request_id": "5f0c7f1e52f44f0e9d0e0c8a1b2c3d4e",
        "duration_ms": 12.5,
        "status_code": 500,
    }


@pytest.mark.parametrize("text", ["[1, 2]", "Traceback (most recent call last):", '{"level": 3, "context": [], "metrics": "x"}', ""])
def test_any_line_is_shown_somehow(text: str) -> None:
    assert set(log_line(text)) == {"level", "message"}
