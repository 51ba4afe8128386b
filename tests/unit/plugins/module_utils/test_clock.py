# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A time of any zone is understood and written in one form."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._clock import moment, now, written
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError


def test_a_time_is_understood_or_refused() -> None:
    assert moment("2026-11-25T22:17:00+01:00") == datetime(2026, 11, 25, 21, 17, tzinfo=UTC)
    with pytest.raises(OpsError, match="is no time"):
        moment("yesterday")


def test_a_time_is_written_in_utc() -> None:
    assert written(datetime.fromisoformat("2026-11-25T22:17:00.9+01:00")) == "2026-11-25T21:17:00Z"


def test_without_a_time_it_is_now() -> None:
    before = now()
    assert before <= written(moment(None)) <= now()
