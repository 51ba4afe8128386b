# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statistics by endpoint and day."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """The unique index lets the view be refreshed while it is read; days are those of UTC."""
    op.execute("""
        CREATE MATERIALIZED VIEW endpoint_daily_stats AS
        SELECT endpoint,
               (timestamp AT TIME ZONE 'UTC')::date AS day,
               count(*) AS request_count,
               avg(response_time) AS avg_response_time,
               max(response_time) AS max_response_time,
               min(response_time) AS min_response_time,
               count(*) FILTER (WHERE status >= 500) AS error_count
        FROM requests
        GROUP BY endpoint, (timestamp AT TIME ZONE 'UTC')::date
    """)
    op.execute("CREATE UNIQUE INDEX endpoint_daily_stats_endpoint_day_idx ON endpoint_daily_stats (endpoint, day)")
    op.execute("CREATE INDEX endpoint_daily_stats_day_idx ON endpoint_daily_stats (day)")
