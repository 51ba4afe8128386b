# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What PostgreSQL keeps of a password."""

from __future__ import annotations

import base64
import hashlib
import hmac

_ITERATIONS = 4096


def verifier(role: str, password: str) -> str:
    """What PostgreSQL keeps of a password (RFC 5803). The salt follows from both, so that the same password gives the same text,
    and the password itself is never part of a statement that a server may log."""
    secret = password.encode()
    salt = hmac.digest(secret, f"endpoint-stats/{role}".encode(), "sha256")[:16]
    salted = hashlib.pbkdf2_hmac("sha256", secret, salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    served = hmac.digest(salted, b"Server Key", "sha256")
    texts = [base64.b64encode(part).decode() for part in (salt, stored, served)]
    return f"SCRAM-SHA-256${_ITERATIONS}:{texts[0]}${texts[1]}:{texts[2]}"
