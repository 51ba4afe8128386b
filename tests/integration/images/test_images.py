# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own images, run the way the cluster runs them: not as root, with a root file system that nobody can write."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from lab import host, labs, products
from lab.podman import COMMAND, answers, podman
from lab.progress import Progress
from tests.integration.app.servers import wait_until

RUN = ("run", "--rm", "--read-only", "--network=none", "--cap-drop=ALL", "--security-opt=no-new-privileges", *host.ulimits())
UIDS = {"postgresql": "10001", "redis": "10002", "api": "10003", "proxy": "10005", "ops_runner": "10004"}
PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.assert: {that: "['name'] | endpoint_stats.ops.unknown_variables(prefix='a_', known=[]) == []"}
    - ansible.builtin.command: {argv: [kubectl, version, --client]}
    - ansible.builtin.command: {argv: [initdb, --pgdata=/tmp/scratch, --auth=peer]}
"""
PASSWORD = "only for this test"
_START_SECONDS = 60


@pytest.fixture(scope="session")
def names() -> dict[str, str]:
    """The images, built where they are missing."""
    progress = Progress()
    catalog = labs.make_artifacts(progress)
    return {product.variable: products.make(product, catalog, progress) for product in products.PRODUCTS}


@pytest.mark.parametrize("name", UIDS)
def test_an_image_runs_as_its_own_user_who_has_a_name(names: dict[str, str], name: str) -> None:
    """A user without an entry in passwd is refused by initdb and SSH."""
    told = podman(*RUN, "--entrypoint=/bin/sh", names[name], "-c", "id -u; id -un; (: > /etc/written) 2>/dev/null || echo read-only")
    uid, user, writing = told.split()
    assert uid == UIDS[name]
    assert not user.isdigit()
    assert writing == "read-only"


def test_what_is_there_is_not_built_again(names: dict[str, str]) -> None:
    catalog = labs.make_artifacts(Progress())
    progress = Progress()
    assert {product.variable: products.make(product, catalog, progress) for product in products.PRODUCTS} == names
    assert progress.summary().count("present") == len(names)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[list[str]]:
    """Options for a PostgreSQL container of this test, which is ended with its volume."""
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    password.chmod(0o444)
    name = f"endpoint-stats-test-postgresql-{time.monotonic_ns()}"
    volume = [f"--volume={name}:/var/lib/postgresql/data", "--tmpfs=/tmp"]
    yield [f"--name={name}", *volume, f"--volume={password}:/run/secrets/endpoint-stats/postgresql/password:ro"]
    with suppress(Exception):
        podman("rm", "--force", "--time=0", name)
    podman("volume", "rm", "--force", name)


def test_making_a_data_directory_ends_when_it_is_told_to(names: dict[str, str], data: list[str], tmp_path: Path) -> None:
    """Not only after the grace period of the pod. This initdb takes its time."""
    container = data[0].removeprefix("--name=")
    podman("volume", "create", container)
    slow = tmp_path / "initdb"
    slow.write_text('#!/bin/sh\n: > "$PGDATA.begun"\nexec sleep 300\n')
    slow.chmod(0o755)
    kept = [option for option in RUN if option != "--rm"]
    podman(*kept, *data, f"--volume={slow}:/usr/lib/postgresql/15/bin/initdb:ro", "--detach", names["postgresql"])
    wait_until(lambda: answers("exec", container, "sh", "-c", 'test -e "$PGDATA.begun"'), "initdb", _START_SECONDS)
    begun = time.monotonic()
    podman("stop", "--time=60", container)
    assert time.monotonic() - begun < 30
    assert podman("inspect", "--format={{.State.ExitCode}}", container).strip() == "130"


def test_a_data_directory_whose_making_was_killed_is_made_anew(names: dict[str, str], data: list[str]) -> None:
    container = data[0].removeprefix("--name=")
    podman("volume", "create", container)
    killing = 'start-postgresql & until [ -s "$PGDATA.part/PG_VERSION" ]; do :; done; kill -KILL -1'
    podman(*RUN, *data, "--entrypoint=/bin/sh", names["postgresql"], "-c", killing)
    left = podman(*RUN, "--entrypoint=ls", f"--volume={container}:/data", names["postgresql"], "/data")
    assert left.split() == ["pgdata.part"]
    podman(*RUN, *data, "--detach", names["postgresql"], "-c", "unix_socket_directories=/tmp")
    psql = ["psql", "--host=127.0.0.1", "--username=admin", "--dbname=postgres", "-Atc", "SHOW data_checksums"]
    ask = [*COMMAND, "exec", f"--env=PGPASSWORD={PASSWORD}", container, *psql]
    deadline = time.monotonic() + _START_SECONDS
    while (answer := subprocess.run(ask, capture_output=True, text=True, check=False)).returncode:
        assert time.monotonic() < deadline, answer.stderr
    assert answer.stdout == "on\n"


def test_the_image_of_operations_is_an_execution_environment(names: dict[str, str], tmp_path: Path) -> None:
    """ansible-runner, as AWX starts it, finds the collection and the collections it needs."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "play.yml").write_text(PLAY)
    tmp_path.chmod(0o777)
    writable = [f"--volume={tmp_path}:/runner", "--env=HOME=/tmp", "--tmpfs=/tmp:mode=1777"]
    told = podman(*RUN, *writable, names["ops_runner"], "ansible-runner", "run", "/runner", "--playbook", "play.yml")
    assert "failed=0" in told
    assert "ok=3" in told
