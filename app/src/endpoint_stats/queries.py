# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of the database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Engine, text

from endpoint_stats.canary import Stored
from endpoint_stats.periods import Period
from endpoint_stats.validation import Call

_BUSIEST = 10
_MISSING_RANGES = 100

# The endpoint and its call in one statement: both or none. The first condition keeps the sequence from being used up.
_RECORD = text("""
WITH known AS (
    INSERT INTO endpoints (name)
    SELECT CAST(:endpoint AS text) WHERE NOT EXISTS (SELECT FROM endpoints WHERE name = CAST(:endpoint AS text))
    ON CONFLICT (name) DO NOTHING
)
INSERT INTO requests (timestamp, endpoint, response_time, status, number)
VALUES (coalesce(CAST(:timestamp AS timestamptz), now()), :endpoint, :response_time, :status, :number)
RETURNING id, timestamp
""")

_COMPATIBLE = text("SELECT id, timestamp, endpoint, response_time, status, number FROM requests LIMIT 0")
_HEALTHY = text("SELECT pg_is_in_recovery()")
_KNOWN = text("SELECT EXISTS (SELECT FROM endpoints WHERE name = :endpoint)")
_ENDPOINTS = text("SELECT count(*) FROM endpoints")

_RAW = """
SELECT count(*) AS requests, avg(response_time) AS average, max(response_time) AS maximum, min(response_time) AS minimum,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY response_time) AS p95, count(*) FILTER (WHERE status >= 500) AS errors
FROM requests
WHERE timestamp >= :since AND timestamp <= :until {condition}
"""

# The newest day of the view may have been half over when the view was refreshed, so that day and all after it are counted from the rows.
_DAILY = """
WITH covered AS (
    SELECT coalesce(max(day), date '-infinity') AS before FROM endpoint_daily_stats
), parts AS (
    SELECT request_count AS requests, avg_response_time * request_count AS total, max_response_time AS maximum,
           min_response_time AS minimum, error_count AS errors
    FROM endpoint_daily_stats
    WHERE day >= CAST(:since AS date) AND day < (SELECT before FROM covered) {condition}
    UNION ALL
    SELECT count(*), sum(response_time), max(response_time), min(response_time), count(*) FILTER (WHERE status >= 500)
    FROM requests
    WHERE timestamp >= greatest(CAST(:since AS timestamptz), CAST((SELECT before FROM covered) AS timestamptz))
      AND timestamp <= :until {condition}
)
SELECT coalesce(sum(requests), 0)::bigint AS requests, sum(total) / nullif(sum(requests), 0)::double precision AS average,
       max(maximum) AS maximum, min(minimum) AS minimum, NULL::double precision AS p95, coalesce(sum(errors), 0)::bigint AS errors
FROM parts
"""

_OF_ENDPOINT = {
    False: text(_RAW.format(condition="AND endpoint = :endpoint")),
    True: text(_DAILY.format(condition="AND endpoint = :endpoint")),
}
_OF_ALL = {False: text(_RAW.format(condition="")), True: text(_DAILY.format(condition=""))}

_BUSIEST_RAW = """
SELECT endpoint, count(*) AS requests, avg(response_time) AS average, count(*) FILTER (WHERE status >= 500) AS errors
FROM requests WHERE timestamp >= :since AND timestamp <= :until
GROUP BY endpoint ORDER BY requests DESC, endpoint LIMIT :most
"""
_BUSIEST_DAILY = """
WITH covered AS (
    SELECT coalesce(max(day), date '-infinity') AS before FROM endpoint_daily_stats
), parts AS (
    SELECT endpoint, request_count AS requests, avg_response_time * request_count AS total, error_count AS errors
    FROM endpoint_daily_stats WHERE day >= CAST(:since AS date) AND day < (SELECT before FROM covered)
    UNION ALL
    SELECT endpoint, count(*), sum(response_time), count(*) FILTER (WHERE status >= 500)
    FROM requests
    WHERE timestamp >= greatest(CAST(:since AS timestamptz), CAST((SELECT before FROM covered) AS timestamptz))
      AND timestamp <= :until
    GROUP BY endpoint
)
SELECT endpoint, sum(requests)::bigint AS requests, sum(total) / sum(requests)::double precision AS average, sum(errors)::bigint AS errors
FROM parts GROUP BY endpoint ORDER BY requests DESC, endpoint LIMIT :most
"""
_BUSIEST_OF = {False: text(_BUSIEST_RAW), True: text(_BUSIEST_DAILY)}

