# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster that somebody else runs is checked without machines, and what it lacks is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.e2e.runs import Run
from tests.e2e.support import Lab

ACCOUNT = "e2e-managed"
READER = [
    {"apiGroups": ["storage.k8s.io"], "resources": ["storageclasses"], "verbs": ["get", "list"]},
    {"apiGroups": ["apiregistration.k8s.io"], "resources": ["apiservices"], "verbs": ["get", "list"]},
]


def check(lab: Lab, kubeconfig: Path, directory: Path) -> Run:
    """Run the playbook with an inventory that has no machine."""
    variables = {"kubernetes_cluster_managed": True, "endpoint_stats_cluster": "elsewhere", "endpoint_stats_kubeconfig": str(kubeconfig)}
    inventory = directory / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": {"vars": variables}}))
    return lab.play(inventories=[str(inventory)])


@pytest.fixture
def poor_kubeconfig(lab: Lab, tmp_path: Path) -> Iterator[Path]:
    """A kubeconfig that may read storage classes and little else."""
    metadata = {"name": ACCOUNT}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": ACCOUNT}
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": "default"}
    objects = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {**metadata, "namespace": "default"}},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata, "rules": READER},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": reference,
            "subjects": [subject],
        },
    ]
    manifest = yaml.safe_dump_all(objects)
    lab.kubectl("apply", "--filename=-", stdin=manifest)
    token = lab.kubectl("create", "token", ACCOUNT).strip()
    kubeconfig = yaml.safe_load(lab.paths.kubeconfig.read_text())
    kubeconfig["users"][0]["user"] = {"token": token}
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(kubeconfig))
    yield path
    lab.kubectl("delete", "--filename=-", stdin=manifest)


@pytest.fixture
def no_default_class(lab: Lab) -> Iterator[None]:
    """The storage class is there and is not the default."""
    annotation = "storageclass.kubernetes.io/is-default-class"
    lab.kubectl("annotate", "--overwrite", "storageclass/local-path", f"{annotation}=false")
    yield
    lab.kubectl("annotate", "--overwrite", "storageclass/local-path", f"{annotation}=true")


def test_a_managed_cluster_that_has_everything_passes(lab: Lab, tmp_path: Path) -> None:
    check(lab, lab.paths.kubeconfig, tmp_path).expect(changed=0)


def test_everything_a_managed_cluster_lacks_is_named_at_once(
    lab: Lab, poor_kubeconfig: Path, no_default_class: None, tmp_path: Path
) -> None:
    run = check(lab, poor_kubeconfig, tmp_path)
    assert run.status != 0
    lacking = ("a default StorageClass", "create namespaces", "create secrets", "create statefulsets.apps")
    assert [word for word in lacking if word not in run.refusal] == [], run.refusal
    assert yaml.safe_load(poor_kubeconfig.read_text())["users"][0]["user"]["token"] not in run.output


def test_a_managed_cluster_without_an_answer_is_named(lab: Lab, tmp_path: Path) -> None:
    """Where the kubeconfig leads nowhere, the address is in the message."""
    path = tmp_path / "kubeconfig"
    path.write_text(lab.paths.kubeconfig.read_text().replace(":6443", ":1"))
    run = check(lab, path, tmp_path)
    assert run.status != 0
    assert lab.address("control-1") in run.refusal
