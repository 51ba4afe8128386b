# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs: one JSON object a line on the standard output, without credentials."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import IO, Any, Literal

Category = Literal["application", "performance", "security", "audit", "system"]

SERVICE = "endpoint-stats-api"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_SHORTEST_SECRET = 4
_concealed: set[str] = set()
# What the request that is being answered is; everything that is logged meanwhile carries it.
REQUEST: ContextVar[Mapping[str, str | None]] = ContextVar("request", default={})  # noqa: B039 - never changed


def conceal(secret: str) -> None:
    """Never let this value into a log; one or two letters would blacken words."""
    if len(secret) >= _SHORTEST_SECRET:
        _concealed.update((secret, json.dumps(secret)[1:-1]))


def redact(text: str) -> str:
    """The text without any of the concealed values."""
    for secret in _concealed:
        text = text.replace(secret, "***")
    return text


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JsonFormatter(logging.Formatter):
    """The record as one line of JSON; `extra` may hold category and metrics."""

    def format(self, record: logging.LogRecord) -> str:
        context = {"request_id": None, "user_id": None, "endpoint": None, **REQUEST.get()}
        metrics = {"duration_ms": None, "status_code": None, **getattr(record, "metrics", {})}
        document: dict[str, Any] = {
            "timestamp": timestamp(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname,
            "category": getattr(record, "category", "system"),
            "service": SERVICE,
            "message": record.getMessage(),
            "context": context,
            "metrics": metrics,
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return redact(json.dumps(document, ensure_ascii=False, default=str))


def configure(level: str, stream: IO[str] | None = None) -> None:
    """Every logger of this process, gunicorn's and the libraries' as well, writes through one handler."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("alembic", "sqlalchemy"):
        logging.getLogger(name).setLevel("WARNING")
