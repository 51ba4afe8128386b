# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each thing the role sets, and how it is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.e2e.runs import Change
from tests.e2e.support import Lab

KEPT = "/run/e2e-kept"


@dataclass(frozen=True)
class Damage:
    """What breaks, how, how it is undone by hand, and what a run says of it besides the thing itself."""

    host: str
    thing: str
    script: str
    undo: str
    shown: str = ""
    restarts: tuple[str, ...] = ()

    def do(self, lab: Lab) -> None:
        lab.root(self.host, self.script)

    @contextmanager
    def done(self, lab: Lab) -> Iterator[None]:
        """Done, and undone by hand: no run of the playbook is needed between two damages."""
        self.do(lab)
        try:
            yield
        finally:
            lab.root(self.host, self.undo)

    @property
    def expected(self) -> set[tuple[str, str]]:
        return {(self.host, name) for name in (self.thing, *self.restarts)}


def in_file(host: str, path: str, script: str, shown: str = "damaged", restarts: tuple[str, ...] = ()) -> Damage:
    """A file whose content differs; the original lies aside with its time."""
    kept = f"{KEPT}{path.replace('/', '-')}"
    return Damage(host, path, f"cp --archive {path} {kept}; {script} {path}", f"mv {kept} {path}", shown, restarts)


APPEND = "echo '# damaged' >>"
KUBECTL = "kubectl --kubeconfig /etc/kubernetes/admin.conf"
CLASS = f"{KUBECTL} annotate --overwrite storageclass/local-path storageclass.kubernetes.io/is-default-class"
METRICS = f"{KUBECTL} --namespace kube-system scale deployment/metrics-server --replicas"
ROUTE = "$(ip -4 route show | awk '/^10.244.*via/ {print $1, $2, $3; exit}')"
NETWORK = "endpoint-stats-pod-network"
CONFLIST = "/etc/cni/net.d/10-endpoint-stats.conflist"
ENCRYPTION = "/etc/kubernetes/encryption"

ONE_BY_ONE = {
    "a setting of containerd": in_file("worker-1", "/etc/containerd/config.toml", APPEND, restarts=("containerd",)),
    "a program": in_file("worker-1", "/usr/local/bin/runc", "printf x >>", shown="sha256", restarts=("containerd",)),
    "a mode": Damage("control-1", ENCRYPTION, f"chmod 755 {ENCRYPTION}", f"chmod 700 {ENCRYPTION}", "0755"),
    # Not net.ipv4.ip_forward: the network plugin mends that one by itself with the next pod that starts.
    "a kernel parameter": Damage(
        "worker-1",
        "net.ipv4.conf.all.send_redirects",
        "sysctl -qw net.ipv4.conf.all.send_redirects=1",
        "sysctl -qw net.ipv4.conf.all.send_redirects=0",
    ),
    "a route": Damage("worker-1", NETWORK, f"echo {ROUTE} > {KEPT}-route; ip route del {ROUTE}", f"ip route replace $(cat {KEPT}-route)"),
    "a setting of kubelet": in_file(
        "worker-1", "/var/lib/kubelet/config.yaml", "sed -i 's/^failSwapOn: false/failSwapOn: true/'", "failSwapOn: true", ("kubelet",)
    ),
    # Last, as another owner of a field stays recorded in the object until a run takes it back.
    "an object of an add-on": Damage("control-1", "StorageClass/local-path", f"{CLASS}=false", f"{CLASS}=true", "is-default-class"),
}
FURTHER = {
    "a mirror": in_file("worker-1", "/etc/containerd/certs.d/docker.io/hosts.toml", APPEND),
    "a unit": in_file("worker-1", "/etc/systemd/system/kubelet.service", APPEND, restarts=("kubelet",)),
    "the pod network's settings": in_file("control-1", CONFLIST, "sed -i s/hairpinMode/damaged/", restarts=(NETWORK,)),
    "the audit policy": in_file("control-1", "/etc/kubernetes/audit/policy.yaml", APPEND),
    "a static pod": in_file("control-1", "/etc/kubernetes/manifests/kube-scheduler.yaml", APPEND),
    "a disabled unit": Damage("worker-1", "containerd", "systemctl disable --quiet containerd", "systemctl enable --quiet containerd"),
    "metrics-server": Damage("control-1", "Deployment/metrics-server", f"{METRICS}=2", f"{METRICS}=1", "replicas"),
}


def shown(changes: list[Change]) -> set[tuple[str, str]]:
    return {(change.host, change.thing) for change in changes}
