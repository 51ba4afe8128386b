# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of a living stack are changed while rows are written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stack.client import canary
from tests.e2e.support import STACK, Lab

CLASS = "storageclass/local-path"
GROWN = "768Mi"
PASSWORDS = {"postgres_admin": "Rotated-admin-8Jx2", "postgres_api": "Rotated-api-3Lq7", "redis_api": "Rotated-redis-5Vn9"}


def identity(lab: Lab) -> tuple[str, int]:
    """Of the server's pod, and how often it was started."""
    pod = lab.get("--namespace", STACK, "pod/postgres-0")
    return pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"]


def test_passwords_are_changed_under_load(stack_lab: Lab, tmp_path: Path) -> None:
    """Every row that was acknowledged is there, and the former password is worth nothing."""
    before = identity(stack_lab)
    stack_lab.give_secrets(PASSWORDS)
    with canary(stack_lab.url, "passwords", tmp_path) as rows:
        run = stack_lab.play("app_stack").expect()
        rows.await_rows(60)
    assert rows.check()["verdict"] == "complete"
    assert [password for password in PASSWORDS.values() if password in run.output] == []
    assert identity(stack_lab) == before
    assert stack_lab.play("app_stack", check=True).expect().changed == 0


@pytest.fixture
def expandable(stack_lab: Lab) -> Iterator[None]:
    """The class says that its volumes can grow; whoever provides them would do it."""

    def allow(value: Any) -> None:
        stack_lab.kubectl("patch", CLASS, f"--patch={json.dumps({'allowVolumeExpansion': value})}")

    allow(True)
    yield
    allow(None)


def test_a_claim_grows_where_its_class_can(stack_lab: Lab, expandable: None) -> None:
    """The claim itself is asked to grow, by the run and not by a new claim."""
    before = stack_lab.get("--namespace", STACK, "persistentvolumeclaim/redis-data")
    variables = {"app_stack_redis_storage": GROWN}
    dry = stack_lab.play("app_stack", check=True, variables=variables).expect()
    assert "PersistentVolumeClaim/redis-data" in {change.thing for change in dry.changes}
    stack_lab.play("app_stack", variables=variables).expect()
    after = stack_lab.get("--namespace", STACK, "persistentvolumeclaim/redis-data")
    assert after["spec"]["resources"]["requests"]["storage"] == GROWN
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    stack_lab.play("app_stack", variables=variables).expect(changed=0)


def test_a_claim_never_shrinks(stack_lab: Lab, expandable: None) -> None:
    run = stack_lab.play("app_stack", variables={"app_stack_redis_storage": "256Mi"})
    assert run.status != 0
    assert run.changed == 0
    for words in ("the claim redis-data", "256Mi is asked for; a volume cannot shrink"):
        assert words in run.refusal
