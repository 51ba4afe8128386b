#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_certificates_info
short_description: Tell how long every Kubernetes certificate of a machine lasts
version_added: 0.1.0
description:
  - Reads the certificates below C(/etc/kubernetes/pki), those inside the kubeconfigs of C(/etc/kubernetes), and kubelet's own.
  - Needs C(openssl) on the machine. No key is read.
author: Endpoint Statistics Operations contributors (@endpoint-stats)
options:
  warning_days:
    description: A certificate with at most so many days left is a finding of severity C(warning).
    type: int
    default: 30
  critical_days:
    description: A certificate with at most so many days left is a finding of severity C(critical).
    type: int
    default: 7
extends_documentation_fragment:
  - endpoint_stats.ops._attributes
  - endpoint_stats.ops._attributes.info_module
"""

EXAMPLES = r"""
- name: Look at the certificates of a node
  endpoint_stats.ops.kubernetes_certificates_info:
    warning_days: 60
  register: looked
"""

RETURN = r"""
certificates:
  description: All certificates, the next to expire first.
  returned: always
  type: list
  elements: dict
  sample:
    - machine: control-1
      path: /etc/kubernetes/pki/apiserver.crt
      subject: CN = kube-apiserver
      not_after: "2027-11-21T10:00:00Z"
      days_left: 364.9
findings:
  description: Certificates that end soon, each with C(id), C(severity), C(subject), C(summary), C(evidence), C(remedy).
  returned: always
  type: list
  elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._errors import run_module
from ..module_utils._kubernetes.certificates import certificates, findings


def look(parameters: dict[str, Any]) -> dict[str, Any]:
    found = certificates()
    return {
        "changed": False,
        "certificates": [certificate.to_dict() for certificate in found],
        "findings": [item.to_dict() for item in findings(found, **parameters)],
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "warning_days": {"type": "int", "default": 30},
            "critical_days": {"type": "int", "default": 7},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: look(module.params))


if __name__ == "__main__":
    main()
