# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine comes, is lost, comes back, is remade: each run takes it from where it stands and leaves the others alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import yaml

from tests.e2e.processes import Watched, kill_during, watch
from tests.e2e.support import TRACKED, Lab, text_of, wait_until

WORKER = "worker-2"
JOIN_SECONDS = 60
LENIENCY = 2
TOKEN = re.compile(r"(?<![a-z0-9.])[a-z0-9]{6}\.[a-z0-9]{16}(?![a-z0-9.])")
SERVICES = "systemctl show --property=ExecMainStartTimestamp containerd kubelet"
LOSE_STATE = "rm -r /etc/kubernetes/kubelet.conf /var/lib/kubelet/config.yaml"
CLAIM = """
apiVersion: v1
kind: Namespace
metadata: {name: e2e-life}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: e2e-life}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 16Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: writer, namespace: e2e-life}
spec:
  nodeSelector: {kubernetes.io/hostname: worker-2}
  terminationGracePeriodSeconds: 0
  containers:
    - name: writer
      image: docker.io/library/debian:bookworm-slim
      command: [sleep, infinity]
      volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
"""
BUDGET = """
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: writer, namespace: e2e-life}
spec: {maxUnavailable: 0, selector: {matchLabels: {app: writer}}}
"""


@dataclass(frozen=True)
class Joined:
    """The run that a third machine joined in, and what the others were before and after it."""

    run: Watched
    before: list[str]
    after: list[str]


@pytest.fixture(scope="module")
def joined(lab: Lab) -> Iterator[Joined]:
    """worker-2 joins, in a run that says as much as it can."""
    lab.command("up", "--workers", "2")
    before = [lab.root(machine, SERVICES) for machine in ("control-1", "worker-1")]
    run = watch(lab, "kubernetes_cluster", "-vvv")
    yield Joined(run, before, [lab.root(machine, SERVICES) for machine in ("control-1", "worker-1")])
    lab.kubectl("delete", "node", WORKER, "--ignore-not-found")
    lab.command("up", "--workers", "2")
    lab.command("remove-machine", WORKER)


@pytest.fixture
def claim(lab: Lab, joined: Joined) -> Iterator[str]:
    """A claim whose data lies on worker-2."""
    lab.kubectl("apply", "--filename=-", stdin=CLAIM)
    lab.kubectl("--namespace=e2e-life", "wait", "--for=condition=Ready", "pod/writer", "--timeout=120s")
    yield "e2e-life/data"
    lab.kubectl("delete", "namespace", "e2e-life")


def test_a_third_machine_joins_alone_and_in_time(lab: Lab, joined: Joined) -> None:
    """Nothing is restarted on the others."""
    assert joined.run.status == 0, joined.run.output[-3000:]
    assert lab.ready() == {"control-1", "worker-1", WORKER}
    assert joined.after == joined.before
    print(f"third machine: {joined.run.seconds:.0f} s")
    assert joined.run.seconds < JOIN_SECONDS * LENIENCY


def test_no_secret_is_shown_anywhere(lab: Lab, joined: Joined) -> None:
    """Neither by the run at its most talkative, nor in a report, nor among the processes of all machines."""
    user = yaml.safe_load(lab.paths.kubeconfig.read_text())["users"][0]["user"]
    key = re.findall(r"[A-Za-z0-9+/]{43}=", text_of(lab.paths.secrets))
    assert len(key) == 1
    everything = joined.run.output + joined.run.processes + text_of(lab.paths.reports)
    assert "kubeadm" in joined.run.processes
    assert [secret[:6] for secret in (*key, user["client-key-data"]) if secret in everything] == []
    assert TOKEN.findall(everything) == []
    assert lab.get("--namespace=kube-system", "secrets", "--field-selector=type=bootstrap.kubernetes.io/token")["items"] == []


