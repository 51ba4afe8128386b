# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Globs as Redis understands them in C(SCAN MATCH), byte for byte: what is protected here must be what it would find there."""

from __future__ import annotations

import re
from collections.abc import Callable

from .._errors import OpsError

_LAST_ASCII = 0x7F
_EVERY_BYTE = frozenset(range(256))


def matcher(glob: bytes) -> Callable[[bytes], bool]:
    """Whether a key is named by a glob."""
    pattern = re.compile(_expression(glob), re.DOTALL)
    # A star needs a byte to begin with, but a star alone is answered before any glob is looked at.
    names_empty = glob in (b"", b"*")
    return lambda key: pattern.fullmatch(key) is not None if key else names_empty


def names_all(glob: bytes) -> bool:
    """Whether it says nothing of a key but how long it is."""
    return not glob.strip(b"*?")


def _expression(glob: bytes) -> bytes:
    segments = [b""]
    position = 0
    while position < len(glob):
        byte = glob[position : position + 1]
        if byte == b"*":
            segments.append(b"")
        elif byte == b"?":
            segments[-1] += b"."
        elif byte == b"[":
            allowed, position = _class(glob, position + 1)
            segments[-1] += _set(allowed)
        else:
            if byte == b"\\" and position + 1 < len(glob):
                position += 1
            segments[-1] += re.escape(glob[position : position + 1])
        position += 1
    first, *others = segments
    if not others:
        return first
    # Each segment is of fixed length, so its first place is as good as any later one: nothing is tried twice.
    return first + b"".join(b"(?>.*?%s)" % segment for segment in others[:-1]) + b".*" + others[-1]


def _class(glob: bytes, position: int) -> tuple[frozenset[int], int]:
    """The bytes of a class and where its last byte stands; one that is not closed ends with the glob."""
    negated = glob[position : position + 1] == b"^"
    position += negated
    found: set[int] = set()
    while position < len(glob):
        left = len(glob) - position
        byte = glob[position]
        if byte == ord("\\") and left >= 2:
            position += 1
            found.add(glob[position])
        elif byte == ord("]"):
            break
        elif left >= 3 and glob[position + 1] == ord("-"):
            found |= _range(glob, byte, glob[position + 2])
            position += 2
        else:
            found.add(byte)
        position += 1
    return (_EVERY_BYTE - found if negated else frozenset(found)), position


def _range(glob: bytes, start: int, end: int) -> set[int]:
    if max(start, end) > _LAST_ASCII:
        raise OpsError(
            "A range in a glob ends beyond ASCII",
            where=glob.decode("utf-8", errors="backslashreplace"),
            cause="Redis compares bytes there with a sign on some processors and without one on others",
            remedy="Name the characters one by one, or use ? for each of their bytes.",
        )
    return set(range(min(start, end), max(start, end) + 1))


def _set(allowed: frozenset[int]) -> bytes:
    if not allowed:
        return b"(?!)"
    return b"[" + b"".join(b"\\x%02x" % byte for byte in sorted(allowed)) + b"]"
