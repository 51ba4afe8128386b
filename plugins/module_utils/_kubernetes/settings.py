# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the kubeadm configuration a cluster runs with the one the inventory asks for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._deps import declare

with declare("yaml", distribution="PyYAML"):
    import yaml

# What kubeadm writes once and cannot change in place -> the variable that asks for it
FIXED = {
    ("ClusterConfiguration", "clusterName"): "kubernetes_cluster_name",
    ("ClusterConfiguration", "controlPlaneEndpoint"): "kubernetes_cluster_endpoint",
    ("ClusterConfiguration", "networking", "podSubnet"): "kubernetes_cluster_pod_subnet",
    ("ClusterConfiguration", "networking", "serviceSubnet"): "kubernetes_cluster_service_subnet",
    ("ClusterConfiguration", "networking", "dnsDomain"): "kubernetes_cluster_dns_domain",
    ("ClusterConfiguration", "apiServer", "certSANs"): "kubernetes_cluster_certificate_names",
    ("InitConfiguration", "localAPIEndpoint", "advertiseAddress"): "kubernetes_cluster_node_address",
    ("InitConfiguration", "nodeRegistration", "name"): "inventory_hostname",
    ("InitConfiguration", "nodeRegistration", "taints"): "kubernetes_cluster_control_plane_schedulable",
}


def documents(text: str) -> dict[str, dict[str, Any]]:
    """Kind -> document of a kubeadm configuration file."""
    return {document["kind"]: document for document in yaml.safe_load_all(text) if document}


def at(document: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def refused_changes(current: str, wanted: str) -> Iterator[dict[str, str]]:
    """One failure for each setting that differs and cannot be changed in place."""
    if not current:
        return
    have, want = documents(current), documents(wanted)
    for path, variable in FIXED.items():
        before, after = at(have, path), at(want, path)
        if before != after:
            yield {
                "subject": variable,
                "summary": f"is {after!r}, the cluster was made with {before!r}; this cannot be changed in place",
                "remedy": f"Set it back to {before!r}, or build a new cluster with the new value.",
            }


def changed_documents(current: str, wanted: str) -> list[str]:
    """Kinds whose content differs, so that their kubeadm phases have to run again."""
    if not current:
        return []
    have, want = documents(current), documents(wanted)
    return [kind for kind in want if have.get(kind) != want[kind]]
