# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the API server answered: documents, or why there is none."""

from __future__ import annotations

import json
from typing import Any

from .._errors import OpsError

_SHOWN_ANSWER_CHARACTERS = 500


class ApiError(OpsError):
    """The API server refused, or did not answer; `status` is 0 then."""

    def __init__(self, summary: str, *, status: int, where: str, cause: str) -> None:
        remedies = {401: "Check the credentials of the kubeconfig.", 403: "Check the rights of the kubeconfig's user."}
        super().__init__(summary, where=where, cause=cause, remedy=remedies.get(status, ""), status=status)
        self.status = status

    @property
    def lasting(self) -> bool:
        """Whether asking again would be answered the same way."""
        return self.status in (401, 403)


def document_of(summary: str, where: str, answer: str) -> dict[str, Any]:
    try:
        return dict(json.loads(answer))
    except ValueError as error:
        raise ApiError(summary, status=0, where=where, cause="the answer is no JSON document") from error


def items_of(answer: str) -> list[dict[str, Any]]:
    return list(json.loads(answer).get("items") or [])


def said(body: Any) -> str:
    """The message of a Status document, or the beginning of whatever else the server sent."""
    text = body.decode("utf-8", errors="replace") if isinstance(body, bytes) else str(body or "")
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text.strip()[:_SHOWN_ANSWER_CHARACTERS]
