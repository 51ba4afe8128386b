#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_secret_encryption_info
short_description: Read Secrets back from etcd and tell whether they are encrypted there
version_added: 0.1.0
description:
  - Runs on a control plane with a stacked etcd, as root, and reads what etcd really stores instead of a setting.
  - Returns names and counts; values never leave the machine.
author: Endpoint Statistics Operations contributors (@endpoint-stats)
extends_documentation_fragment:
  - endpoint_stats.ops._attributes
  - endpoint_stats.ops._attributes.info_module
"""

EXAMPLES = r"""
- name: Read secrets back from etcd
  endpoint_stats.ops.kubernetes_secret_encryption_info:
  register: stored
  failed_when: stored.plain | length > 0
"""

RETURN = r"""
total:
  description: Secrets in etcd.
  returned: success
  type: int
  sample: 12
encrypted:
  description: Those stored with the prefix C(k8s:enc:).
  returned: success
  type: int
  sample: 12
plain:
  description: C(namespace/name) of the others.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._errors import run_module
from ..module_utils._kubernetes.encryption import stored_secrets


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    run_module(module, lambda: {"changed": False, **stored_secrets().to_dict()})


if __name__ == "__main__":
    main()
