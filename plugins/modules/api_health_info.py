#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: api_health_info
short_description: Tell how the application says it is
version_added: 0.1.0
description:
  - Asks the application's C(/health) once and judges its answer and how long it took.
  - An application that does not answer is a finding and a reason, not a failed task.
author: Endpoint Statistics Operations contributors (@endpoint-stats)
options:
  url:
    description: Address of C(/health).
    type: str
    required: true
  ca_file:
    description: Certificate of the authority that signed the server's; empty for the system's own.
    type: path
    default: ""
  timeout_seconds:
    description: How long the answer may take, in seconds.
    type: float
    default: 10
  response_seconds:
    description: Time of the answer in seconds from which on it is a finding.
    type: dict
    default:
      warning: 0.5
      critical: 1
    suboptions:
      warning:
        description: A warning from this value on.
        type: float
        default: 0.5
      critical:
        description: Critical from this value on.
        type: float
        default: 1
extends_documentation_fragment:
  - endpoint_stats.ops._attributes
  - endpoint_stats.ops._attributes.info_module
"""

EXAMPLES = r"""
- name: Ask the application
  endpoint_stats.ops.api_health_info:
    url: http://flask-api.endpoint-stats.svc:5000/health
  delegate_to: ops-runner-0
  register: asked
"""

RETURN = r"""
part:
  description:
    - What was seen, with C(data), C(findings), C(reason) and C(seconds).
    - A C(reason) that is not empty says what could not be checked.
  returned: success
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec
from ..module_utils._api.health import look
from ..module_utils._errors import run_module
from ..module_utils._report.part import Threshold, timed


def ask(options: dict[str, Any]) -> dict[str, Any]:
    limits = Threshold.of_option(options["response_seconds"])
    return {"changed": False, "part": timed(lambda: look(options["url"], options["ca_file"], options["timeout_seconds"], limits)).to_dict()}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "ca_file": {"type": "path", "default": ""},
            "timeout_seconds": {"type": "float", "default": 10},
            "response_seconds": _argspec.thresholds(0.5, 1),
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: ask(module.params))


if __name__ == "__main__":
    main()
