#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_health_info
short_description: Tell how a PostgreSQL server and one of its databases are
version_added: 0.1.0
description:
  - Looks at connections, sizes, sessions, transactions, checksums and archiving as a role with C(pg_monitor); the session is read-only.
  - A server that does not answer is a finding and a reason, not a failed task. The password never leaves the host the module runs on.
author: Endpoint Statistics Operations contributors (@endpoint-stats)
options:
  port:
    description: Port of the server.
    type: int
    default: 5432
  database:
    description: The database that is looked at.
    type: str
    default: endpoint_stats
  connections_percent:
    description: Share of the connections in percent from which on it is a finding.
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
  transaction_seconds:
    description: Age of the oldest transaction in seconds from which on it is a finding.
    type: dict
    default:
      warning: 300
      critical: 3600
    suboptions:
      warning:
        description: A warning from this value on.
        type: float
        default: 300
      critical:
        description: Critical from this value on.
        type: float
        default: 3600
extends_documentation_fragment:
  - endpoint_stats.ops._attributes
  - endpoint_stats.ops._attributes.info_module
  - endpoint_stats.ops._store
requirements:
  - psycopg >= 3.1
"""

EXAMPLES = r"""
- name: Ask PostgreSQL
  endpoint_stats.ops.postgresql_health_info:
    host: postgres.endpoint-stats.svc
    credentials_dir: /run/secrets/endpoint-stats/postgresql/monitoring
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
from ..module_utils._postgres.connection import Server
from ..module_utils._postgres.health import Limits, look
from ..module_utils._report.part import Threshold, timed


def ask(options: dict[str, Any]) -> dict[str, Any]:
    names = ("host", "port", "database", "credentials_dir", "ca_file", "timeout_seconds")
    server = Server(**{name: options[name] for name in names})
    limits = Limits(
        connections=Threshold.of_option(options["connections_percent"]),
        transaction_seconds=Threshold.of_option(options["transaction_seconds"]),
    )
    return {"changed": False, "part": timed(lambda: look(server, limits)).to_dict()}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_argspec.store(),
            "port": {"type": "int", "default": 5432},
            "database": {"type": "str", "default": "endpoint_stats"},
            "connections_percent": _argspec.thresholds(80, 95),
            "transaction_seconds": _argspec.thresholds(300, 3600),
        },
        supports_check_mode=True,
    )
    validate(module, "psycopg")
    run_module(module, lambda: ask(module.params))


if __name__ == "__main__":
    main()
