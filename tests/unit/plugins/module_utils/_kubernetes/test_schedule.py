# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An operation on a schedule: what its pod may, mounts and reaches, and that it says what it was told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.endpoint_stats.ops.plugins.filter.operation_schedule import operation_schedule

SPEC: dict[str, Any] = {
    "name": "postgres-backup",
    "namespace": "endpoint-stats",
    "playbook": "backup",
    "image": f"images.example.net/ops-runner@sha256:{1:064x}",
    "schedule": "17,47 * * * *",
    "time_zone": "Etc/UTC",
    "suspended": False,
    "deadline_seconds": 1700,
    "cpu": "50m",
    "memory": "512Mi",
    "settings": {"backups_jobs": 2},
}


def made(**changes: Any) -> dict[str, dict[str, Any]]:
    return {item["kind"]: item for item in operation_schedule({**SPEC, **changes})}


def pod(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = made(**changes)["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]
    return found


def test_an_account_has_no_token_unless_its_pod_asks_for_one() -> None:
    assert made()["ServiceAccount"]["automountServiceAccountToken"] is False
    assert pod()["spec"]["automountServiceAccountToken"] is False
    assert pod(token=True)["spec"]["automountServiceAccountToken"] is True
    assert pod()["spec"]["serviceAccountName"] == "postgres-backup"


def test_only_the_named_credentials_are_mounted() -> None:
    assert [volume for volume in pod()["spec"]["volumes"] if "secret" in volume] == []
    spec = pod(credentials={"postgresql/backup": "postgres-backup"})["spec"]
    assert [volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume] == ["postgres-backup"]
    mounts = {mount["name"]: mount for mount in spec["containers"][0]["volumeMounts"]}
    assert mounts["postgres-backup"] == {
        "name": "postgres-backup",
        "mountPath": "/run/secrets/endpoint-stats/postgresql/backup",
        "readOnly": True,
    }
    assert {volume["name"] for volume in spec["volumes"]} == set(mounts)
    assert {name for name, mount in mounts.items() if not mount.get("readOnly")} == {"data", "home", "tmp"}


def test_only_the_named_servers_are_reached() -> None:
    def clients(**changes: Any) -> set[str]:
        return {name for name in pod(**changes)["metadata"]["labels"] if name.endswith("-client")}

    assert clients() == set()
    assert clients(clients=["postgresql", "redis"]) == {"endpoint-stats/postgresql-client", "endpoint-stats/redis-client"}


def test_nothing_more_than_needed_runs_in_the_pod() -> None:
    spec = pod()["spec"]
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["resources"]["limits"] == {"memory": "512Mi"}
    assert container["args"][-1] == "endpoint_stats.ops.backup"


def test_runs_do_not_overlap_and_end_in_time() -> None:
    spec = made(suspended=True, starting_deadline_seconds=1800)["CronJob"]["spec"]
    assert (spec["concurrencyPolicy"], spec["suspend"], spec["startingDeadlineSeconds"]) == ("Forbid", True, 1800)
    job = spec["jobTemplate"]["spec"]
    assert (job["backoffLimit"], job["activeDeadlineSeconds"], job["ttlSecondsAfterFinished"]) == (0, 1700, 604800)


def test_the_settings_are_the_variables_of_the_run() -> None:
    assert json.loads(made()["ConfigMap"]["data"]["settings.json"]) == {"backups_jobs": 2}
    first, second = made(settings={"a": 1, "b": 2}), made(settings={"b": 2, "a": 1})
    assert first == second


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"image": "ops-runner:latest"}, "no image by digest"), ({"image": ""}, "no image"), ({"colour": "blue"}, "colour")],
)
def test_what_is_not_understood_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        operation_schedule({**SPEC, **changes})
