# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each ServiceAccount of the stack may do what is written down for it, and no more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.support import Lab

WRITTEN: dict[str, dict[str, list[dict[str, Any]]]] = yaml.safe_load(Path(__file__).with_name("rbac.yml").read_text())


def rights(lab: Lab, namespace: str, account: str) -> set[str]:
    """What the API server says of an account in its namespace: what `kubectl auth can-i --list` shows."""
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}}
    who = f"--as=system:serviceaccount:{namespace}:{account}"
    answer = json.loads(lab.kubectl("create", who, "--validate=false", "--filename=-", "--output=json", stdin=json.dumps(review)))
    assert not answer["status"].get("incomplete"), answer["status"].get("evaluationError")
    return {one for rule in answer["status"]["resourceRules"] for one in each(rule)} | {
        f"{verb} {url}" for rule in answer["status"]["nonResourceRules"] for verb in rule["verbs"] for url in rule["nonResourceURLs"]
    }


def each(rule: dict[str, Any]) -> set[str]:
    """A rule as single rights, so that it does not matter how they are put together."""
    names = rule.get("resourceNames") or [""]
    return {
        f"{verb} {group}/{resource} {name}".strip()
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in names
    }


@pytest.mark.parametrize("namespace", sorted(WRITTEN))
def test_every_account_is_written_down(stack_lab: Lab, namespace: str) -> None:
    found = {item["metadata"]["name"] for item in stack_lab.get("--namespace", namespace, "serviceaccounts")["items"]}
    assert found == set(WRITTEN[namespace])


@pytest.mark.parametrize(("namespace", "account"), [(namespace, account) for namespace in WRITTEN for account in WRITTEN[namespace]])
def test_an_account_may_do_what_is_written_down_and_no_more(stack_lab: Lab, namespace: str, account: str) -> None:
    everybody = rights(stack_lab, namespace, "an-account-that-is-not-there")
    written = {one for rule in WRITTEN[namespace][account] for one in each(rule)}
    assert rights(stack_lab, namespace, account) - everybody == written


@pytest.mark.parametrize("namespace", sorted(WRITTEN))
def test_only_an_account_with_rights_has_a_token(stack_lab: Lab, namespace: str) -> None:
    pods = stack_lab.get("--namespace", namespace, "pods")["items"]
    with_token = {
        pod["spec"]["serviceAccountName"]
        for pod in pods
        for volume in pod["spec"]["volumes"]
        for source in volume.get("projected", {}).get("sources", [])
        if "serviceAccountToken" in source
    }
    assert with_token <= {account for account, written in WRITTEN[namespace].items() if written}
