# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine of documents that real ones gave, on a free port of the loopback interface; it notes whatever it is asked."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.part import Part, Threshold
from ansible_collections.endpoint_stats.ops.plugins.module_utils._search.checks import look
from ansible_collections.endpoint_stats.ops.plugins.module_utils._search.examination import Limits
from ansible_collections.endpoint_stats.ops.plugins.module_utils._search.http import Server

TERABYTE = 10**12
LIMITS = Limits(Threshold(85, 95), Threshold(30, 300), None, expected_nodes=0, shown=3)
SETTINGS = "/_cluster/settings"
BLOCKS = "/_all/_settings/index.blocks.*"
STATS = "/_nodes/stats/fs,jvm,os"
EXPLAIN = "/_cluster/allocation/explain"


def elasticsearch_root(version: str) -> dict[str, Any]:
    told = {"number": version, "build_flavor": "default", "build_type": "docker", "lucene_version": "9.12.2"}
    return {"name": "node-1", "cluster_name": "logs", "version": told, "tagline": "You Know, for Search"}


def opensearch_root(version: str) -> dict[str, Any]:
    told = {"distribution": "opensearch", "number": version, "build_type": "tar", "lucene_version": "9.12.1"}
    return {"name": "node-1", "cluster_name": "logs", "version": told, "tagline": "The OpenSearch Project: https://opensearch.org/"}


def health(**changes: Any) -> dict[str, Any]:
    calm = {"relocating_shards": 0, "initializing_shards": 0, "unassigned_shards": 0, "delayed_unassigned_shards": 0}
    quiet = {"number_of_pending_tasks": 0, "number_of_in_flight_fetch": 0, "task_max_waiting_in_queue_millis": 0}
    nodes = {"number_of_nodes": 2, "number_of_data_nodes": 2, "active_primary_shards": 4, "active_shards": 8}
    return {"cluster_name": "logs", "status": "green", "timed_out": False, **nodes, **calm, **quiet, **changes}


def node_info(**versions: str) -> dict[str, Any]:
    nodes = {f"id-{name}": {"name": name, "version": version, "roles": ["data", "master"]} for name, version in versions.items()}
    return {"_nodes": {"failed": 0}, "nodes": nodes}


def node_stats(*names: str, available: int = TERABYTE // 2, heap: int = 40, cpu: int = 7) -> dict[str, Any]:
    disk = {"total_in_bytes": TERABYTE, "free_in_bytes": available, "available_in_bytes": available}
    jvm = {"uptime_in_millis": 60000, "mem": {"heap_used_percent": 99, "pools": {"old": {"used_in_bytes": heap, "max_in_bytes": 100}}}}
    one = {"roles": ["data", "master"], "fs": {"total": disk, "data": [disk]}, "jvm": jvm, "os": {"cpu": {"percent": cpu}}}
    return {"_nodes": {"failed": 0}, "nodes": {f"id-{name}": {"name": name, **one} for name in names}}


def settings(**changes: str) -> dict[str, Any]:
    """Flat, as an engine without any of its own has them."""
    disk = "cluster.routing.allocation.disk"
    stages = {"low": ("85%", "200GB"), "high": ("90%", "150GB"), "flood_stage": ("95%", "100GB")}
    defaults = {f"{disk}.watermark.{name}": mark for name, (mark, _headroom) in stages.items()}
    defaults.update({f"{disk}.watermark.{name}.max_headroom": headroom for name, (_mark, headroom) in stages.items()})
    defaults.update({f"{disk}.threshold_enabled": "true", "cluster.routing.allocation.enable": "all"})
    return {"persistent": {name.replace("__", "."): value for name, value in changes.items()}, "transient": {}, "defaults": defaults}


def indicators(**changes: tuple[str, str]) -> dict[str, Any]:
    known = dict.fromkeys(("master_is_stable", "disk", "shards_availability", "shards_capacity"), ("green", "All is well."))
    told = {name: {"status": status, "symptom": symptom} for name, (status, symptom) in {**known, **changes}.items()}
    return {"status": "green", "cluster_name": "logs", "indicators": told}


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    parameters: Mapping[str, str]
    body_bytes: int
    authorization: str


@dataclass
class Fake:
    """Answers by path: a document, or a status with a document or a text."""

    answers: dict[str, Any]
    port: int = 0
    asked: list[Asked] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def look(self, limits: Limits = LIMITS, *others: str, credentials_dir: str = "", timeout_seconds: int = 2) -> Part:
        return look(Server((*others, self.url), credentials_dir, "", timeout_seconds), limits)

    def paths(self) -> list[str]:
        return [request.path for request in self.asked]


def healthy(root: Mapping[str, Any] | None = None, /, **changes: Any) -> dict[str, Any]:
    """What an engine of two nodes answers on a good day."""
    chosen = dict(root or elasticsearch_root("8.19.21"))
    version = chosen["version"]["number"]
    answers = {
        "/": chosen,
        "/_cluster/health": health(),
        "/_nodes": node_info(a=version, b=version),
        STATS: node_stats("a", "b"),
        SETTINGS: settings(),
        "/_cat/shards": [],
        BLOCKS: {},
        "/_health_report": indicators(),
    }
    return {**answers, **changes}


class Quiet(ThreadingTCPServer):
    """Unlike the one of http.server it does not ask for its own name; who hangs up is no error here."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Somebody did not wait for the answer."""


@contextlib.contextmanager
def serving(answers: dict[str, Any]) -> Iterator[Fake]:
    fake = Fake(answers)

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            parts = urlsplit(self.path)
            parameters = {name: values[0] for name, values in parse_qs(parts.query).items()}
            size = int(self.headers.get("Content-Length") or 0)
            fake.asked.append(Asked(self.command, parts.path, parameters, size, self.headers.get("Authorization", "")))
            self.rfile.read(size)
            given = fake.answers.get(parts.path, (404, {"error": "no handler found"}))
            given = given(parameters) if callable(given) else given
            status, document = given if isinstance(given, tuple) else (200, given)
            body = document.encode() if isinstance(document, str) else json.dumps(document).encode()
            self.send_response(status)
            if status == 302:
                self.send_header("Location", document)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def __getattr__(self, name: str) -> Any:
            """Whatever the method, it is noted and answered."""
            if name.startswith("do_"):
                return self.answer
            raise AttributeError(name)

        def log_message(self, *_arguments: Any) -> None:
            """Not on the terminal of the tests."""

    with Quiet(("127.0.0.1", 0), Handler) as server:
        fake.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()