_LARGEST = text("SELECT coalesce(max(number), 0) FROM requests WHERE endpoint = :endpoint")
_CANARY = text("""
SELECT count(*) AS rows, count(DISTINCT number) AS numbers, min(number) AS minimum, max(number) AS maximum
FROM requests WHERE endpoint = :endpoint AND number BETWEEN :first AND :last
""")
# The numbers one before and one after the range stand in for its ends, so that a gap there is a gap like any other.
_GAPS = text("""
WITH numbers AS (
    SELECT DISTINCT number FROM requests WHERE endpoint = :endpoint AND number BETWEEN :first AND :last
    UNION SELECT CAST(:first AS bigint) - 1
    UNION SELECT CAST(:last AS bigint) + 1
), steps AS (
    SELECT number, lag(number) OVER (ORDER BY number) AS previous FROM numbers
)
SELECT previous + 1 AS first, number - 1 AS last FROM steps WHERE number > previous + 1 ORDER BY previous LIMIT :most
""")


def compatible(engine: Engine) -> None:
    """Fails when the schema lacks something that this release needs; a newer schema that has it all is good."""
    with engine.connect() as connection:
        connection.execute(_COMPATIBLE)


def read_only(engine: Engine) -> bool:
    """Whether the server answers but takes no rows."""
    with engine.connect() as connection:
        return bool(connection.execute(_HEALTHY).scalar_one())


def record(engine: Engine, call: Call) -> tuple[int, datetime]:
    """Store a call; it is committed when this returns."""
    values = {
        "endpoint": call.endpoint,
        "timestamp": call.timestamp,
        "response_time": call.response_time,
        "status": call.status,
        "number": call.number,
    }
    with engine.connect() as connection:
        row = connection.execute(_RECORD, values).one()
    return row.id, row.timestamp


def _summary(row: Any) -> dict[str, Any]:
    values = row._mapping
    times = {name: None if values[name] is None else round(values[name], 3) for name in ("average", "maximum", "minimum", "p95")}
    return {"requests": row.requests, "errors": row.errors, "response_time_ms": times}


def of_endpoint(engine: Engine, endpoint: str, period: Period, now: datetime) -> dict[str, Any] | None:
    """The statistics of one endpoint; None when it was never called."""
    values = {"endpoint": endpoint, "since": period.since(now), "until": now}
    with engine.connect() as connection:
        row = connection.execute(_OF_ENDPOINT[period.daily], values).one()
        if not row.requests and not connection.execute(_KNOWN, {"endpoint": endpoint}).scalar_one():
            return None
    return _summary(row)


def of_all(engine: Engine, period: Period, now: datetime) -> dict[str, Any]:
    """The statistics of all endpoints together, and the busiest of them."""
    values = {"since": period.since(now), "until": now}
    with engine.connect() as connection:
        total = connection.execute(_OF_ALL[period.daily], values).one()
        busiest = connection.execute(_BUSIEST_OF[period.daily], {**values, "most": _BUSIEST}).all()
        endpoints = connection.execute(_ENDPOINTS).scalar_one()
    return {
        "endpoints": endpoints,
        **_summary(total),
        "busiest": [
            {"endpoint": row.endpoint, "requests": row.requests, "errors": row.errors, "average_ms": round(row.average, 3)}
            for row in busiest
        ],
    }


def largest(engine: Engine, endpoint: str) -> int:
    """The largest number of a canary stream, 0 when there is none."""
    with engine.connect() as connection:
        return int(connection.execute(_LARGEST, {"endpoint": endpoint}).scalar_one())


def canary(engine: Engine, endpoint: str, first: int, last: int) -> Stored:
    """Which numbers of a canary stream are stored."""
    values = {"endpoint": endpoint, "first": first, "last": last}
    with engine.connect() as connection:
        row = connection.execute(_CANARY, values).one()
        gaps = connection.execute(_GAPS, {**values, "most": _MISSING_RANGES + 1}).all()
    return Stored(
        count=row.rows,
        numbers=row.numbers,
        minimum=row.minimum,
        maximum=row.maximum,
        missing=[(gap.first, gap.last) for gap in gaps[:_MISSING_RANGES]],
        truncated=len(gaps) > _MISSING_RANGES,
    )