def test_a_setting_of_kubelet_reaches_every_node_and_goes_back(lab: Lab, joined: Joined) -> None:
    """Each setting of the inventory is applied when it changes."""
    tracked = yaml.safe_load((TRACKED / "group_vars/all.yml").read_text())
    changed = {**tracked["kubernetes_cluster_kubelet_configuration"], "maxPods": 77}

    def most_pods() -> set[str]:
        return {node["status"]["capacity"]["pods"] for node in lab.nodes().values()}

    lab.play(variables={"kubernetes_cluster_kubelet_configuration": changed}).expect()
    wait_until(lambda: most_pods() == {"77"}, seconds=60, what="maxPods 77 on every node")
    lab.play().expect()
    wait_until(lambda: most_pods() == {"110"}, seconds=60, what="maxPods 110 on every node")


def test_a_node_whose_pods_must_not_end_stays_a_node(lab: Lab, claim: str) -> None:
    """The pod and its budget are named, and the node takes work as before."""
    lab.kubectl("--namespace=e2e-life", "label", "pod/writer", "app=writer")
    lab.kubectl("apply", "--filename=-", stdin=BUDGET)
    consent = {"kubernetes_cluster_remove_machine": WORKER, "confirm": f"{lab.name}/machines/{WORKER}"}
    run = lab.play("remove", variables={**consent, "kubernetes_cluster_wait_seconds": 10})
    assert run.status != 0
    for words in (f"{WORKER} stays a node", "e2e-life/writer", "disruption budget", "kubernetes_cluster_wait_seconds"):
        assert words in run.refusal
    assert not lab.nodes()[WORKER]["spec"].get("unschedulable")
    assert lab.get("--namespace=e2e-life", "pod/writer")["status"]["phase"] == "Running"


def test_a_machine_without_its_kubelet_state_joins_again(lab: Lab, claim: str) -> None:
    """Its Node object is replaced, and the claim whose data lay there is named."""
    former = lab.nodes()[WORKER]["metadata"]["uid"]
    lab.root(WORKER, f"systemctl stop kubelet; {LOSE_STATE}")
    run = lab.play().expect()
    assert lab.ready() == {"control-1", "worker-1", WORKER}
    assert lab.nodes()[WORKER]["metadata"]["uid"] != former
    assert [finding["subject"].split()[0] for finding in run.findings("kubernetes_claim_on_lost_machine")] == [claim]


def test_a_lost_machine_is_reported_and_its_successor_joins(lab: Lab, claim: str) -> None:
    """Without an entry in the inventory the node is left alone; the machine made anew takes its name."""
    former = lab.nodes()[WORKER]["metadata"]["uid"]
    lab.command("remove-machine", WORKER)
    run = lab.play().expect()
    assert [finding["subject"] for finding in run.findings("kubernetes_node_not_in_inventory")] == [WORKER]
    assert lab.nodes()[WORKER]["metadata"]["uid"] == former
    lab.command("up", "--workers", "2")
    # As long as the cluster believes the old kubelet alive, the name is its.
    wait_until(lambda: WORKER not in lab.ready(), seconds=120, what="node given up")
    run = lab.play().expect()
    assert lab.ready() == {"control-1", "worker-1", WORKER}
    assert lab.nodes()[WORKER]["metadata"]["uid"] != former
    assert [finding["subject"].split()[0] for finding in run.findings("kubernetes_claim_on_lost_machine")] == [claim]


def test_a_run_killed_during_a_join_is_made_good_by_the_next(lab: Lab, joined: Joined) -> None:
    """The kubelet of the former membership still runs when the first of the two begins."""
    lab.root(WORKER, LOSE_STATE)
    kill_during(lab, "kubeadm join", WORKER)
    lab.play().expect()
    assert lab.ready() == {"control-1", "worker-1", WORKER}
    assert lab.get("--namespace=kube-system", "secrets", "--field-selector=type=bootstrap.kubernetes.io/token")["items"] == []


def test_a_run_killed_during_the_start_is_made_good_by_the_next() -> None:
    """On a lab of its own: the control plane is half there."""
    small = Lab("small")
    small.command("up", "--control-planes", "1", "--workers", "0")
    try:
        kill_during(small, "kubeadm init", "control-1", after="test -e /etc/kubernetes/manifests/kube-apiserver.yaml")
        small.play().expect()
        assert small.ready() == {"control-1"}
        small.play().expect(changed=0)
    finally:
        small.command("down")
