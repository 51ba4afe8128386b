#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: es_health_report
short_description: Tell how an Elasticsearch or OpenSearch cluster is, and why shards have no node
version_added: 0.1.0
description:
  - Looks at the health of the cluster, its nodes, shards without a node with the reason, disks against the engine's own watermarks,
    blocks that stop writing, and Elasticsearch's own health report where there is one.
  - Understands Elasticsearch from 7.0 and OpenSearch from 1.0 on, and tells them apart by itself.
  - Only sends GET requests. Nothing of the cluster is changed.
  - A check that is refused, missing or not answered fails alone, is told as such in RV(coverage), and never counts as healthy.
  - An engine that does not answer is a finding and a reason, not a failed task. The password never leaves the host the module runs on.
author: Endpoint Statistics Operations contributors (@endpoint-stats)
options:
  url:
    description:
      - Addresses of the engine. All of them are asked who they are; the first that answers is asked the rest.
      - An address with credentials in it is refused, and so is one of plain HTTP together with O(credentials_dir) unless it is on loopback.
    type: list
    elements: str
    required: true
  credentials_dir:
    description: Directory with the files C(username) and C(password), as a mounted Secret; empty asks without credentials.
    type: path
    default: ""
  ca_file:
    description: Certificate of the authority that signed the server's; empty for the system's own.
    type: path
    default: ""
  timeout_seconds:
    description: How long each question may take, in seconds.
    type: int
    default: 5
  expected_nodes:
    description: How many nodes the cluster has when it is complete; with fewer there is a critical finding. V(0) checks nothing.
    type: int
    default: 0
  disk_percent:
    description:
      - Share of its disk in percent from which on a node is a finding, whatever the watermarks of the cluster are.
      - Not given, the watermarks alone count. They always do.
    type: dict
    suboptions:
      warning:
        description: A warning from this value on.
        type: float
        required: true
      critical:
        description: Critical from this value on.
        type: float
        required: true
  heap_percent:
    description: Share of the heap's old generation in percent from which on a node is a finding.
    type: dict
    default:
      warning: 85
      critical: 95
    suboptions:
      warning:
        description: A warning from this value on.
        type: float
        default: 85
      critical:
        description: Critical from this value on.
        type: float
        default: 95
  pending_task_seconds:
    description: How long a task has waited for the elected master, in seconds, from which on it is a finding.
    type: dict
    default:
      warning: 30
      critical: 300
    suboptions:
      warning:
        description: A warning from this value on.
        type: float
        default: 30
      critical:
        description: Critical from this value on.
        type: float
        default: 300
  max_indices_shown:
    description: How many indices a finding names; the others are counted.
    type: int
    default: 10
notes:
  - In OpenSearch the account needs the cluster permission C(cluster_monitor), and the index permissions C(indices:monitor/settings/get)
    and C(indices:monitor/stats) for C(*). In Elasticsearch it needs the cluster privilege C(monitor), and the index privileges C(monitor)
    and C(view_index_metadata) for C(*).
  - The processors and the heap are looked at once; a moment is no trend.
extends_documentation_fragment:
  - endpoint_stats.ops._attributes
  - endpoint_stats.ops._attributes.info_module
"""

EXAMPLES = r"""
- name: Ask the search engine
  endpoint_stats.ops.es_health_report:
    url: https://search.endpoint-stats.svc:9200
    credentials_dir: /run/secrets/endpoint-stats/search/monitoring
    ca_file: /run/secrets/endpoint-stats/ca/ca.crt
  delegate_to: ops-runner-0
  register: search

- name: Ask three nodes that have to be there, and warn early of full disks
  endpoint_stats.ops.es_health_report:
    url:
      - https://search-0.search.endpoint-stats.svc:9200
      - https://search-1.search.endpoint-stats.svc:9200
      - https://search-2.search.endpoint-stats.svc:9200
    credentials_dir: /run/secrets/endpoint-stats/search/monitoring
    ca_file: /run/secrets/endpoint-stats/ca/ca.crt
    expected_nodes: 3
    disk_percent:
      warning: 70
      critical: 85
  delegate_to: ops-runner-0
  register: search

- name: Refuse to go on while anything is wrong or not known
  ansible.builtin.assert:
    that:
      - search.part.reason == ''
      - search.part.findings | rejectattr('severity', 'eq', 'info') | length == 0
"""

RETURN = r"""
part:
  description:
    - What was seen, with C(data), C(findings), C(reason) and C(seconds), as M(endpoint_stats.ops.health_report) takes it for its part
      V(search).
    - A C(reason) that is not empty says what could not be checked.
  returned: success
  type: dict
coverage:
  description:
    - For each of the checks V(engine), V(health), V(nodes), V(settings), V(shards), V(disk), V(blocks) and V(health_report) its C(state),
      one of V(checked), V(could_not_check) and V(not_applicable), and the C(reason) where it was not checked.
  returned: success
  type: dict
  sample:
    engine: {state: checked, reason: ""}
    health_report: {state: not_applicable, reason: OpenSearch 2.19.1 has none}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec
from ..module_utils._errors import run_module
from ..module_utils._report.part import Threshold, timed
from ..module_utils._search.checks import look
from ..module_utils._search.examination import Limits
from ..module_utils._search.http import Server


def ask(options: dict[str, Any]) -> dict[str, Any]:
    server = Server(tuple(options["url"]), options["credentials_dir"], options["ca_file"], options["timeout_seconds"])
    limits = Limits(
        heap=Threshold.of_option(options["heap_percent"]),
        pending_seconds=Threshold.of_option(options["pending_task_seconds"]),
        disk=Threshold.of_option(options["disk_percent"]) if options["disk_percent"] else None,
        expected_nodes=options["expected_nodes"],
        shown=options["max_indices_shown"],
    )
    part = timed(lambda: look(server, limits)).to_dict()
    return {"changed": False, "part": part, "coverage": part["data"]["coverage"]}


def main() -> None:
    number = {"type": "float", "required": True}
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "list", "elements": "str", "required": True},
            "credentials_dir": {"type": "path", "default": ""},
            "ca_file": {"type": "path", "default": ""},
            "timeout_seconds": {"type": "int", "default": 5},
            "expected_nodes": {"type": "int", "default": 0},
            "disk_percent": {"type": "dict", "options": {"warning": number, "critical": number}},
            "heap_percent": _argspec.thresholds(85, 95),
            "pending_task_seconds": _argspec.thresholds(30, 300),
            "max_indices_shown": {"type": "int", "default": 10},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: ask(module.params))


if __name__ == "__main__":
    main()
