#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: served_certificates_info
short_description: Tell how long the certificates last that servers present
version_added: 0.1.0
description:
  - Makes a TLS handshake with each server, checks name and authority, and reads the days that are left; no credentials are needed.
  - What a server presents may be older than what stands in its Secret, so the servers are asked.
author: Endpoint Statistics Operations contributors (@endpoint-stats)
options:
  servers:
    description: The servers.
    type: list
    elements: dict
    required: true
    suboptions:
      host:
        description: Name of the server, which its certificate must carry.
        type: str
        required: true
      port:
        description: Port of the server.
        type: int
        required: true
      protocol:
        description: What is spoken before TLS begins.
        type: str
        choices: [tls, postgresql]
        default: tls
  ca_file:
    description: Certificate of the authority that signed the servers'; it is looked at as well.
    type: path
    required: true
  timeout_seconds:
    description: How long each handshake may take, in seconds.
    type: float
    default: 5
  days_left:
    description: Days left from which on, downwards, a certificate is a finding.
    type: dict
    default:
      warning: 30
      critical: 7
    suboptions:
      warning:
        description: A warning from this value on.
        type: float
        default: 30
      critical:
        description: Critical from this value on.
        type: float
        default: 7
extends_documentation_fragment:
  - endpoint_stats.ops._attributes
  - endpoint_stats.ops._attributes.info_module
"""

EXAMPLES = r"""
- name: Look at the certificates of the stores
  endpoint_stats.ops.served_certificates_info:
    servers:
      - {host: postgres.endpoint-stats.svc, port: 5432, protocol: postgresql}
      - {host: redis.endpoint-stats.svc, port: 6379}
    ca_file: /run/secrets/endpoint-stats/ca/ca.crt
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
from ..module_utils._errors import run_module
from ..module_utils._report.part import timed
from ..module_utils._tls import look


def ask(options: dict[str, Any]) -> dict[str, Any]:
    days = options["days_left"]
    part = timed(lambda: look(options["servers"], options["ca_file"], options["timeout_seconds"], days["warning"], days["critical"]))
    return {"changed": False, "part": part.to_dict()}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "servers": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "host": {"type": "str", "required": True},
                    "port": {"type": "int", "required": True},
                    "protocol": {"type": "str", "choices": ["tls", "postgresql"], "default": "tls"},
                },
            },
            "ca_file": {"type": "path", "required": True},
            "timeout_seconds": {"type": "float", "default": 5},
            "days_left": _argspec.thresholds(30, 7),
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: ask(module.params))


if __name__ == "__main__":
    main()
