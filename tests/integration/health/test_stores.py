# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the health report asks of the stores, asked of real ones over TLS, well and broken."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.app import servers
from tools.app import python

PASSWORD = "Planted-monitoring-Hw7kQ2mZx9"


@dataclass(frozen=True)
class Asked:
    """The stores as somebody asks them who has the credentials of the role and user C(monitoring)."""

    stack: servers.Stack

    def options(self, store: str, **changes: Any) -> dict[str, Any]:
        server = self.stack.postgresql if store == "postgresql" else self.stack.redis
        known = {"host": "127.0.0.1", "port": server.port, "credentials_dir": self.directory("monitoring"), "ca_file": self.authority}
        return {**known, "timeout_seconds": 3, **changes}

    @property
    def authority(self) -> str:
        return str(self.stack.directory / "tls.crt")

    def directory(self, name: str) -> str:
        return str(self.stack.directory / name)

    def ask(self, module: str, **options: Any) -> dict[str, Any]:
        """The part that a module gives; nothing of what is printed on the way holds the password."""
        argv = ["ansible", "localhost", "-vvv", "--one-line", "-e", f"ansible_python_interpreter={python()}"]
        command = [*argv, "-m", f"endpoint_stats.ops.{module}", "-a", json.dumps(options)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert PASSWORD not in done.stdout + done.stderr
        line = next(line for line in done.stdout.splitlines() if line.startswith("localhost | "))
        part: dict[str, Any] = json.loads(line[line.index("{") :])["part"]
        return part

    def store(self, store: str, **changes: Any) -> dict[str, Any]:
        return self.ask(f"{store}_health_info", **self.options(store, **changes))


@pytest.fixture(scope="module")
def stores() -> Iterator[Asked]:
    with servers.stack() as stack:
        for name, password in (("monitoring", PASSWORD), ("stranger", "wrong")):
            (stack.directory / name).mkdir()
            (stack.directory / name / "username").write_text("monitoring\n")
            (stack.directory / name / "password").write_text(f"{password}\n")
        stack.postgresql.sql(f"CREATE ROLE monitoring LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_monitor", "postgres")
        digest = hashlib.sha256(PASSWORD.encode()).hexdigest()
        stack.redis.ask("ACL", "SETUSER", "monitoring", "on", f"#{digest}", "-@all", "+ping", "+info")
        yield Asked(stack)


def identities(part: dict[str, Any]) -> list[str]:
    return [finding["id"] for finding in part["findings"]]


def test_postgresql_tells_how_it_is(stores: Asked) -> None:
    with stores.stack.postgresql.locked("pg_catalog.pg_largeobject"):
        part = stores.store("postgresql")
    assert part["reason"] == ""
    assert part["data"]["database"]["size_bytes"] > 1_000_000
    assert part["data"]["connections"]["used"] == 2
    assert part["data"]["connections"]["usable"] == 97
    assert part["data"]["server"]["version"].startswith("15.")
    assert {row["role"]: row["state"] for row in part["data"]["sessions"]} == {"admin": "idle in transaction", "monitoring": "active"}
    assert identities(part) == ["postgresql_checksums_off"]


def test_redis_tells_how_it_is(stores: Asked) -> None:
    part = stores.store("redis")
    assert part["reason"] == ""
    assert part["data"]["connected_clients"] == 1
    assert 0 < part["data"]["ping_seconds"] < 1
    assert identities(part) == ["redis_memory_unlimited"]


def test_certificates_are_looked_at_without_credentials(stores: Asked) -> None:
    ports = {"postgresql": stores.stack.postgresql.port, "tls": stores.stack.redis.port}
    asked = [{"host": "127.0.0.1", "port": port, "protocol": protocol} for protocol, port in ports.items()]
    part = stores.ask("served_certificates_info", servers=[*asked, {"host": "127.0.0.1", "port": 9}], ca_file=stores.authority)
    looked = {entry["where"] for entry in part["data"]["certificates"]}
    assert {f"127.0.0.1:{port}" for port in ports.values()} <= looked
    assert "127.0.0.1:9" in part["reason"]


@pytest.mark.parametrize("store", ["postgresql", "redis"])
def test_who_is_not_let_in_does_not_say_that_the_store_is_down(stores: Asked, store: str) -> None:
    part = stores.store(store, credentials_dir=stores.directory("stranger"))
    assert part["findings"] == []
    assert "does not let us connect" in part["reason"]
    assert "Check the credentials" in part["reason"]


@pytest.mark.parametrize("store", ["postgresql", "redis"])
def test_a_store_that_is_down_is_critical(stores: Asked, store: str) -> None:
    part = stores.store(store, port=9)
    assert [(finding["id"], finding["severity"]) for finding in part["findings"]] == [(f"{store}_does_not_answer", "critical")]
    assert "refused" in part["reason"]


def test_what_is_missing_here_says_nothing_of_the_store(stores: Asked, tmp_path: Path) -> None:
    part = stores.store("redis", credentials_dir=str(tmp_path))
    assert (part["findings"], "The credentials could not be read" in part["reason"]) == ([], True)
    part = stores.store("postgresql", host="postgres.nowhere.invalid")
    assert (part["findings"], "has no address" in part["reason"]) == ([], True)
