# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small HTTP client that keeps its connection, for the load generator and the canary check."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

# Whatever keeps an answer from arriving.
NO_ANSWER = (OSError, http.client.HTTPException)


class TargetError(ValueError):
    """A URL that cannot be asked."""


@dataclass(frozen=True)
class Target:
    """Where the API is; `host` is what an ingress knows it by, when that differs from the address."""

    url: str
    host: str | None = None
    ca_file: str | None = None
    timeout_seconds: float = 10.0

    def client(self) -> Client:
        """A client with a connection of its own."""
        return Client(self)


class Client:
    """One connection, opened when needed."""

    def __init__(self, target: Target) -> None:
        parts = urlsplit(target.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.password:
            raise TargetError(f"{parts.scheme}://{parts.hostname} is no URL such as http://flask-api:5000 (a login is not accepted)")
        self._base = parts.path.rstrip("/")
        self._headers = {"Host": target.host} if target.host else {}
        self._connection: http.client.HTTPConnection
        if parts.scheme == "https":
            trust = ssl.create_default_context(cafile=target.ca_file)
            self._connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=target.timeout_seconds, context=trust)
        else:
            self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=target.timeout_seconds)

    def get(self, path: str) -> tuple[int, Any]:
        """Status and document."""
        return self._ask("GET", path, None)

    def post(self, path: str, document: Mapping[str, Any]) -> tuple[int, Any]:
        """Status and document."""
        return self._ask("POST", path, json.dumps(document).encode())

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _ask(self, method: str, path: str, body: bytes | None) -> tuple[int, Any]:
        headers = {**self._headers, **({"Content-Type": "application/json"} if body is not None else {})}
        try:
            self._connection.request(method, self._base + path, body, headers)
            response = self._connection.getresponse()
            raw = response.read()
        except NO_ANSWER:
            self.close()
            raise
        try:
            return response.status, json.loads(raw)
        except ValueError:
            return response.status, None
