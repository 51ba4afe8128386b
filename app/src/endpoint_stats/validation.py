# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be posted. Each refusal names the field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

CANARY = "/canary/"
_FIELDS = ("endpoint", "response_time", "status", "timestamp", "number")
_LONGEST_ENDPOINT = 200
_LONGEST_RESPONSE_TIME_MS = 86_400_000
_LARGEST_NUMBER = 2**63 - 1
_FUTURE = timedelta(minutes=5)
_OLDEST_YEAR = 2000
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_STREAM = re.compile(r"[A-Za-z0-9._-]{1,64}")


class InvalidError(ValueError):
    """A value that is not accepted, and the field it was given in."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        self.reason = reason
        super().__init__(f"{field}: {reason}")


@dataclass(frozen=True)
class Call:
    """One call to an endpoint; canary rows carry a number."""

    endpoint: str
    response_time: float
    status: int
    timestamp: datetime | None = None
    number: int | None = None


def endpoint_name(value: Any) -> str:
    """The one way to write an endpoint: with a slash in front, and none behind."""
    if not isinstance(value, str) or not value.strip("/"):
        raise InvalidError("endpoint", "a path is needed, such as /api/users")
    name = "/" + value.strip("/")
    if len(name) > _LONGEST_ENDPOINT:
        raise InvalidError("endpoint", f"has {len(name)} characters, at most {_LONGEST_ENDPOINT} are accepted")
    if not name.isprintable() or any(character in " ?#" for character in name):
        raise InvalidError("endpoint", "holds a character that is not part of a path (space, ?, # or not printable)")
    return name


def stream_name(value: str) -> str:
    """The name of a canary stream."""
    if not _STREAM.fullmatch(value):
        raise InvalidError("stream", "has to be 1 to 64 letters, digits, dots, dashes or underscores")
    return value


def request_id(value: str | None) -> str | None:
    """A caller's request id, if it may be repeated in headers and logs."""
    return value if value and _REQUEST_ID.fullmatch(value) else None


def whole_number(field: str, value: Any, smallest: int, largest: int) -> int:
    """An integer within bounds; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int) or not smallest <= value <= largest:
        raise InvalidError(field, f"a whole number from {smallest} to {largest} is needed")
    return value


def _response_time(value: Any) -> float:
    # The comparison refuses NaN and infinity as well.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LONGEST_RESPONSE_TIME_MS:
        raise InvalidError("response_time", f"milliseconds from 0 to {_LONGEST_RESPONSE_TIME_MS} are needed")
    return float(value)


def _timestamp(value: Any, now: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise InvalidError("timestamp", "a time such as 2026-01-31T12:00:00Z is needed") from error
    if moment.tzinfo is None:
        raise InvalidError("timestamp", "the offset from UTC is missing")
    if moment.year < _OLDEST_YEAR or moment > now + _FUTURE:
        raise InvalidError("timestamp", f"has to be from the year {_OLDEST_YEAR} to {_FUTURE.seconds // 60} minutes from now")
    return moment


def call(document: Any, now: datetime) -> Call:
    """The call that a posted document describes."""
    if not isinstance(document, Mapping):
        raise InvalidError("body", "a JSON object is needed")
    unknown = sorted(set(document) - set(_FIELDS))
    if unknown:
        raise InvalidError(unknown[0][:64], f"is not known, there are {', '.join(_FIELDS)}")
    for field in ("endpoint", "response_time", "status"):
        if document.get(field) is None:
            raise InvalidError(field, "is missing")
    endpoint = endpoint_name(document["endpoint"])
    number = document.get("number")
    if endpoint.startswith(CANARY):
        stream_name(endpoint.removeprefix(CANARY))
        number = whole_number("number", number, 1, _LARGEST_NUMBER)
    elif number is not None:
        raise InvalidError("number", f"belongs to canary rows, whose endpoint begins with {CANARY}")
    given = document.get("timestamp")
    return Call(
        endpoint=endpoint,
        response_time=_response_time(document["response_time"]),
        status=whole_number("status", document["status"], 100, 599),
        timestamp=None if given is None else _timestamp(given, now),
        number=number,
    )
