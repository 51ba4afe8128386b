# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What es_health_report says of a real Elasticsearch and a real OpenSearch, well and broken."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.merge import merge
from ansible_collections.endpoint_stats.ops.plugins.module_utils._search import disk
from ansible_collections.endpoint_stats.ops.plugins.modules.es_health_report import ask

from tests.integration.app import servers
from tests.integration.search import engines
from tests.integration.search.engines import PASSWORD, Elasticsearch, Engine, Forlorn, OpenSearch
from tools.app import python

DISK = "cluster.routing.allocation.disk.watermark"
STAGES = ("low", "high", "flood_stage")
DEFAULTS: dict[str, Any] = {
    "timeout_seconds": 20,
    "expected_nodes": 0,
    "disk_percent": None,
    "heap_percent": {"warning": 85, "critical": 95},
    "pending_task_seconds": {"warning": 30, "critical": 300},
    "max_indices_shown": 3,
}
Kind = TypeVar("Kind", bound=Engine)


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    engines.install()
    with tempfile.TemporaryDirectory(prefix="endpoint-stats-search-") as temporary:
        yield Path(temporary)


@pytest.fixture(scope="module")
def elasticsearch(directory: Path) -> Iterator[Elasticsearch]:
    yield from started(Elasticsearch(directory / "elasticsearch"))


@pytest.fixture(scope="module")
def opensearch(directory: Path) -> Iterator[OpenSearch]:
    yield from started(OpenSearch(directory / "opensearch"))


