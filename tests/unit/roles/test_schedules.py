# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Schedules of all operations: what each may, mounts and reaches, that they fit beside each other, and that runs take their settings."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.endpoint_stats.ops.plugins.filter.quantity import FilterModule

from tests.unit.roles.argument_specs import PYTHON_TYPES
from tests.unit.roles.rendered import ROLES, evaluated

quantity = FilterModule().filters()["quantity"]
PLAYBOOKS = ROLES.parent / "playbooks"
VARIABLES = {"app_stack_images": {"ops_runner": f"images.example.net/ops-runner@sha256:{1:064x}"}, "endpoint_stats_cluster": "example"}
MADE = {
    "backups": "_backups_schedules | map('endpoint_stats.ops.operation_schedule') | flatten",
    "maintenance": "_maintenance_cron_job | endpoint_stats.ops.operation_schedule",
    "health_report": "_health_report_cron_job | endpoint_stats.ops.operation_schedule",
}
RIGHTS = {"maintenance": "rights.yaml.j2", "health_report": "schedule.yaml.j2"}
# Name of the CronJob -> its role and entry point, its Secrets and the servers it reaches.
EXPECTED = {
    "postgres-backup": ("backups", "run", {"postgres-backup"}, {"postgresql"}),
    "backup-verification": ("backups", "verify", set(), set()),
    "system-maintenance": ("maintenance", "run", {"postgres-maintenance", "redis-ops"}, {"kubernetes", "postgresql", "redis"}),
    "health-report": ("health_report", "main", {"postgres-monitoring", "redis-monitoring"}, {"api", "kubernetes", "postgresql", "redis"}),
}


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for role, expression in MADE.items():
        expressions = {"made": expression}
        if role in RIGHTS:
            expressions["rights"] = f"lookup('ansible.builtin.template', '{RIGHTS[role]}') | from_yaml_all | select | list"
        values = evaluated(role, expressions, VARIABLES, tmp_path_factory.mktemp(role))
        found += [*values["made"], *values.get("rights", [])]
    return found


