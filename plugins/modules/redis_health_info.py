#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_health_info
short_description: Tell how a Redis server is
version_added: 0.1.0
description:
  - Looks at C(PING) and C(INFO); memory, clients and persistence are judged.
  - A server that does not answer is a finding and a reason, not a failed task. The password never leaves the host the module runs on.
author: Endpoint Statistics Operations contributors (@endpoint-stats)
options:
  port:
    description: Port of the server.
    type: int
    default: 6379
  memory_percent:
    description: Share of maxmemory in percent from which on it is a finding.
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
  clients_percent:
    description: Share of maxclients in percent from which on it is a finding.
    type: dict
    default:
      warning: 80
      critical: 95
    suboptions:
      warning:
        description: A warning from this value on.
        type: float
        default: 80
      critical:
        description: Critical from this value on.
        type: float
        default: 95
extends_documentation_fragment:
  - endpoint_stats.ops._attributes
  - endpoint_stats.ops._attributes.info_module
  - endpoint_stats.ops._store
requirements:
  - redis >= 5.0
"""

EXAMPLES = r"""
- name: Ask Redis
  endpoint_stats.ops.redis_health_info:
    host: redis.endpoint-stats.svc
    credentials_dir: /run/secrets/endpoint-stats/redis/monitoring
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
from ..module_utils._deps import validate
from ..module_utils._errors import run_module
from ..module_utils._redis.connection import Server
from ..module_utils._redis.health import Limits, look
from ..module_utils._report.part import Threshold, timed


def ask(options: dict[str, Any]) -> dict[str, Any]:
    server = Server(**{name: options[name] for name in ("host", "port", "credentials_dir", "ca_file", "timeout_seconds")})
    limits = Limits(memory=Threshold.of_option(options["memory_percent"]), clients=Threshold.of_option(options["clients_percent"]))
    return {"changed": False, "part": timed(lambda: look(server, limits)).to_dict()}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_argspec.store(),
            "port": {"type": "int", "default": 6379},
            "memory_percent": _argspec.thresholds(75, 90),
            "clients_percent": _argspec.thresholds(80, 95),
        },
        supports_check_mode=True,
    )
    validate(module, "redis")
    run_module(module, lambda: ask(module.params))


if __name__ == "__main__":
    main()
