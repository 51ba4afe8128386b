#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_cluster_plan
short_description: Decide what a run on a set of machines does, or name every reason why it must not start
version_added: 0.1.0
description:
  - Compares what M(endpoint_stats.ops.kubernetes_machine_info) found on each machine with what the inventory asks for.
  - Runs on the host of the run, changes nothing, and fails with all reasons at once.
author: Endpoint Statistics Operations contributors (@endpoint-stats)
options:
  cluster:
    description: Name of the cluster.
    type: str
    required: true
  version:
    description: Kubernetes version without a leading C(v).
    type: str
    required: true
  control_plane:
    description: Names of the control plane machines; one is supported.
    type: list
    elements: str
    required: true
  workers:
    description: Names of the worker machines.
    type: list
    elements: str
    default: []
  probes:
    description:
      - Name of each machine to what M(endpoint_stats.ops.kubernetes_machine_info) returned for it.
      - A machine that did not answer has C(unreachable), V(true), and the reason in C(msg) instead, as Ansible returns it.
    type: dict
    required: true
  addresses:
    description: Name of each machine to its address on the common link.
    type: dict
    default: {}
  pod_subnets:
    description: Name of each machine to the subnet of its pods; only for the reference network.
    type: dict
    default: {}
  network:
    description: Which pod network is used.
    type: str
    choices: [reference, manifest]
    default: reference
  downloads:
    description: Files to fetch with C(name) and C(checksum); an empty checksum is a failure.
    type: list
    elements: dict
    default: []
  maximum_clock_skew_seconds:
    description: Largest accepted difference between two clocks, in seconds.
    type: float
    default: 5
  configuration:
    description: The kubeadm configuration that the inventory asks for, as YAML text.
    type: str
    required: true
  kubeconfig:
    description: Where the kubeconfig will be written on the host of the run; one of another cluster there is a failure.
    type: path
    required: true
  kubeconfig_server:
    description: Address of the API server in that kubeconfig; its host must resolve on the host of the run.
    type: str
    required: true
  ignored_preflight_errors:
    description: Names of kubeadm's preflight errors that are ignored; V(all) is a failure.
    type: list
    elements: str
    default: []
  network_manifest:
    description: V(path) and V(sha256) of a pod network's manifest, empty for the reference network.
    type: dict
    default: {}
  writable_directories:
    description: Directories on the host of the run that must exist and be writable.
    type: list
    elements: path
    default: []
extends_documentation_fragment:
  - endpoint_stats.ops._attributes
  - endpoint_stats.ops._attributes.info_module
"""

EXAMPLES = r"""
- name: Decide what to do
  endpoint_stats.ops.kubernetes_cluster_plan:
    cluster: production
    version: 1.37.2
    control_plane: [control-1]
    workers: [worker-1]
    probes: "{{ probes }}"
    configuration: "{{ lookup('ansible.builtin.template', 'cluster.yaml.j2') }}"
    kubeconfig: ~/.kube/production
    kubeconfig_server: https://api.production.example.net:6443
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
initialise:
  description: Whether a new cluster is started.
  returned: success
  type: bool
join:
  description: Machines that join.
  returned: success
  type: list
  elements: str
rejoin:
  description: Those of V(join) whose former Node object is deleted first.
  returned: success
  type: list
  elements: str
clean:
  description: Machines whose half-made state is reset first.
  returned: success
  type: list
  elements: str
apply:
  description: Kinds of kubeadm documents whose changed settings are applied.
  returned: success
  type: list
  elements: str
actions:
  description: What happens to each machine, in words.
  returned: success
  type: dict
findings:
  description: What the reader should know, each with C(id), C(severity), C(subject), C(summary), C(evidence), C(remedy).
  returned: success
  type: list
  elements: dict
failure:
  description: On failure, C(details.failures) lists every reason with C(subject), C(summary) and C(remedy).
  returned: failure
  type: dict
"""

import base64
import re
import socket
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._deps import validate
from ..module_utils._errors import run_module
from ..module_utils._kubernetes.machine import certificate_sha256, read_text
from ..module_utils._kubernetes.plan import decide
from ..module_utils._kubernetes.wanted import Wanted
from ..module_utils._preflight import directory_failures, failed, refuse


def kubeconfig_ca_sha256(path: str) -> str:
    """Fingerprint of the authority a kubeconfig trusts; empty where there is no such file."""
    found = re.search(r"certificate-authority-data:\s*(\S+)", read_text(path))
    if found:
        return certificate_sha256(base64.b64decode(found.group(1)).decode())
    return "unreadable" if Path(path).exists() else ""


def server_failures(server: str) -> Iterator[dict[str, str]]:
    host = urlsplit(server).hostname or ""
    try:
        socket.getaddrinfo(host, None)
    except OSError as error:
        yield failed(
            "kubernetes_cluster_kubeconfig_server",
            f"names {host or 'no host'}, which does not resolve on localhost: {error}",
            "Make the name resolve here, or set it to an address of the control plane, such as https://192.0.2.11:6443.",
        )


def manifest_failures(manifest: dict[str, str]) -> Iterator[dict[str, str]]:
    if not manifest:
        return
    path = Path(manifest.get("path") or "")
    if not path.is_file():
        yield failed("kubernetes_cluster_network_manifest", f"{path} is no file on localhost", "Give the path of the manifest.")
    elif (found := sha256(path.read_bytes()).hexdigest()) != manifest.get("sha256"):
        yield failed(
            "kubernetes_cluster_network_manifest",
            f"{path} has SHA-256 {found}, expected is {manifest.get('sha256') or 'none'}",
            "Compare the file with the release it should be, then set its SHA-256.",
        )


def work(parameters: dict[str, Any]) -> dict[str, Any]:
    probes = parameters.pop("probes")
    local = [
        *directory_failures(parameters.pop("writable_directories")),
        *server_failures(parameters.pop("kubeconfig_server")),
        *manifest_failures(parameters.pop("network_manifest")),
    ]
    if "all" in parameters.pop("ignored_preflight_errors"):
        local.append(failed("kubernetes_cluster_ignored_preflight_errors", "names all", "Name each error and its reason."))
    wanted = Wanted(
        **parameters,
        kubeconfig_ca_sha256=kubeconfig_ca_sha256(parameters["kubeconfig"]),
        read_before_epoch_seconds=time.time(),
    )
    plan = decide(wanted, probes)
    refuse([*local, *plan.failures])
    return {"changed": False, **plan.to_dict()}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "cluster": {"type": "str", "required": True},
            "version": {"type": "str", "required": True},
            "control_plane": {"type": "list", "elements": "str", "required": True},
            "workers": {"type": "list", "elements": "str", "default": []},
            "probes": {"type": "dict", "required": True},
            "addresses": {"type": "dict", "default": {}},
            "pod_subnets": {"type": "dict", "default": {}},
            "network": {"type": "str", "choices": ["reference", "manifest"], "default": "reference"},
            "downloads": {"type": "list", "elements": "dict", "default": []},
            "maximum_clock_skew_seconds": {"type": "float", "default": 5},
            "configuration": {"type": "str", "required": True},
            "kubeconfig": {"type": "path", "required": True},
            "kubeconfig_server": {"type": "str", "required": True},
            "ignored_preflight_errors": {"type": "list", "elements": "str", "default": []},
            "network_manifest": {"type": "dict", "default": {}},
            "writable_directories": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    validate(module, "yaml")
    run_module(module, lambda: work(dict(module.params)))


if __name__ == "__main__":
    main()