@pytest.fixture(scope="module")
def schedules(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {item["metadata"]["name"]: item for item in objects if item["kind"] == "CronJob"}


def pod(schedule: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schedule["spec"]["jobTemplate"]["spec"]["template"]
    return found


@pytest.mark.parametrize("name", EXPECTED)
def test_a_pod_mounts_and_reaches_what_it_needs_and_no_more(schedules: dict[str, dict[str, Any]], name: str) -> None:
    _role, _entry, secrets, clients = EXPECTED[name]
    template = pod(schedules[name])
    assert {volume["secret"]["secretName"] for volume in template["spec"]["volumes"] if "secret" in volume} == secrets
    labels = template["metadata"]["labels"]
    assert {label.removeprefix("endpoint-stats/").removesuffix("-client") for label in labels if label.endswith("-client")} == clients
    assert template["spec"]["automountServiceAccountToken"] is ("kubernetes" in clients)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_run_takes_the_settings_it_is_given(objects: list[dict[str, Any]], schedules: dict[str, dict[str, Any]], name: str) -> None:
    """A variable that its role does not know would make every run refuse to begin."""
    role, entry, _secrets, _clients = EXPECTED[name]
    (settings,) = (item for item in objects if (item["kind"], item["metadata"]["name"]) == ("ConfigMap", f"{name}-settings"))
    given = json.loads(settings["data"]["settings.json"])
    spec = yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text())["argument_specs"][entry]["options"]
    assert set(given) <= set(spec)
    assert {key: isinstance(value, PYTHON_TYPES[spec[key]["type"]]) for key, value in given.items()} == dict.fromkeys(given, True)
    playbook = pod(schedules[name])["spec"]["containers"][0]["args"][-1].removeprefix("endpoint_stats.ops.")
    assert (PLAYBOOKS / f"{playbook}.yml").is_file()


def test_copies_elsewhere_are_made_by_the_backup_alone(tmp_path: Path) -> None:
    """Its pod does not wait for their Secret; the verification runs code of the dump, and gets neither credentials nor a way out."""
    variables = {**VARIABLES, "endpoint_stats_offsite": {"remote": "archive:backups", "secret": "rclone"}}
    made = evaluated("backups", {"made": MADE["backups"]}, variables, tmp_path)["made"]
    found = {item["metadata"]["name"]: item for item in made if item["kind"] in ("CronJob", "ConfigMap")}
    backup, verification = (pod(found[name]) for name in ("postgres-backup", "backup-verification"))
    secrets = [volume["secret"] for volume in backup["spec"]["volumes"] if "secret" in volume]
    assert {(secret["secretName"], secret.get("optional", False)) for secret in secrets} == {("postgres-backup", False), ("rclone", True)}
    assert backup["metadata"]["labels"]["endpoint-stats/offsite-client"] == "true"
    assert not [volume for volume in verification["spec"]["volumes"] if "secret" in volume]
    assert not [label for label in verification["metadata"]["labels"] if label.endswith("-client")]
    spec = yaml.safe_load((ROLES / "backups" / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    for name, entry in (("postgres-backup", "offsite"), ("backup-verification", "verify")):
        given = json.loads(found[f"{name}-settings"]["data"]["settings.json"])
        offsite = {key: value for key, value in given.items() if key.startswith("backups_offsite_")}
        assert offsite
        assert set(offsite) <= set(spec[entry]["options"])
    assert given["backups_offsite_after_verification"] is False


KEYS = {
    "endpoint_stats_backup_secrets": {"backup-keys": "keys"},
    "endpoint_stats_backup_manifest_key_file": "/run/secrets/endpoint-stats/backup-keys/manifest.key",
    "endpoint_stats_backup_globals_identity_file": "/run/secrets/endpoint-stats/backup-identity/identity.txt",
    "endpoint_stats_backup_globals_passphrase_file": "/run/secrets/endpoint-stats/backup-passphrase/passphrase.txt",
}


@pytest.mark.parametrize(
    ("verification", "named"),
    [
        ({}, []),
        ({"backup-keys": "keys"}, ["backups_manifest_key_file"]),
        ({"backup-identity": "identity"}, ["backups_verify_globals_identity_file"]),
        ({"backup-passphrase": "passphrase"}, ["backups_verify_globals_passphrase_file"]),
        ({"backup-key": "keys"}, []),
    ],
)
def test_a_verification_has_the_keys_it_is_given_and_is_told_of_no_others(
    verification: dict[str, str], named: list[str], tmp_path: Path
) -> None:
    """Who makes backups gets the key by one variable; code of the dump finds none unless somebody wants that."""
    variables = {**VARIABLES, **KEYS, "backups_verify_schedule_secrets": verification}
    made = evaluated("backups", {"made": MADE["backups"]}, variables, tmp_path)["made"]
    found = {item["metadata"]["name"]: item for item in made if item["kind"] in ("CronJob", "ConfigMap")}
    mounted = {}
    for name in ("postgres-backup", "backup-verification"):
        spec = pod(found[name])["spec"]
        names = {volume["name"] for volume in spec["volumes"] if volume.get("secret", {}).get("optional")}
        mounted[name] = {mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"] if mount["name"] in names}
    assert mounted["postgres-backup"] == {"/run/secrets/endpoint-stats/backup-keys"}
    assert mounted["backup-verification"] == {f"/run/secrets/endpoint-stats/{directory}" for directory in verification}
    given = json.loads(found["backup-verification-settings"]["data"]["settings.json"])
    opening = ("backups_verify_globals_identity_file", "backups_verify_globals_passphrase_file")
    assert [name for name in ("backups_manifest_key_file", *opening) if given[name]] == named
    given = json.loads(found["postgres-backup-settings"]["data"]["settings.json"])
    assert given["backups_manifest_key_file"] == KEYS["endpoint_stats_backup_manifest_key_file"]


def minutes(schedule: str) -> set[int]:
    """Minutes of a day at which it begins; days do not matter here."""
    minute, hour, *_days = schedule.split()
    hours = range(24) if hour == "*" else [int(hour)]
    return {60 * each + int(value) for each in hours for value in minute.split(",")}


def test_no_two_begin_at_the_same_time(schedules: dict[str, dict[str, Any]]) -> None:
    begins = sorted(minute for schedule in schedules.values() for minute in minutes(schedule["spec"]["schedule"]))
    assert set(schedules) == set(EXPECTED)
    assert min(later - earlier for earlier, later in pairwise(begins)) >= 10


def test_runs_are_told_what_the_inventory_says(tmp_path: Path) -> None:
    """How often a backup is made follows from the schedule; where and how it is proven is as somebody wants it."""
    wanted = {
        "backups_verify_accept_newer_server": True,
        "backups_verify_scratch_dir": "/var/lib/endpoint-stats/scratch",
        "backups_verify_scratch_max_bytes": 7_000_000,
        "backups_verify_scratch_niceness": 19,
    }
    made = evaluated("backups", {"made": MADE["backups"]}, {**VARIABLES, **wanted, "backups_schedule": "5,15 */6 * * *"}, tmp_path)["made"]
    given = {item["metadata"]["name"]: json.loads(item["data"]["settings.json"]) for item in made if item["kind"] == "ConfigMap"}
    assert given["postgres-backup-settings"]["backups_interval_seconds"] == 6 * 3600 - 600
    assert {name: given["backup-verification-settings"][name] for name in wanted} == wanted
    schedule = next(item for item in made if item["kind"] == "CronJob")["spec"]
    assert (schedule["schedule"], schedule["startingDeadlineSeconds"]) == ("5,15 */6 * * *", 6 * 3600 - 600)


def test_they_fit_into_the_quota_all_at_once(schedules: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    room = evaluated("app_stack", {"jobs": "app_stack_quota_concurrent_jobs", "each": "app_stack_ops_runner_resources"}, {}, tmp_path)
    assert len(schedules) <= room["jobs"]
    for schedule in schedules.values():
        (container,) = pod(schedule)["spec"]["containers"]
        assert quantity(container["resources"]["limits"]["memory"]) <= quantity(room["each"]["limits"]["memory"])
        for kind in ("cpu", "memory"):
            assert quantity(container["resources"]["requests"][kind]) <= quantity(room["each"]["requests"][kind])


def test_accounts_have_the_rights_of_their_operation(objects: list[dict[str, Any]]) -> None:
    bound = {item["metadata"]["name"]: item for item in objects if item["kind"] == "RoleBinding"}
    assert set(bound) == {"health-report", "system-maintenance"}
    (rights,) = (item["rules"] for item in objects if (item["kind"], item["metadata"]["name"]) == ("Role", "system-maintenance"))
    assert rights == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "delete"]},
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list", "delete"]},
    ]
    assert [subject["name"] for subject in bound["system-maintenance"]["subjects"]] == ["system-maintenance"]
