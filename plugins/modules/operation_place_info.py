#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: operation_place_info
short_description: Refuse an operation that would not run where it means to
version_added: 0.1.0
description:
  - For the first task of every operation, on localhost. Ansible says C(no hosts matched) and succeeds when an inventory is
    the wrong one or O(ignore:--limit) leaves out the hosts of a play; this module makes it an error.
  - Looks, in this order, at the group C(ops) of the inventory, at the hosts of the run, at the credential of the kubeconfig, at the name
    the living cluster gives itself, and at the pod beside the data.
  - Where the host of the group C(ops) is reached without Kubernetes and no kubeconfig is named, as in a CronJob's pod, the
    Kubernetes API is not asked.
author: Endpoint Statistics Operations contributors (@endpoint-stats)
options:
  cluster:
    description: Name of the cluster that the inventory means; empty accepts any.
    type: str
    default: ""
  namespace:
    description: Namespace of the pod.
    type: str
    default: endpoint-stats
  groups:
    description: The variable C(groups) of the run.
    type: dict
    required: true
  hosts:
    description: The variable C(ansible_play_hosts_all) of a play with C(hosts=all:localhost).
    type: list
    elements: str
    required: true
  ops_connection:
    description: The variable C(ansible_connection) of the host of the group C(ops).
    type: str
    default: ssh
  ops_pod:
    description: The variable C(ansible_kubectl_pod) of the host of the group C(ops).
    type: str
    default: ""
extends_documentation_fragment:
  - endpoint_stats.ops._cluster_access
  - endpoint_stats.ops._attributes
  - endpoint_stats.ops._attributes.info_module
requirements:
  - cryptography >= 42
"""

EXAMPLES = r"""
- name: Check the place
  hosts: all:localhost
  gather_facts: false
  any_errors_fatal: true
  tasks:
    - name: Refuse a wrong inventory, a limit, an ended kubeconfig or a missing pod
      endpoint_stats.ops.operation_place_info:
        kubeconfig: "{{ endpoint_stats_kubeconfig | default('') }}"
        cluster: "{{ endpoint_stats_cluster | default('') }}"
        namespace: "{{ endpoint_stats_namespace | default('endpoint-stats') }}"
        groups: "{{ groups }}"
        hosts: "{{ ansible_play_hosts_all }}"
        ops_connection: "{{ groups['ops'] | default([]) | map('extract', hostvars, 'ansible_connection') | first | default('ssh') }}"
        ops_pod: "{{ groups['ops'] | default([]) | map('extract', hostvars, 'ansible_kubectl_pod') | first | default('') }}"
      delegate_to: localhost
      run_once: true
      register: place
"""

RETURN = r"""
place:
  description: How the host of the group C(ops) is reached.
  returned: success
  type: str
  choices: [kubectl, local, other]
  sample: kubectl
ops:
  description: Its name in the inventory.
  returned: success
  type: str
  sample: ops-runner-0
pod:
  description: Its pod, empty unless it is reached by kubectl.
  returned: success
  type: str
  sample: ops-runner-0
node:
  description: The node the pod runs on, empty unless it is reached by kubectl.
  returned: success
  type: str
  sample: worker-1
cluster:
  description: The name the living cluster gives itself, empty where it was not asked or says none.
  returned: success
  type: str
  sample: production
credential_ends_at:
  description: Until when the kubeconfig's certificate or token is valid, RFC 3339 in UTC; empty where it does not say.
  returned: success
  type: str
  sample: "2027-11-24T04:00:00Z"
"""

import shutil
from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec
from ..module_utils._clock import written
from ..module_utils._deps import validate
from ..module_utils._errors import run_module
from ..module_utils._kubernetes.api import Api
from ..module_utils._kubernetes.place import (
    Place,
    credential_end,
    node_of_pod,
    ops_host,
    refuse_another_cluster,
    refuse_ended,
    refuse_without_kubectl,
)

KUBECTL = "kubernetes.core.kubectl"


def look(options: dict[str, Any]) -> dict[str, Any]:
    ops = ops_host(options["groups"], options["hosts"])
    by_kubectl = options["ops_connection"] in (KUBECTL, "kubectl")
    kubeconfig = options["kubeconfig"]
    if not (kubeconfig or by_kubectl):
        return {"changed": False, **Place("local" if options["ops_connection"] == "local" else "other", ops).to_dict()}
    if by_kubectl:
        refuse_without_kubectl(shutil.which("kubectl"))
    ends = credential_end(kubeconfig, options["context"])
    refuse_ended(ends, kubeconfig, datetime.now(UTC))
    api = Api(kubeconfig, options["context"])
    place = Place(
        place="kubectl" if by_kubectl else "local" if options["ops_connection"] == "local" else "other",
        ops=ops,
        cluster=refuse_another_cluster(api, options["cluster"], kubeconfig),
        pod=options["ops_pod"] if by_kubectl else "",
        node=node_of_pod(api, options["namespace"], options["ops_pod"]) if by_kubectl else "",
        credential_ends_at=written(ends) if ends else "",
    )
    return {"changed": False, **place.to_dict()}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_argspec.cluster_access(),
            "cluster": {"type": "str", "default": ""},
            "namespace": {"type": "str", "default": "endpoint-stats"},
            "groups": {"type": "dict", "required": True},
            "hosts": {"type": "list", "elements": "str", "required": True},
            "ops_connection": {"type": "str", "default": "ssh"},
            "ops_pod": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    validate(module, "kubernetes", "urllib3", "yaml", "cryptography")
    run_module(module, lambda: look(module.params))


if __name__ == "__main__":
    main()
