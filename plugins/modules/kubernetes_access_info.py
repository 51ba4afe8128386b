#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_access_info
short_description: Tell what a kubeconfig may do in a cluster
version_added: 0.1.0
description:
  - Asks the API server itself with a SelfSubjectAccessReview for each rule; nothing is created.
author: Endpoint Statistics Operations contributors (@endpoint-stats)
options:
  rules:
    description: The rights to ask for, in all namespaces.
    type: list
    elements: dict
    required: true
    suboptions:
      verb:
        description: Such as V(create).
        type: str
        required: true
      resource:
        description: Plural name of the resource.
        type: str
        required: true
      group:
        description: API group, empty for the core group.
        type: str
        default: ""
extends_documentation_fragment:
  - endpoint_stats.ops._attributes
  - endpoint_stats.ops._attributes.info_module
  - endpoint_stats.ops._kubeconfig
"""

EXAMPLES = r"""
- name: Ask whether secrets may be created
  endpoint_stats.ops.kubernetes_access_info:
    kubeconfig: ~/.kube/config
    rules:
      - verb: create
        resource: secrets
  register: rights
  failed_when: rights.denied | length > 0
"""

RETURN = r"""
allowed:
  description: Rights that are there, as C(verb resource.group).
  returned: success
  type: list
  elements: str
  sample: ["create secrets"]
denied:
  description: Rights that are missing, as C(verb resource.group).
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


def words(rule: dict[str, str]) -> str:
    return f"{rule['verb']} {rule['resource']}" + (f".{rule['group']}" if rule["group"] else "")


def look(options: dict[str, Any]) -> dict[str, Any]:
    api = Api(options["kubeconfig"], options["context"])
    answers = {words(rule): api.may(rule["verb"], rule["resource"], rule["group"]) for rule in options["rules"]}
    return {
        "changed": False,
        "allowed": sorted(name for name, answer in answers.items() if answer),
        "denied": sorted(name for name, answer in answers.items() if not answer),
    }


def main() -> None:
    text = {"type": "str", "required": True}
    module = AnsibleModule(
        argument_spec={
            **_argspec.kubeconfig(),
            "rules": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {"verb": text, "resource": text, "group": {"type": "str", "default": ""}},
            },
        },
        supports_check_mode=True,
    )
    validate(module, "kubernetes", "urllib3")
    run_module(module, lambda: look(module.params))


if __name__ == "__main__":
    main()
