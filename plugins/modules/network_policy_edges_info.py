#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: network_policy_edges_info
short_description: Tell which connections the NetworkPolicies of a cluster allow
version_added: 0.1.0
description:
  - Reads the living NetworkPolicies, the labels of the namespaces and the pod templates of the workloads, and judges each connection in
    O(edges) as the API defines it. Nothing is sent over the pod network, so it also holds where the pod network enforces nothing.
  - Whether an C(ipBlock) also means pods is left to the pod network; an edge must be as it should be either way.
author: Endpoint Statistics Operations contributors (@endpoint-stats)
options:
  edges:
    description: The connections to judge.
    type: list
    elements: dict
    required: true
    suboptions:
      source:
        description: >-
          Where it comes from: C(namespace) and C(app), for the workloads whose pods have that label C(app); C(namespace) and
          C(labels), for a pod that has these labels; or C(address), for something that is no pod.
        type: dict
        required: true
      target:
        description: Where it goes to, said in the same way.
        type: dict
        required: true
      port:
        description: The port of the container.
        type: int
        required: true
      protocol:
        description: The protocol.
        type: str
        choices: [TCP, UDP, SCTP]
        default: TCP
      allowed:
        description: Whether it must be allowed; otherwise it must be denied.
        type: bool
        default: true
extends_documentation_fragment:
  - endpoint_stats.ops._attributes
  - endpoint_stats.ops._attributes.info_module
  - endpoint_stats.ops._kubeconfig
"""

EXAMPLES = r"""
- name: Judge who reaches the database
  endpoint_stats.ops.network_policy_edges_info:
    kubeconfig: ~/.kube/config
    edges:
      - source: {namespace: endpoint-stats, app: flask-api}
        target: {namespace: endpoint-stats, app: postgres}
        port: 5432
      - source: {namespace: default, labels: {app: stranger}}
        target: {namespace: endpoint-stats, app: postgres}
        port: 5432
        allowed: false
  register: judged
  failed_when: judged.broken | length > 0
"""

RETURN = r"""
held:
  description: Edges that are as they must be.
  returned: success
  type: list
  elements: str
  sample: ["endpoint-stats/flask-api -> endpoint-stats/postgres:5432/TCP"]
broken:
  description: Edges that are not.
  returned: success
  type: list
  elements: dict
  contains:
    edge:
      description: The edge.
      returned: always
      type: str
    must:
      description: What it must be.
      returned: always
      type: str
    connections:
      description: The pairs of workloads for which it is not.
      returned: always
      type: list
      elements: str
    blockers:
      description: The sides that refuse it and the policies that select the pod there; empty where it is open.
      returned: always
      type: list
      elements: str
  sample: []
absent:
  description: Edges of workloads that are not there, which were not judged.
  returned: success
  type: list
  elements: str
  sample: []
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec
from ..module_utils._deps import validate
from ..module_utils._errors import run_module
from ..module_utils._kubernetes.api import Api
from ..module_utils._kubernetes.edges import Edge, judge, pods_of


def look(options: dict[str, Any]) -> dict[str, Any]:
    api = Api(options["kubeconfig"], options["context"])
    edges = [Edge(**edge) for edge in options["edges"]]
    namespaces = {item["metadata"]["name"]: item["metadata"].get("labels") or {} for item in api.namespaces()}
    named = {end["namespace"] for edge in edges for end in (edge.source, edge.target) if "app" in end} & set(namespaces)
    workloads = pods_of(item for namespace in sorted(named) for item in api.workloads(namespace))
    return {"changed": False, **judge(edges, api.network_policies(), namespaces, workloads).to_dict()}


def main() -> None:
    end = {"type": "dict", "required": True}
    module = AnsibleModule(
        argument_spec={
            **_argspec.kubeconfig(),
            "edges": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "source": end,
                    "target": end,
                    "port": {"type": "int", "required": True},
                    "protocol": {"type": "str", "choices": ["TCP", "UDP", "SCTP"], "default": "TCP"},
                    "allowed": {"type": "bool", "default": True},
                },
            },
        },
        supports_check_mode=True,
    )
    validate(module, "kubernetes", "urllib3")
    run_module(module, lambda: look(module.params))


if __name__ == "__main__":
    main()
