# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._search.engine import Engine, recognised

from tests.unit.plugins.module_utils._search.fake import elasticsearch_root, healthy, opensearch_root, serving


def node(version: str, **more: str) -> dict[str, Any]:
    return {"cluster_name": "logs", "nodes": {"aB3": {"version": version, **more}}}


DISGUISED = opensearch_root("7.10.2")
PLAIN_DISGUISE = {**DISGUISED, "version": {"number": "7.10.2"}}


@pytest.mark.parametrize(
    ("root", "told", "product", "version"),
    [
        (elasticsearch_root("7.17.29"), None, "elasticsearch", "7.17.29"),
        (elasticsearch_root("9.5.3"), None, "elasticsearch", "9.5.3"),
        (elasticsearch_root("9.0.0-SNAPSHOT"), None, "elasticsearch", "9.0.0-SNAPSHOT"),
        (opensearch_root("1.3.20"), None, "opensearch", "1.3.20"),
        (opensearch_root("3.8.0"), None, "opensearch", "3.8.0"),
        (DISGUISED, node("2.19.1"), "opensearch", "2.19.1"),
        (PLAIN_DISGUISE, node("1.3.20"), "opensearch", "1.3.20"),
        (None, node("8.19.21", build_flavor="default"), "elasticsearch", "8.19.21"),
        (None, node("2.19.1"), "opensearch", "2.19.1"),
    ],
)
def test_engines_are_told_apart(root: dict[str, Any] | None, told: dict[str, Any] | None, product: str, version: str) -> None:
    engine = recognised(root, told)
    assert (engine.product, engine.version, engine.cluster) == (product, version, "logs")


@pytest.mark.parametrize(
    "root", [DISGUISED, PLAIN_DISGUISE, (404, ""), (405, {"error": "Incorrect HTTP method"}), (400, {"error": "no handler found"})]
)
def test_a_node_is_asked_where_the_root_does_not_tell(root: Any) -> None:
    answers = healthy(opensearch_root("2.19.1"), **{"/": root, "/_nodes/_local": node("2.19.1")})
    with serving(answers) as engine:
        part = engine.look()
    assert (part.data["engine"]["title"], part.data["engine"]["version"], part.reason) == ("OpenSearch", "2.19.1", "")


@pytest.mark.parametrize(
    ("root", "told"),
    [
        ({}, None),
        ({"version": "1.2"}, None),
        ({"version": {"number": "latest", "build_flavor": "default"}}, None),
        ({"version": {"number": "0.4.7"}, "tagline": "ZincSearch"}, None),
        (None, None),
        (None, {"nodes": {}}),
        (elasticsearch_root("6.8.23"), None),
    ],
)
def test_what_is_neither_or_too_old_is_refused(root: dict[str, Any] | None, told: dict[str, Any] | None) -> None:
    with pytest.raises(OpsError, match=r"neither Elasticsearch nor OpenSearch|too old"):
        recognised(root, told)


def test_the_health_report_came_with_8_7() -> None:
    asked = {
        version: Engine("elasticsearch", version, "").has_health_report for version in ("7.17.29", "8.6.2", "8.7.0", "8.10.4", "9.0.0")
    }
    assert asked == {"7.17.29": False, "8.6.2": False, "8.7.0": True, "8.10.4": True, "9.0.0": True}
