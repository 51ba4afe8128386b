#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_health_info
short_description: Tell what Kubernetes knows of the health of a namespace
version_added: 0.1.0
description:
  - Looks at pods and workloads, events, CPU and memory, claims, scheduled jobs and the log of the API. Nothing is changed.
  - Each part fails alone and then carries the reason; every request is bounded in time.
  - Messages and log lines are shown without secrets; of the application's JSON log only the known fields are kept.
author: Endpoint Statistics Operations contributors (@endpoint-stats)
options:
  namespace:
    description: The namespace that is looked at.
    type: str
    required: true
  workloads:
    description: Workloads that have to be there, such as V(Deployment/flask-api).
    type: list
    elements: str
    default: []
  events:
    description: How many of the last events are shown.
    type: int
    default: 10
  api_selector:
    description: Labels of the pods whose log is read.
    type: dict
    default:
      app: flask-api
  kubelet:
    description:
      - How kubelets are asked how full the claims are.
      - V(proxy) goes through the API server and needs the right to C(nodes/proxy).
      - V(direct) goes to port 10250 of the nodes and needs the lesser right to C(nodes/stats).
      - V(none) does not ask.
    type: str
    choices: [proxy, direct, none]
    default: proxy
  cpu_percent:
    description: Share of the CPU limit in percent from which on a pod is a finding.
    type: dict
    default:
      warning: 70
      critical: 85
    suboptions:
      warning:
        description: A warning from this value on.
        type: float
        default: 70
      critical:
        description: Critical from this value on.
        type: float
        default: 85
  memory_percent:
    description: Share of the memory limit in percent from which on a pod is a finding.
    type: dict
    default:
      warning: 75
      critical: 90
    suboptions:
      warning:
        description: A warning from this value on.
        type: float
        default: 75
      critical:
        description: Critical from this value on.
        type: float
        default: 90
  claim_percent:
    description: Share of a claim's file system in percent from which on the claim is a finding.
    type: dict
    default:
      warning: 70
      critical: 85
    suboptions:
      warning:
        description: A warning from this value on.
        type: float
        default: 70
      critical:
        description: Critical from this value on.
        type: float
        default: 85
  restart_window_hours:
    description: How long ago a restart still is a finding, in hours.
    type: float
    default: 24
  event_window_minutes:
    description: How long ago a warning event still is a finding, in minutes.
    type: float
    default: 60
extends_documentation_fragment:
  - endpoint_stats.ops._attributes
  - endpoint_stats.ops._attributes.info_module
  - endpoint_stats.ops._cluster_access
"""

EXAMPLES = r"""
- name: Ask Kubernetes
  endpoint_stats.ops.kubernetes_health_info:
    kubeconfig: ~/.kube/config
    namespace: endpoint-stats
    workloads: [Deployment/flask-api]
  delegate_to: localhost
  register: asked
"""

RETURN = r"""
parts:
  description:
    - C(pods), C(events), C(usage), C(claims), C(api_log) and C(jobs), each with C(data), C(findings), C(reason), C(seconds).
    - A C(reason) that is not empty says what could not be checked.
  returned: success
  type: dict
"""

from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec
from ..module_utils._deps import validate
from ..module_utils._errors import OpsError, run_module
from ..module_utils._kubernetes.api import Api
from ..module_utils._kubernetes.gather import gather
from ..module_utils._kubernetes.limits import Limits
from ..module_utils._report.part import Part, Threshold

PARTS = ("pods", "events", "usage", "claims", "api_log", "jobs")


def ask(options: dict[str, Any]) -> dict[str, Any]:
    limits = Limits(
        cpu=Threshold.of_option(options["cpu_percent"]),
        memory=Threshold.of_option(options["memory_percent"]),
        claims=Threshold.of_option(options["claim_percent"]),
        restart_window_hours=options["restart_window_hours"],
        event_window_minutes=options["event_window_minutes"],
    )
    chosen = {name: options[name] for name in ("workloads", "events", "api_selector", "kubelet")}
    try:
        api = Api(options["kubeconfig"], options["context"])
        parts = gather(api, options["namespace"], datetime.now(UTC), limits, **chosen)
    except OpsError as error:
        parts = dict.fromkeys(PARTS, Part(reason=str(error)))
    return {"changed": False, "parts": {name: part.to_dict() for name, part in parts.items()}}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_argspec.cluster_access(),
            "namespace": {"type": "str", "required": True},
            "workloads": {"type": "list", "elements": "str", "default": []},
            "events": {"type": "int", "default": 10},
            "api_selector": {"type": "dict", "default": {"app": "flask-api"}},
            "kubelet": {"type": "str", "choices": ["proxy", "direct", "none"], "default": "proxy"},
            "cpu_percent": _argspec.thresholds(70, 85),
            "memory_percent": _argspec.thresholds(75, 90),
            "claim_percent": _argspec.thresholds(70, 85),
            "restart_window_hours": {"type": "float", "default": 24},
            "event_window_minutes": {"type": "float", "default": 60},
        },
        supports_check_mode=True,
    )
    validate(module, "kubernetes", "urllib3")
    run_module(module, lambda: ask(module.params))


if __name__ == "__main__":
    main()
