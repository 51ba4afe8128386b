# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that others wrote (log lines, events, messages of servers), made fit to be shown: no secrets, no control characters, bounded."""

from __future__ import annotations

import json
import re
from typing import Any

HIDDEN = "[hidden]"
_LONGEST_CHARACTERS = 500
_WORDS = (
    r"passw(?:or)?d|passwd|pwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|authorization|cookie|session"
)
_VALUE = r"""(?:\\"(?:[^"\\]|\\[^"])*\\"|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s,;&})\]"']+)"""
_REPLACEMENTS = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), HIDDEN),
    (re.compile(r"(?<=://)[^/\s:@]*:[^/\s]+(?=@)"), HIDDEN),
    (re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{6,}"), rf"\1 {HIDDEN}"),
    (re.compile(rf"""(?i)((?:\\?["'])?[\w.-]*(?:{_WORDS})[\w.-]*(?:\\?["'])?\s*(?:=>|[:=])\s*){_VALUE}"""), rf"\1{HIDDEN}"),
    (re.compile(rf"(?i)(--?[\w-]*(?:{_WORDS})[\w-]*\s+)(?!-){_VALUE}"), rf"\1{HIDDEN}"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"), HIDDEN),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), HIDDEN),
)
# What is left and looks drawn at random: a password in the middle of a sentence has no name beside it.
_RUN = re.compile(r"(?<![\w+/.:@-])(?:sha256:)?[A-Za-z0-9+/_-]{20,}={0,2}(?![\w+/.-])")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)
_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_IDENTITY = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")


def clean(text: Any, longest: int = _LONGEST_CHARACTERS) -> str:
    """One text, hidden first and shortened afterwards: half a secret is still one."""
    shown = _CONTROL.sub(" ", str(text))
    for pattern, replacement in _REPLACEMENTS:
        shown = pattern.sub(replacement, shown)
    shown = _RUN.sub(lambda match: HIDDEN if _looks_drawn(match[0]) else match[0], shown)
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def log_line(text: str) -> dict[str, Any]:
    """A line of the application's log: of its JSON format the known fields alone, of anything else the cleaned text."""
    try:
        entry = json.loads(text)
    except ValueError:
        entry = None
    if not isinstance(entry, dict):
        return {"level": "", "message": clean(text)}
    context, metrics = _dict(entry.get("context")), _dict(entry.get("metrics"))
    shown: dict[str, Any] = {"level": clean(entry.get("level", ""), 20), "message": clean(entry.get("message", ""))}
    shown.update({name: clean(context[name], 200) for name in ("endpoint",) if context.get(name)})
    identity = str(context.get("request_id") or "")
    if identity:
        shown["request_id"] = identity if _IDENTITY.match(identity) else HIDDEN
    shown.update({name: metrics[name] for name in ("duration_ms", "status_code") if isinstance(metrics.get(name), (int, float))})
    return shown


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _looks_drawn(run: str) -> bool:
    """Letters of both cases and digits together, or a long hexadecimal number; names, paths, UUIDs and image digests do not count."""
    if run.startswith("sha256:") or _UUID.match(run):
        return False
    for word in re.split(r"[/_-]", run):
        kinds = sum(bool(re.search(kind, word)) for kind in (r"[a-z]", r"[A-Z]", r"[0-9]"))
        if (len(word) >= 16 and kinds == 3) or (len(word) >= 24 and kinds >= 2 and re.search(r"[0-9]", word)):
            return not re.fullmatch(r"[0-9a-f]{24,32}", word)
    kinds = sum(bool(re.search(kind, run)) for kind in (r"[a-z]", r"[A-Z]", r"[0-9]"))
    return kinds == 3 and "/" not in run
