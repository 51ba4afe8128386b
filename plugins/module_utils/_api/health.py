# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the application says it is: its /health, asked once and judged."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from ansible.module_utils.urls import SSLValidationError, open_url

from .._errors import OpsError
from .._report.finding import Finding
from .._report.part import Part, Threshold
from .._report.redact import clean
from .._tls import unresolved

_ANSWER_BYTES = 64 * 1024
_SUBJECT = "Deployment/flask-api"
_LOOK = "Look at its log: kubectl logs deployment/flask-api"


def look(url: str, ca_file: str, timeout_seconds: float, limits: Threshold) -> Part:
    """One request; an answer of 503 is an answer as well."""
    nameless = unresolved(urlsplit(url).hostname or "")
    if nameless:
        return Part(reason=nameless)
    begun = time.monotonic()
    try:
        status, body = _asked(url, ca_file, timeout_seconds)
    except OpsError as error:
        text = "it does not answer"
        return Part({"url": url}, [Finding("api_does_not_answer", "critical", _SUBJECT, text, clean(error.cause), _LOOK)], str(error))
    data = {"url": url, "status_code": status, "seconds": round(time.monotonic() - begun, 3), **_read(body)}
    return Part(data, judge(data, limits))


def judge(data: dict[str, Any], limits: Threshold) -> list[Finding]:
    """What of the answer deserves a word."""
    found = []
    failed = {name: check for name, check in data["checks"].items() if check["status"] != "ok"}
    for name, check in sorted(failed.items()):
        evidence = check["reason"] or f"status {check['status']}"
        found.append(Finding(f"api_{name}_failed", "critical", _SUBJECT, f"it does not reach {name}", evidence, _LOOK))
    if data["status_code"] != 200 and not failed:
        text, evidence = "it says that it is not well", f"HTTP status {data['status_code']}"
        found.append(Finding("api_unhealthy", "critical", _SUBJECT, text, evidence, _LOOK))
    severity = limits.judge(data["seconds"])
    if severity:
        text, evidence = f"/health takes more than {limits.of(severity):g} s", f"{data['seconds']:.2f} s"
        found.append(Finding("api_slow", severity, _SUBJECT, text, evidence, "Look at the CPU of its pods and at its stores' latencies."))
    return found


def _asked(url: str, ca_file: str, timeout_seconds: float) -> tuple[int, str]:
    try:
        with open_url(url, timeout=timeout_seconds, ca_path=ca_file or None, use_proxy=False, follow_redirects="none") as answer:
            return answer.status, answer.read(_ANSWER_BYTES).decode("utf-8", errors="replace")
    except HTTPError as error:
        return error.code, error.read(_ANSWER_BYTES).decode("utf-8", errors="replace")
    except (URLError, OSError, ValueError, SSLValidationError) as error:
        raise OpsError("The API does not answer", where=url, cause=str(getattr(error, "reason", "") or error)) from error


def _read(body: str) -> dict[str, Any]:
    """The known fields of the answer; a proxy's page has none of them."""
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        return {"says": clean(body, 200), "checks": {}}
    given = answer.get("checks")
    checks = {
        clean(name, 40): {
            "status": clean(check.get("status", ""), 40),
            "duration_ms": check["duration_ms"] if isinstance(check.get("duration_ms"), (int, float)) else None,
            "reason": clean(check.get("reason", "")),
        }
        for name, check in (given.items() if isinstance(given, dict) else ())
        if isinstance(check, dict)
    }
    return {"says": clean(answer.get("status", ""), 40), "checks": checks}
