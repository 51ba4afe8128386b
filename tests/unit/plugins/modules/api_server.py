# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An HTTP server that answers like an API server, the kubeconfig that leads to it, and modules run by Ansible against it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

TOKEN = "a-bearer-token-nobody-may-see"


class ApiHandler(BaseHTTPRequestHandler):
    """What it answers is up to each test."""

    def do_GET(self) -> None:
        self.get()

    def do_PATCH(self) -> None:
        self.patch()

    def do_DELETE(self) -> None:
        self.delete()

    def get(self) -> None:
        raise NotImplementedError

    def patch(self) -> None:
        raise NotImplementedError

    def delete(self) -> None:
        raise NotImplementedError

    def is_let_in(self) -> bool:
        return self.headers["Authorization"] == f"Bearer {TOKEN}"

    def body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, status: int, content: Any) -> None:
        text = (content if isinstance(content, str) else json.dumps(content)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Keep the test's output to the test."""


@contextlib.contextmanager
def serving(handler: type[ApiHandler]) -> Iterator[str]:
    """The address of a server that lives as long as the context."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_port}"
        finally:
            listening.shutdown()
            thread.join()


def kubeconfig(path: Path, server: str, token: str = TOKEN) -> Path:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "clusters": [{"name": "lab", "cluster": {"server": server}}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "admin"}}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def run(module: str, arguments: dict[str, Any], *flags: str) -> tuple[dict[str, Any], str]:
    """Result and everything that was printed, at the highest verbosity people use."""
    argv = ["ansible", "localhost", "-vvv", "--one-line", "-m", f"endpoint_stats.ops.{module}", "-a", json.dumps(arguments), *flags]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    line = next(line for line in done.stdout.splitlines() if line.startswith("localhost | "))
    return json.loads(line[line.index("{") :]), done.stdout + done.stderr
