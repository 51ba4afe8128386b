#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: app_stack_plan
short_description: Tell whether the stack can be deployed, or name every reason why not
version_added: 0.1.0
description:
  - Compares what the inventory asks for with what the cluster has. Changes nothing, and fails with all reasons at once.
author: Endpoint Statistics Operations contributors (@endpoint-stats)
options:
  cluster:
    description: Name of the cluster, compared with the one the living cluster gives itself.
    type: str
    required: true
  namespace:
    description: Namespace of the stack.
    type: str
    required: true
  ops_hosts:
    description: Hosts of the group C(ops); exactly one is accepted.
    type: list
    elements: str
    required: true
  images:
    description: Name of each image to its reference by digest.
    type: dict
    required: true
  required_images:
    description: Names that O(images) must have.
    type: list
    elements: str
    required: true
  storage_class:
    description: Class of the claims, empty for the default class of the cluster.
    type: str
    default: ""
  claims:
    description: The claims of the stack.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      size:
        description: The size it should have, a Kubernetes quantity.
        type: str
        required: true
  workloads:
    description: Whose requests and limits are compared.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What it is called in a message.
        type: str
        required: true
      resources:
        description: The C(resources) of its container.
        type: dict
        required: true
  numbers:
    description: Values with a lower bound that follows from other variables.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The variable.
        type: str
        required: true
      value:
        description: Its value.
        type: int
        required: true
      minimum:
        description: The least that is accepted.
        type: int
        required: true
      remedy:
        description: What to do about it.
        type: str
        required: true
  given_names:
    description: Names of the secrets the inventory gives.
    type: list
    elements: str
    default: []
  known_names:
    description: Names of the secrets the stack has.
    type: list
    elements: str
    default: []
  directories:
    description: Directories on this host that must be writable.
    type: list
    elements: path
    default: []
extends_documentation_fragment:
  - endpoint_stats.ops._attributes
  - endpoint_stats.ops._attributes.info_module
  - endpoint_stats.ops._cluster_access
"""

EXAMPLES = r"""
- name: Name every reason not to start
  endpoint_stats.ops.app_stack_plan:
    kubeconfig: "{{ endpoint_stats_kubeconfig }}"
    cluster: production
    namespace: endpoint-stats
    ops_hosts: "{{ groups['ops'] }}"
    images: "{{ app_stack_images }}"
    required_images: [postgresql, redis]
    claims:
      - name: postgres-data
        size: 10Gi
    workloads:
      - name: PostgreSQL
        resources: {requests: {memory: 1Gi}, limits: {memory: 1Gi}}
"""

RETURN = r"""
namespace_exists:
  description: Whether the namespace is there already.
  returned: success
  type: bool
  sample: true
storage_class:
  description: Class that new claims get.
  returned: success
  type: str
  sample: local-path
grown_claims:
  description: Claims that exist and become larger.
  returned: success
  type: list
  elements: str
  sample: [postgres-data]
"""

from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec
from ..module_utils._app_stack.plan import Found, Wanted, cluster_failures, grown_claims, inventory_failures, storage_class
from ..module_utils._deps import validate
from ..module_utils._errors import OpsError, run_module
from ..module_utils._kubernetes.answer import ApiError
from ..module_utils._kubernetes.api import Api
from ..module_utils._kubernetes.place import IDENTITY_NAME, IDENTITY_NAMESPACE, credential_end, refuse_ended
from ..module_utils._preflight import directory_failures, failed, refuse


def look(options: dict[str, Any]) -> Found:
    refuse_ended(credential_end(options["kubeconfig"], options["context"]), options["kubeconfig"], datetime.now(UTC))
    api = Api(options["kubeconfig"], options["context"])
    identity = api.config_map(IDENTITY_NAMESPACE, IDENTITY_NAME) or {}
    namespace = existing(api, f"/api/v1/namespaces/{options['namespace']}")
    claims = existing(api, f"/api/v1/namespaces/{options['namespace']}/persistentvolumeclaims") if namespace else None
    return Found(
        cluster=str((identity.get("data") or {}).get("name", "")),
        namespace=namespace,
        storage_classes=api.get("The storage classes could not be listed", "/apis/storage.k8s.io/v1/storageclasses")["items"],
        claims={item["metadata"]["name"]: item for item in (claims or {}).get("items") or []},
    )


def existing(api: Api, path: str) -> dict[str, Any] | None:
    try:
        return api.get(f"{path} could not be read", path)
    except ApiError as error:
        if error.status == 404:
            return None
        raise


def work(options: dict[str, Any]) -> dict[str, Any]:
    names = {"cluster", "namespace", "ops_hosts", "images", "required_images", "storage_class", "claims", "workloads", "numbers"}
    wanted = Wanted(**{name: options[name] for name in names}, secrets=options["given_names"], known_secrets=options["known_names"])
    failures, found = [*directory_failures(options["directories"]), *inventory_failures(wanted)], Found()
    try:
        found = look(options)
        failures += cluster_failures(wanted, found)
    except OpsError as error:
        failures.append(failed("the cluster", str(error).rstrip("."), ""))
    refuse(failures)
    return {
        "changed": False,
        "namespace_exists": found.namespace is not None,
        "storage_class": storage_class(wanted, found),
        "grown_claims": grown_claims(wanted, found),
    }


def main() -> None:
    text, names = {"type": "str", "required": True}, {"type": "list", "elements": "str"}
    number = {"type": "int", "required": True}
    described = {"type": "list", "elements": "dict", "required": True}
    module = AnsibleModule(
        argument_spec={
            **_argspec.cluster_access(),
            "cluster": text,
            "namespace": text,
            "ops_hosts": {**names, "required": True},
            "images": {"type": "dict", "required": True},
            "required_images": {**names, "required": True},
            "storage_class": {"type": "str", "default": ""},
            "claims": {**described, "options": {"name": text, "size": text}},
            "workloads": {**described, "options": {"name": text, "resources": {"type": "dict", "required": True}}},
            "numbers": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"name": text, "value": number, "minimum": number, "remedy": text},
            },
            "given_names": {**names, "default": []},
            "known_names": {**names, "default": []},
            "directories": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    validate(module, "kubernetes", "urllib3", "yaml", "cryptography")
    run_module(module, lambda: work(module.params))


if __name__ == "__main__":
    main()
