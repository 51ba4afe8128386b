# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API as its users reach it, from outside of the cluster."""

from __future__ import annotations

import json
import secrets

import pytest

from tests.e2e.stack.client import ask
from tests.e2e.support import Lab

NAMESPACE = "--namespace=endpoint-stats"


def test_rows_are_posted_and_read_back(stack_lab: Lab) -> None:
    endpoint = f"/way-in/{secrets.token_hex(4)}"
    times = [10.0, 20.0, 60.0]
    for milliseconds in times:
        status, _document = ask(f"{stack_lab.url}/api/requests", {"endpoint": endpoint, "response_time": milliseconds, "status": 200})
        assert status == 201
    status, document = ask(f"{stack_lab.url}/api/endpoint-stats{endpoint}?period=hour")
    assert status == 200
    assert (document["requests"], document["response_time_ms"]["average"]) == (3, 30.0), document


def test_both_stores_are_healthy(stack_lab: Lab) -> None:
    status, document = ask(f"{stack_lab.url}/health")
    assert (status, document["status"]) == (200, "ok"), document


@pytest.mark.parametrize("path", ["/metrics", "/live", "/ready", "/", "/apis"])
def test_what_is_for_the_cluster_alone_is_not_reached(stack_lab: Lab, path: str) -> None:
    assert ask(f"{stack_lab.url}{path}")[0] == 404


def test_missing_months_are_made_as_the_owner(stack_lab: Lab) -> None:
    """The CronJob logs in as a member of the owner, and its tables are the owner's."""
    months = "FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'requests\\_y%'"
    furthest = stack_lab.sql(f"SELECT max(tablename) {months}")
    assert stack_lab.sql(f"SELECT EXISTS (TABLE {furthest})") == "f"
    stack_lab.sql(f"DROP TABLE {furthest}")
    said = json.loads(stack_lab.job("flask-api-partitions", seconds=120).splitlines()[-1])
    assert (said["command"], said["partitions"]) == ("partitions", [furthest])
    assert stack_lab.sql("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'") == "owner"
