#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubelet_csr_approve
short_description: Approve the serving certificates of the cluster's own kubelets
version_added: 0.1.0
author:
  - Endpoint Statistics Operations contributors (@endpoint-stats)
description:
  - Kubernetes signs serving certificates of kubelets (signer C(kubernetes.io/kubelet-serving)) only after somebody
    has approved the request.
  - A pending request is approved when its requestor, groups, usages, subject and every name in it are those of a Node object
    whose name is in O(nodes), and no other Node claims one of these names.
  - Every other request is left pending and reported with its reason.
  - Waits until the API server gets an answer from the kubelet of every node in O(nodes), which it does not before the kubelet
    has its certificate.
  - In check mode it looks once, says what it would approve, and does not wait.
extends_documentation_fragment:
  - endpoint_stats.ops._attributes
  - endpoint_stats.ops._kubeconfig
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  nodes:
    description:
      - Names of the nodes that may have a serving certificate and that must serve in the end.
    type: list
    elements: str
    required: true
  timeout_seconds:
    description:
      - How long to wait for all of O(nodes).
    type: int
    default: 120
requirements:
  - cryptography >= 3.3
"""

EXAMPLES = r"""
- name: Approve the serving certificates of this cluster's kubelets
  endpoint_stats.ops.kubelet_csr_approve:
    kubeconfig: "{{ endpoint_stats_kubeconfig }}"
    nodes: "{{ groups['control_plane'] + groups['workers'] }}"
  delegate_to: localhost
  register: serving_certificates

- name: Show the requests that were left pending
  ansible.builtin.debug:
    msg: "{{ item.request }}: {{ item.reason }}"
  loop: "{{ serving_certificates.refused }}"
"""

RETURN = r"""
approved:
  description: The requests that were approved, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    request:
      description: Name of the request.
      returned: always
      type: str
    node:
      description: Name of the node.
      returned: always
      type: str
    names:
      description: The DNS names and addresses the certificate is for.
      returned: always
      type: list
      elements: str
  sample:
    - request: csr-7x2kq
      node: worker-1
      names: [10.89.0.21, worker-1]
refused:
  description: The requests that were left pending.
  returned: success
  type: list
  elements: dict
  contains:
    request:
      description: Name of the request.
      returned: always
      type: str
    node:
      description: Name of the node that made it, empty when it was not made by a node.
      returned: always
      type: str
    reason:
      description: What differs.
      returned: always
      type: str
  sample:
    - request: csr-9pt4d
      node: worker-9
      reason: the node worker-9 is not in the inventory
serving:
  description: The nodes of O(nodes) whose kubelet answered.
  returned: success
  type: list
  elements: str
  sample: [control-1, worker-1]
findings:
  description: One finding of severity V(warning) for each refused request.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Kind of the finding.
      returned: always
      type: str
    severity:
      description: How bad it is, V(info), V(warning) or V(critical).
      returned: always
      type: str
    subject:
      description: What it is about.
      returned: always
      type: str
    summary:
      description: What was found.
      returned: always
      type: str
    evidence:
      description: What was seen.
      returned: always
      type: str
    remedy:
      description: What to do about it.
      returned: always
      type: str
  sample:
    - id: kubelet_serving_request_refused
      severity: warning
      subject: worker-9
      summary: The serving certificate request csr-9pt4d is left pending.
      evidence: the node worker-9 is not in the inventory
      remedy: If the machine is to be trusted, correct what differs and run again; else kubectl certificate deny csr-9pt4d.
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec
from ..module_utils._deps import validate
from ..module_utils._errors import run_module
from ..module_utils._kubernetes.api import Api
from ..module_utils._kubernetes.serving_certificates import settle


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_argspec.kubeconfig(),
            "nodes": {"type": "list", "elements": "str", "required": True},
            "timeout_seconds": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    validate(module, "kubernetes", "urllib3", "cryptography")

    def work() -> dict[str, Any]:
        options = module.params
        api = Api(options["kubeconfig"], options["context"])
        return settle(api, options["nodes"], timeout_seconds=options["timeout_seconds"], predict=module.check_mode).to_result()

    run_module(module, work)


if __name__ == "__main__":
    main()
