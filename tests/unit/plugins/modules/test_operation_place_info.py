# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first task of an operation as Ansible runs it, against an HTTP server that answers like an API server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.plugins.modules import api_server
from tests.unit.plugins.modules.api_server import TOKEN

PLAY = """
- hosts: all:localhost
  gather_facts: false
  any_errors_fatal: true
  tasks:
    - endpoint_stats.ops.operation_place_info:
        kubeconfig: "{{ endpoint_stats_kubeconfig | default('') }}"
        cluster: "{{ endpoint_stats_cluster | default('') }}"
        groups: "{{ groups }}"
        hosts: "{{ ansible_play_hosts_all }}"
        ops_connection: "{{ groups['ops'] | default([]) | map('extract', hostvars, 'ansible_connection') | first | default('ssh') }}"
        ops_pod: "{{ groups['ops'] | default([]) | map('extract', hostvars, 'ansible_kubectl_pod') | first | default('') }}"
      delegate_to: localhost
      run_once: true
"""
POD = {"ansible_connection": "kubernetes.core.kubectl", "ansible_kubectl_pod": "ops-runner-0"}


class Handler(api_server.ApiHandler):
    def get(self) -> None:
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        known: dict[str, dict[str, Any]] = {
            "/api/v1/namespaces/kube-system/configmaps/endpoint-stats-cluster": {"data": {"name": "lab"}},
            "/api/v1/namespaces/endpoint-stats/pods/ops-runner-0": {"metadata": {}, "spec": {"nodeName": "worker-1"}, "status": ready},
        }
        if not self.is_let_in():
            self.answer(401, {"message": "Unauthorized"})
        else:
            self.answer(200 if self.path in known else 404, known.get(self.path, {"message": "not found"}))


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with api_server.serving(Handler) as address:
        yield address


def play(
    directory: Path, ops: dict[str, Any], *arguments: str, server: str = "", cluster: str = "lab", token: str = TOKEN
) -> dict[str, Any]:
    """The result of the task."""
    variables: dict[str, Any] = {"endpoint_stats_cluster": cluster}
    if server:
        variables["endpoint_stats_kubeconfig"] = str(api_server.kubeconfig(directory / "config", server, token))
    inventory = {"all": {"children": {"workers": {"hosts": {"worker-1": {}}}, "ops": {"hosts": ops}}, "vars": variables}}
    (directory / "inventory.yml").write_text(yaml.safe_dump(inventory))
    (directory / "play.yml").write_text(PLAY)
    (directory / "kubectl").write_text("#!/bin/sh\n")
    (directory / "kubectl").chmod(0o755)
    environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "PATH": f"{directory}:{os.environ['PATH']}"}
    command = ["ansible-playbook", f"--inventory={directory}/inventory.yml", f"{directory}/play.yml", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert TOKEN not in done.stdout + done.stderr
    (task,) = json.loads(done.stdout[done.stdout.index("{\n") :])["plays"][0]["tasks"]
    (result,) = task["hosts"].values()
    assert bool(result.get("failed")) is (done.returncode != 0)
    return dict(result)


def test_the_pod_is_found_through_the_cluster(server: str, tmp_path: Path) -> None:
    result = play(tmp_path, {"ops-runner-0": POD}, server=server)
    assert {name: result[name] for name in ("place", "ops", "pod", "node", "cluster")} == {
        "place": "kubectl",
        "ops": "ops-runner-0",
        "pod": "ops-runner-0",
        "node": "worker-1",
        "cluster": "lab",
    }


def test_a_pod_of_a_cron_job_asks_no_cluster(tmp_path: Path) -> None:
    result = play(tmp_path, {"localhost": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}})
    assert (result["place"], result["cluster"]) == ("local", "")


# A limit that keeps localhost alone is refused by Ansible itself.
@pytest.mark.parametrize("limit", ["worker-1", "ops-runner-0"])
def test_a_limit_is_refused_whomever_it_keeps(server: str, tmp_path: Path, limit: str) -> None:
    result = play(tmp_path, {"ops-runner-0": POD}, "--limit", limit, server=server)
    assert result["failure"]["summary"].startswith("This run leaves out ")
    assert result["failure"]["cause"] == f"--limit keeps {limit}"


def test_an_inventory_without_the_group_is_refused(server: str, tmp_path: Path) -> None:
    result = play(tmp_path, {}, server=server)
    assert result["msg"].startswith("The inventory has no host in the group ops. Cause: its groups are: workers")


def test_another_cluster_and_a_refused_credential_are_told_apart(server: str, tmp_path: Path) -> None:
    other = play(tmp_path, {"ops-runner-0": POD}, server=server, cluster="production")
    assert other["failure"]["summary"] == "This is the cluster lab, the inventory means production"
    refused = play(tmp_path, {"ops-runner-0": POD}, server=server, token="of-yesterday")
    assert refused["failure"]["cause"] == "HTTP status 401: Unauthorized"


def test_a_missing_pod_is_named(server: str, tmp_path: Path) -> None:
    result = play(tmp_path, {"ops-runner-0": {**POD, "ansible_kubectl_pod": "ops-runner-1"}}, server=server)
    assert result["failure"]["where"] == "endpoint-stats/ops-runner-1"
    assert result["failure"]["summary"] == "The pod of the group ops is not there"
