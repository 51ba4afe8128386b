# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times as options give them and as results hold them: RFC 3339 in UTC, to the second."""

from __future__ import annotations

from datetime import UTC, datetime

from ._errors import OpsError


def moment(text: str | None) -> datetime:
    """The time of an option; now where none is given."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if text else datetime.now(UTC)
    except ValueError as error:
        raise OpsError(f"{text!r} is no time", remedy="Write it as 2026-11-24T06:00:00Z.") from error


def written(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now() -> str:
    return written(datetime.now(UTC))
