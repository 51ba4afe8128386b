#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_machine_info
short_description: Tell what a machine is as a Kubernetes node, and what stops it from becoming one
version_added: 0.1.0
description:
  - Runs on the machine as root and changes nothing.
  - Looks at everything at once, so that one run names every reason why the machine cannot be used.
  - On a control plane of a living cluster it also asks that cluster for its nodes and node-bound claims.
author: Endpoint Statistics Operations contributors (@endpoint-stats)
options:
  endpoint:
    description: The API server's address, host and port, as the nodes will dial it.
    type: str
    required: true
  ports:
    description: TCP ports that a node needs; who listens on them is reported.
    type: list
    elements: int
    default: []
  peers:
    description: Addresses of the other machines; the way to each of them is reported.
    type: list
    elements: str
    default: []
  packages:
    description: Debian packages the machine needs; the missing ones are reported.
    type: list
    elements: str
    default: []
  downloads:
    description: Files the machine fetches; those not staged yet must be reachable.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the file in the table of checksums.
        type: str
        required: true
      url:
        description: Where it comes from.
        type: str
        required: true
      path:
        description: Where it is staged on the machine.
        type: str
        required: true
      checksum:
        description: Its SHA-256, empty where none is known.
        type: str
        required: true
  mirrors:
    description: Registry host name to the address of its mirror; each mirror must answer.
    type: dict
    default: {}
  systems:
    description: Supported systems.
    type: list
    elements: dict
    required: true
    suboptions:
      distribution:
        description: C(ID) of C(/etc/os-release).
        type: str
        required: true
      versions:
        description: Values of C(VERSION_ID).
        type: list
        elements: str
        required: true
  minimum_memory_bytes:
    description: Memory the machine must have, in bytes.
    type: int
    default: 0
  minimum_free_bytes:
    description: Room each file system must have that something is still to be installed on, in bytes.
    type: int
    default: 0
  minimum_processors:
    description: Processors the machine must have.
    type: int
    default: 1
  cgroup_v1_allowed:
    description: Whether a machine with cgroup v1 is accepted.
    type: bool
    default: false
  controller_epoch_seconds:
    description: Time on the host of the run, in seconds since the epoch, taken when the task started.
    type: float
    required: true
  clock_command_prefix:
    description: Command in front of C(date) when the clock is read; only for tests that set it off.
    type: list
    elements: str
    default: []
  ask_cluster:
    description: Ask the API server on this machine for its nodes, if the machine is a member.
    type: bool
    default: false
  timeout_seconds:
    description: How long an API server that does not answer is waited for, in seconds.
    type: float
    default: 60
extends_documentation_fragment:
  - endpoint_stats.ops._attributes
  - endpoint_stats.ops._attributes.info_module
"""

EXAMPLES = r"""
- name: Look at a machine
  endpoint_stats.ops.kubernetes_machine_info:
    endpoint: api.example.net:6443
    ports: [6443, 10250]
    systems:
      - distribution: debian
        versions: ["12"]
    minimum_memory_bytes: 2000000000
    controller_epoch_seconds: "{{ now(utc=true).timestamp() }}"
  register: looked
"""

RETURN = r"""
machine:
  description: Identity, membership (C(absent), C(interrupted), C(lost), C(member), C(foreign)), routes and sizes in bytes.
  returned: always
  type: dict
  sample: {"hostname": "worker-1", "memory_bytes": 25000000000, "membership": {"state": "absent"}}
cluster:
  description: What the API server said; empty unless O(ask_cluster=true) on a member.
  returned: always
  type: dict
  sample: {"answered": true, "identity": "demo", "nodes": [{"name": "control-1", "ready": true, "unschedulable": false}]}
missing_downloads:
  description: Those of O(downloads) that do not lie verified on the machine.
  returned: always
  type: list
  elements: dict
  sample: []
failures:
  description: Reasons why the machine cannot be used, each with C(summary) and C(remedy).
  returned: always
  type: list
  elements: dict
  sample: [{"summary": "port 6443 is taken by nginx", "remedy": "Stop that program or move it to another port."}]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._errors import run_module
from ..module_utils._kubernetes import cluster, machine, preflight


def look(parameters: dict[str, Any]) -> dict[str, Any]:
    found = machine.describe(parameters["peers"], parameters["packages"], parameters["clock_command_prefix"])
    described = found.to_dict()
    described["port_owners"] = preflight.port_owners(parameters["ports"])
    described["asked_epoch_seconds"] = parameters["controller_epoch_seconds"]
    missing = [download for download in parameters["downloads"] if not preflight.staged(download)]
    demands = preflight.Demands(
        systems=parameters["systems"],
        minimum_memory_bytes=parameters["minimum_memory_bytes"],
        minimum_free_bytes=parameters["minimum_free_bytes"],
        minimum_processors=parameters["minimum_processors"],
        endpoint=parameters["endpoint"],
        missing_downloads=missing,
        mirrors=parameters["mirrors"],
        cgroup_v1_allowed=parameters["cgroup_v1_allowed"],
    )
    member = found.membership.state == "member"
    asked = parameters["ask_cluster"] and member
    return {
        "changed": False,
        "machine": described,
        "cluster": cluster.describe(parameters["timeout_seconds"]).to_dict() if asked else {},
        "missing_downloads": missing,
        "failures": preflight.examine(found, demands),
    }


def main() -> None:
    text = {"type": "str", "required": True}
    module = AnsibleModule(
        argument_spec={
            "endpoint": text,
            "ports": {"type": "list", "elements": "int", "default": []},
            "peers": {"type": "list", "elements": "str", "default": []},
            "packages": {"type": "list", "elements": "str", "default": []},
            "downloads": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"name": text, "url": text, "path": text, "checksum": text},
            },
            "mirrors": {"type": "dict", "default": {}},
            "systems": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {"distribution": text, "versions": {"type": "list", "elements": "str", "required": True}},
            },
            "minimum_memory_bytes": {"type": "int", "default": 0},
            "minimum_free_bytes": {"type": "int", "default": 0},
            "minimum_processors": {"type": "int", "default": 1},
            "cgroup_v1_allowed": {"type": "bool", "default": False},
            "controller_epoch_seconds": {"type": "float", "required": True},
            "clock_command_prefix": {"type": "list", "elements": "str", "default": []},
            "ask_cluster": {"type": "bool", "default": False},
            "timeout_seconds": {"type": "float", "default": 60},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: look(module.params))


if __name__ == "__main__":
    main()