@pytest.fixture(params=["elasticsearch", "opensearch"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """One of the two, which is left as it was found."""
    chosen: Engine = request.getfixturevalue(request.param)
    yield chosen
    chosen.restore()


def started(engine: Kind) -> Iterator[Kind]:
    try:
        engine.start()
        yield engine
    finally:
        engine.end()


def options(engine: Engine, **changes: Any) -> dict[str, Any]:
    """As somebody asks who has the rights that the documentation names, and no more."""
    known = {"url": [engine.url], "credentials_dir": engine.credentials("monitoring"), "ca_file": engine.authority}
    return {**DEFAULTS, **known, **changes}


def asked(engine: Engine, **changes: Any) -> dict[str, Any]:
    part: dict[str, Any] = ask(options(engine, **changes))["part"]
    return part


def found(part: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The findings by their id, without what a busy machine says of a moment."""
    return {finding["id"]: finding for finding in part["findings"] if finding["id"] != "search_cpu_busy"}


def awaited(engine: Engine, identity: str) -> dict[str, Any]:
    """A finding that takes the engine a moment."""
    finding = servers.wait_until(lambda: found(asked(engine)).get(identity), identity, 30)
    assert finding is not None
    return finding


def until(engine: Engine, index: str, status: str) -> None:
    servers.wait_until(lambda: engine.status(index) == status, f"{status} index")


def states(part: dict[str, Any]) -> dict[str, str]:
    return {name: covered["state"] for name, covered in part["data"]["coverage"].items()}


def verdict(part: dict[str, Any]) -> str:
    """What the report makes of the part."""
    made = merge({"search": part}, taken_at="2026-11-24T06:00:00Z", cluster="lab", namespace="endpoint-stats")
    return str(made["parts"]["search"]["state"])


def test_a_healthy_node_has_no_findings(engine: Engine) -> None:
    engine.create("logs")
    until(engine, "logs", "green")
    part = asked(engine, expected_nodes=1)
    assert (found(part), part["reason"], verdict(part)) == ({}, "", "healthy")
    native = "checked" if isinstance(engine, Elasticsearch) else "not_applicable"
    assert states(part) == {**dict.fromkeys(part["data"]["coverage"], "checked"), "health_report": native}
    assert part["data"]["engine"]["product"] == engine.name
    (node,) = part["data"]["nodes"]
    assert node["version"] == part["data"]["engine"]["version"]
    assert 0 < node["heap_percent"] < 85
    assert 0 < node["disk_available_bytes"] < node["disk_total_bytes"]


def test_the_engines_own_report_is_merged(elasticsearch: Elasticsearch) -> None:
    indicators = {row["name"]: row["status"] for row in asked(elasticsearch)["data"]["indicators"]}
    assert {"disk", "master_is_stable", "shards_availability", "shards_capacity"} <= set(indicators)
    assert set(indicators.values()) == {"green"}


def test_what_only_the_engines_own_report_knows_is_a_finding(elasticsearch: Elasticsearch) -> None:
    elasticsearch.create("logs")
    try:
        elasticsearch.set(cluster__max_shards_per_node=2)
        finding = awaited(elasticsearch, "search_indicator_shards_capacity")
    finally:
        elasticsearch.restore()
    assert finding["severity"] == "critical"
    assert "Increase the number of nodes" in finding["remedy"]


def test_a_replica_on_a_single_node_has_no_other_node(engine: Engine) -> None:
    engine.create("logs", number_of_replicas=1)
    until(engine, "logs", "yellow")
    part = asked(engine)
    assert set(found(part)) == {"search_status_yellow", "search_shards_unassigned_same_node"}
    finding = found(part)["search_shards_unassigned_same_node"]
    assert finding["severity"] == "warning"
    assert "no other node" in finding["summary"]
    assert "1 replica of logs" in finding["evidence"]
    assert verdict(part) == "findings"


def test_a_filter_that_matches_nothing_is_named(engine: Engine) -> None:
    for number in range(5):
        engine.create(f"logs-{number}", index__routing__allocation__require___name="ghost")
    part = asked(engine)
    assert set(found(part)) == {"search_status_red", "search_shards_unassigned_filter"}
    finding = found(part)["search_shards_unassigned_filter"]
    assert finding["severity"] == "critical"
    assert finding["evidence"].startswith("5 primaries of logs-0, logs-1, logs-2 and 2 more; ")
    assert "ghost" in finding["evidence"]


def test_allocation_that_was_left_switched_off_is_named(engine: Engine) -> None:
    engine.set(cluster__routing__allocation__enable="none")
    engine.create("logs")
    names = set(found(asked(engine)))
    assert names == {"search_status_red", "search_shards_unassigned_disabled", "search_allocation_limited"}


def test_data_that_is_gone_is_told_from_data_that_waits(engine: Engine) -> None:
    engine.create("logs")
    engine.ask("POST", "/logs/_doc?refresh=true", {"message": "kept"})
    identity = engine.ask("GET", "/logs/_settings?flat_settings=true")["logs"]["settings"]["index.uuid"]
    engine.ask("POST", "/logs/_close")
    (shard,) = (engine.directory / "data").rglob(f"{identity}/0")
    shutil.rmtree(shard / "index")
    (shard / "index").mkdir()
    engine.ask("POST", "/logs/_open?wait_for_active_shards=0")
    finding = awaited(engine, "search_shards_unassigned_no_copy")
    assert finding["severity"] == "critical"
    assert "restore" in finding["remedy"]


@pytest.mark.parametrize(
    ("marks", "identity", "severity"),
    [
        (("900tb", "2mb", "1mb"), "search_disk_low", "warning"),
        (("900tb", "900tb", "1mb"), "search_disk_high", "warning"),
        (("0.1%", "0.2%", "0.3%"), "search_disk_flood_stage", "critical"),
    ],
)
def test_a_disk_over_a_watermark_is_a_finding_with_numbers(engine: Engine, marks: tuple[str, ...], identity: str, severity: str) -> None:
    engine.set_watermarks(*marks)
    finding = found(asked(engine))[identity]
    assert (finding["subject"], finding["severity"]) == ("node/node-1", severity)
    assert "% used" in finding["evidence"]
    assert f"the watermark {marks[STAGES.index(identity.removeprefix('search_disk_'))]} asks for " in finding["evidence"]


def test_shards_that_a_full_disk_keeps_away_say_so(elasticsearch: Elasticsearch) -> None:
    try:
        elasticsearch.set_watermarks("900tb", "900tb", "1mb")
        elasticsearch.create("logs")
        finding = found(asked(elasticsearch))["search_shards_unassigned_disk_watermark"]
    finally:
        elasticsearch.restore()
    assert (finding["severity"], "1 primary of logs" in finding["evidence"]) == ("critical", True)


@pytest.mark.parametrize(
    "marks",
    [
        {"low": "1%", "high": "2%", "flood_stage": "3%"},
        {"low": "0.6", "high": "0.75", "flood_stage": "0.999"},
        {"low": "5gb", "high": "3gb", "flood_stage": "1048576b"},
        {
            **dict.fromkeys(STAGES, "60%"),
            **{f"{stage}.max_headroom": f"{size}gb" for stage, size in zip(STAGES, (7, 5, 4), strict=True)},
        },
    ],
    ids=["percent", "ratio", "bytes", "headroom"],
)
def test_watermarks_ask_for_the_bytes_the_engine_itself_asks_for(elasticsearch: Elasticsearch, marks: dict[str, str]) -> None:
    try:
        elasticsearch.set(**{f"{DISK}.{name}": value for name, value in marks.items()})
        stats = elasticsearch.ask("GET", "/_nodes/stats/fs")
        settings = elasticsearch.ask("GET", "/_cluster/settings?include_defaults=true&flat_settings=true")
    finally:
        elasticsearch.restore()
    (node,) = stats["nodes"].values()
    (path,) = node["fs"]["data"]
    known = disk.watermarks(settings).stages
    names = {"low": "low_watermark", "high": "high_watermark", "flood_stage": "flood_stage"}
    engines_own = {stage: path[f"{name}_free_space_in_bytes"] for stage, name in names.items()}
    assert {stage: mark.required_bytes(path["total_in_bytes"]) for stage, mark in known.items()} == engines_own


def test_ones_own_limits_count_beside_the_watermarks(engine: Engine) -> None:
    assert "search_disk_full" not in found(asked(engine, disk_percent={"warning": 101, "critical": 102}))
    finding = found(asked(engine, disk_percent={"warning": 0.001, "critical": 101}))["search_disk_full"]
    assert finding["severity"] == "warning"


def test_indices_that_a_full_disk_made_read_only_are_named(engine: Engine) -> None:
    for name in ("logs-a", "logs-b"):
        engine.create(name)
        until(engine, name, "green")
        engine.ask("PUT", f"/{name}/_settings", {"index.blocks.read_only_allow_delete": True})
    finding = found(asked(engine))["search_indices_read_only"]
    assert (finding["severity"], finding["evidence"]) == ("critical", "2: logs-a, logs-b")


def test_missing_nodes_are_critical(engine: Engine) -> None:
    finding = found(asked(engine, expected_nodes=3))["search_nodes_missing"]
    assert (finding["severity"], finding["evidence"]) == ("critical", "1 of 3")


def test_who_is_not_let_in_knows_nothing(opensearch: OpenSearch) -> None:
    part = asked(opensearch, credentials_dir=opensearch.credentials("monitoring", "wrong"))
    assert part["findings"] == []
    assert set(states(part).values()) == {"could_not_check"}
    assert "HTTP 401" in part["reason"]
    assert "Check the credentials" in part["reason"]
    assert verdict(part) == "could_not_check"


def test_a_right_that_is_missing_costs_one_check(opensearch: OpenSearch) -> None:
    part = asked(opensearch, credentials_dir=opensearch.credentials("limited"))
    assert [name for name, state in states(part).items() if state == "could_not_check"] == ["blocks"]
    assert part["reason"].startswith("blocks: ")
    assert "HTTP 403" in part["reason"]
    assert (found(part), verdict(part)) == ({}, "could_not_check")


def test_another_authority_is_refused(opensearch: OpenSearch, tmp_path: Path) -> None:
    servers.certificate(tmp_path)
    part = asked(opensearch, ca_file=str(tmp_path / "tls.crt"))
    assert set(states(part).values()) == {"could_not_check"}
    assert "CERTIFICATE_VERIFY_FAILED" in part["reason"]
    assert part["findings"] == []


def test_an_engine_that_is_down_is_critical(engine: Engine) -> None:
    nobody = f"{engine.scheme}://127.0.0.1:{servers.free_port()}"
    part = asked(engine, url=[nobody])
    assert {name: finding["severity"] for name, finding in found(part).items()} == {"search_does_not_answer": "critical"}
    assert "refused" in part["reason"]
    assert set(states(part).values()) == {"could_not_check"}


def test_one_address_of_several_that_is_down_hides_nothing(engine: Engine) -> None:
    nobody = f"{engine.scheme}://127.0.0.1:{servers.free_port()}"
    part = asked(engine, url=[nobody, engine.url])
    finding = found(part)["search_address_does_not_answer"]
    assert (finding["subject"], finding["severity"]) == (nobody, "warning")
    assert (part["reason"], part["data"]["url"]) == ("", engine.url)


def test_a_cluster_without_a_master_says_so_whatever_its_own_report_answers(directory: Path) -> None:
    for forlorn in started(Forlorn(directory / "forlorn")):
        assert forlorn.answer("GET", "/")[0] == 405
        assert forlorn.answer("GET", "/_health_report")[0] == 200
        part = asked(forlorn, timeout_seconds=2)
    assert set(found(part)) == {"search_no_elected_master"}
    finding = found(part)["search_no_elected_master"]
    assert (finding["subject"], finding["severity"]) == ("Elasticsearch/search", "critical")
    assert "HTTP 503: master_not_discovered_exception" in finding["evidence"]
    assert "GET /_health_report answers all the same: No master node observed" in finding["evidence"]
    assert [name for name, state in states(part).items() if state == "checked"] == ["engine", "nodes"]
    assert "disk is unknown" in part["reason"]


def test_the_module_shows_no_password_and_changes_nothing(engine: Engine) -> None:
    before = engine.ask("GET", "/_cluster/state/version,metadata")
    argv = ["ansible", "localhost", "-vvv", "--check", "--one-line", "-e", f"ansible_python_interpreter={sys.executable}"]
    given = {name: value for name, value in options(engine).items() if value is not None}
    command = [*argv, "-m", "endpoint_stats.ops.es_health_report", "-a", json.dumps(given)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    said = done.stdout + done.stderr
    assert not [secret for secret in (PASSWORD, json.dumps(PASSWORD)[1:-1], "Planted-search") if secret in said]
    line = next(line for line in done.stdout.splitlines() if line.startswith("localhost | "))
    answer = json.loads(line[line.index("{") :])
    assert (answer["changed"], answer["part"]["reason"]) == (False, "")
    assert answer["coverage"] == answer["part"]["data"]["coverage"]
    assert engine.ask("GET", "/_cluster/state/version,metadata") == before


def role(directory: Path, search: dict[str, Any]) -> dict[str, Any]:
    """What the role health_report gathers from beside the data, and the schedule it would make."""
    written = directory / "written.json"
    given = {"ansible_python_interpreter": str(python()), "health_report_search": search, "written": str(written)}
    inventory = directory / "hosts.yml"
    inventory.write_text(json.dumps({"all": {"children": {"ops": {"hosts": {"localhost": {"ansible_connection": "local"}}}}}}))
    argv = ["ansible-playbook", f"--inventory={inventory}", "--extra-vars", json.dumps(given), str(engines.HERE / "asked.yml")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    gathered: dict[str, Any] = json.loads(written.read_text())
    return gathered


def test_the_health_report_asks_an_engine_that_is_named(opensearch: OpenSearch, tmp_path: Path) -> None:
    (tmp_path / "monitoring").symlink_to(opensearch.credentials("monitoring"))
    search = {"url": opensearch.url, "credentials_dir": str(tmp_path), "ca_file": opensearch.authority}
    gathered = role(tmp_path, search)
    assert gathered["parts"]["search"]["reason"] == ""
    assert gathered["parts"]["search"]["data"]["engine"]["product"] == "opensearch"
    assert gathered["answers"] == 6
    assert "search" in gathered["cron_job"]["clients"]
    assert gathered["cron_job"]["credentials"]["search/monitoring"] == "search-monitoring"
    assert gathered["cron_job"]["settings"]["health_report_search"] == {**search, "credentials_dir": "/run/secrets/endpoint-stats/search"}


def test_the_health_report_misses_no_engine_that_is_not_named(tmp_path: Path) -> None:
    gathered = role(tmp_path, {})
    assert "search" not in gathered["parts"]
    assert gathered["answers"] == 5
    assert "search" not in gathered["cron_job"]["clients"]
    assert "search/monitoring" not in gathered["cron_job"]["credentials"]
