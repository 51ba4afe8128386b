# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints, and the calls to them by month."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Calls of a month that has no partition yet go to the default one."""
    op.execute("""
        CREATE TABLE endpoints (
            id bigserial PRIMARY KEY,
            name text NOT NULL CONSTRAINT endpoints_name_key UNIQUE,
            created_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute("""
        CREATE TABLE requests (
            id bigserial NOT NULL,
            timestamp timestamptz NOT NULL DEFAULT now(),
            endpoint text NOT NULL CONSTRAINT requests_endpoint_fkey REFERENCES endpoints (name),
            response_time double precision NOT NULL CONSTRAINT requests_response_time_check CHECK (response_time >= 0),
            status smallint NOT NULL CONSTRAINT requests_status_check CHECK (status BETWEEN 100 AND 599),
            number bigint,
            PRIMARY KEY (id, timestamp)
        ) PARTITION BY RANGE (timestamp)
    """)
    op.execute("COMMENT ON COLUMN requests.response_time IS 'milliseconds'")
    op.execute("COMMENT ON COLUMN requests.number IS 'position in a canary stream, whose endpoint is /canary/<stream>'")
    op.execute("CREATE TABLE requests_default PARTITION OF requests DEFAULT")
    op.execute("CREATE INDEX requests_timestamp_idx ON requests (timestamp)")
    op.execute("CREATE INDEX requests_endpoint_idx ON requests (endpoint)")
    op.execute("CREATE INDEX requests_endpoint_timestamp_idx ON requests (endpoint, timestamp)")
