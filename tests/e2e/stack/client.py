# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API as its users reach it, from outside of the cluster: single requests, and a canary stream that goes on beside a test."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lab.paths import CHECKOUT
from tests.e2e.support import wait_until

_PROGRAM = [sys.executable, "-m", "endpoint_stats"]
_ENVIRONMENT = {**os.environ, "PYTHONPATH": str(CHECKOUT / "app" / "src")}
_ROWS_A_SECOND = 10
_CHECK_SECONDS = 120


def ask(address: str, document: dict[str, Any] | None = None, *, authority: Path | None = None) -> tuple[int, dict[str, Any]]:
    """Status and document of an answer; of HTTPS the certificate is checked."""
    place = urlsplit(address)
    host, port = str(place.hostname), place.port
    if place.scheme == "https":
        context = ssl.create_default_context(cafile=str(authority) if authority else None)
        connection: HTTPConnection = HTTPSConnection(host, port, timeout=20, context=context)
    else:
        connection = HTTPConnection(host, port, timeout=20)
    path = f"{place.path}?{place.query}".rstrip("?")
    if document is None:
        connection.request("GET", path)
    else:
        connection.request("POST", path, json.dumps(document), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text) if answer.getheader("Content-Type") == "application/json" else {}


def healthy(url: str) -> bool:
    """Whether the API says so of both stores."""
    try:
        return ask(f"{url}/health")[0] == 200
    except OSError:
        return False


@dataclass(frozen=True)
class Canary:
    """A stream of numbered rows that is being written."""

    url: str
    name: str
    state: Path
    process: subprocess.Popen[str]

    @property
    def acknowledged(self) -> int:
        """The last number that the API has said to be stored."""
        return int(json.loads(self.state.read_text())["acknowledged"]) if self.state.exists() else 0

    def await_rows(self, seconds: float, rows: int = 10) -> None:
        """Wait until so many more rows were stored."""
        wanted = self.acknowledged + rows
        wait_until(
            lambda: self.acknowledged >= wanted or self.process.poll() is not None, seconds=seconds, what="rows of the canary stream"
        )
        assert self.process.poll() is None, "the generator ended"

    def check(self) -> dict[str, Any]:
        """What of the stream is stored, as the API reads it, against what it has acknowledged."""
        where = ["--url", self.url, "--stream", self.name, "--state-file", str(self.state), "--wait-seconds", str(_CHECK_SECONDS)]
        done = subprocess.run([*_PROGRAM, "canary", "check", *where], env=_ENVIRONMENT, capture_output=True, text=True, check=False)
        assert done.stdout, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@contextmanager
def canary(url: str, name: str, directory: Path) -> Iterator[Canary]:
    """Write rows until the block ends."""
    state = directory / f"{name}.json"
    options = ["--url", url, "--rate", "0", "--duration-seconds", "3600", "--timeout-seconds", "5"]
    stream = ["--canary-stream", name, "--canary-rate", str(_ROWS_A_SECOND), "--state-file", str(state)]
    with (directory / f"{name}.log").open("w") as log:
        process = subprocess.Popen([*_PROGRAM, "load", *options, *stream], env=_ENVIRONMENT, stdout=log, stderr=log, text=True)
        running = Canary(url, name, state, process)
        try:
            running.await_rows(60)
            yield running
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
