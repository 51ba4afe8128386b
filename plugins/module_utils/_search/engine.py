# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which engine answers, and in which version: the two have grown apart since Elasticsearch 7.10."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .._errors import OpsError
from .._report.redact import clean
from .http import Client, QuestionError, Server

Product = Literal["elasticsearch", "opensearch"]
_TITLES: Mapping[Product, str] = {"elasticsearch": "Elasticsearch", "opensearch": "OpenSearch"}
_OLDEST: Mapping[Product, int] = {"elasticsearch": 7, "opensearch": 1}
# What a server says that knows no GET /: its own 404, or 400 with "no handler found".
_NO_SUCH_QUESTION = (400, 404, 405)


@dataclass(frozen=True)
class Engine:
    """What answers."""

    product: Product
    version: str
    cluster: str

    @property
    def title(self) -> str:
        return _TITLES[self.product]

    @property
    def release(self) -> tuple[int, int]:
        return _release(self.version)

    @property
    def has_health_report(self) -> bool:
        return self.product == "elasticsearch" and self.release >= (8, 7)

    @property
    def manager_timeout(self) -> str:
        """The parameter that says how long to wait for an elected node; OpenSearch 2 gave it another name."""
        return "cluster_manager_timeout" if self.product == "opensearch" and self.release >= (2, 0) else "master_timeout"

    def to_dict(self) -> dict[str, Any]:
        return {"product": self.product, "title": self.title, "version": self.version, "cluster": self.cluster}


@dataclass(frozen=True)
class Address:
    """One address, and what became of asking it; C(problem) is empty when it answered."""

    client: Client
    engine: Engine | None = None
    problem: QuestionError | None = None

    def to_dict(self) -> dict[str, Any]:
        return {"url": self.client.url, "answers": self.engine is not None, "reason": self.problem.cause if self.problem else ""}


def ask_all(server: Server) -> list[Address]:
    """Every address is asked who it is, so that one that is down is seen while others answer."""
    return [_ask(client) for client in server.clients()]


def nobody_answers(addresses: Sequence[Address]) -> bool:
    """Whether the engine is down; one that refuses us, or has no name here, is not known to be."""
    kinds = {_as_seen(address.problem) for address in addresses if address.problem}
    return kinds - {"nameless"} == {"down"} and not any(address.engine for address in addresses)


def recognised(root: Mapping[str, Any] | None, node: Mapping[str, Any] | None = None) -> Engine:
    """The engine by its C(GET /), or, where that is missing or tells an old story, by what C(GET /_nodes/_local) says of the node."""
    version = _mapping((root or {}).get("version"))
    node = node or {}
    told: Mapping[str, Any] = next(iter(_mapping(node.get("nodes")).values()), {})
    number = clean(told.get("version") or version.get("number") or "", 40)
    cluster = clean((root or {}).get("cluster_name") or node.get("cluster_name") or "", 100)
    if _release(number) == (0, 0):
        raise OpsError("What answers is neither Elasticsearch nor OpenSearch", cause="it tells no version")
    if _is_opensearch(root) or (root is None and "build_flavor" not in told):
        product: Product = "opensearch"
    elif version.get("build_flavor") or told.get("build_flavor"):
        product = "elasticsearch"
    else:
        raise OpsError("What answers is neither Elasticsearch nor OpenSearch", cause=f"it says version {number}")
    if _release(number)[0] < _OLDEST[product]:
        remedy = f"{_TITLES[product]} is understood from {_OLDEST[product]}.0 on."
        raise OpsError(f"{_TITLES[product]} {number} is too old to be looked at", remedy=remedy)
    return Engine(product, number, cluster)


def _ask(client: Client) -> Address:
    try:
        root = _root(client)
        # OpenSearch 1 and 2 say 7.10.2 when they are told to look like Elasticsearch.
        disguised = _is_opensearch(root) and str(_mapping((root or {}).get("version")).get("number")).startswith("7.")
        asked = {"filter_path": "cluster_name,nodes.*.version,nodes.*.build_flavor"}
        node = client.get("/_nodes/_local", **asked) if root is None or disguised else None
        return Address(client, recognised(root, node))
    except QuestionError as error:
        return Address(client, problem=error)
    except OpsError as error:
        return Address(client, problem=QuestionError(client.url, "unreadable", f"{error.summary}: {error.cause or error.remedy}"))


def _root(client: Client) -> Mapping[str, Any] | None:
    try:
        return _mapping(client.get("/"))
    except QuestionError as error:
        if error.status in _NO_SUCH_QUESTION:
            return None
        raise


def _is_opensearch(root: Mapping[str, Any] | None) -> bool:
    version = _mapping((root or {}).get("version"))
    return version.get("distribution") == "opensearch" or "OpenSearch" in str((root or {}).get("tagline"))


def _as_seen(problem: QuestionError) -> str:
    """An engine that answers every question with 5xx serves nobody, as long as its process runs."""
    return "down" if problem.status >= 500 else problem.kind


def _release(version: str) -> tuple[int, int]:
    numbers = re.match(r"(\d+)\.(\d+)", version)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
