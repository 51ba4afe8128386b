#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_settle
short_description: Bring roles, databases, rights and loaded settings of a PostgreSQL server to a wanted state
version_added: 0.1.0
description:
  - Runs SQL that describes the wanted state in one transaction for each database, between two looks at what it settles.
    Where both looks see the same, and in check mode, the transaction is undone.
  - Passwords reach the server as SCRAM verifiers only; no statement holds one.
  - Settings made by C(ALTER SYSTEM) are reset, and files that are newer than what the server loaded are loaded.
author: Endpoint Statistics Operations contributors (@endpoint-stats)
options:
  host:
    description: Name of the server; its certificate must have it.
    type: str
    required: true
  port:
    description: Its port.
    type: int
    default: 5432
  ca_file:
    description: Certificate of the authority on the host the module runs on; empty means no TLS, for servers on loopback.
    type: path
    default: ""
  user:
    description: A superuser.
    type: str
    required: true
  password:
    description: Its password.
    type: str
    required: true
  former_password:
    description: Tried when the server does not know O(password) yet.
    type: str
    default: ""
  passwords:
    description: Role to the password it should have; C({verifier:ROLE}) in a statement becomes what the server keeps of it.
    type: dict
    default: {}
  steps:
    description: The wanted state, in order. The first step must name a database that exists.
    type: list
    elements: dict
    required: true
    suboptions:
      database:
        description: Where the statements run.
        type: str
        required: true
      owner:
        description: Makes the database, owned by this role, where it does not exist. Empty for one that exists.
        type: str
        default: ""
      observe:
        description: A query whose rows have one column of text, one row for each fact.
        type: str
        required: true
      statements:
        description: SQL that may be run any number of times.
        type: list
        elements: str
        required: true
  files:
    description: Files on the server that must have a certain content before they are loaded.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Path on the server.
        type: str
        required: true
      sha256:
        description: SHA-256 of the content, in hexadecimal.
        type: str
        required: true
  wait_seconds:
    description: How long O(files) may take to appear, in seconds.
    type: int
    default: 150
  timeout_seconds:
    description: How long a connection, a statement or a lock may take, in seconds.
    type: int
    default: 30
extends_documentation_fragment:
  - endpoint_stats.ops._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
requirements:
  - psycopg >= 3.1
"""

EXAMPLES = r"""
- name: Let a role read
  endpoint_stats.ops.pg_settle:
    host: postgres.endpoint-stats.svc
    ca_file: /run/secrets/endpoint-stats/ca/ca.crt
    user: admin
    password: "{{ administrator_password }}"
    steps:
      - database: endpoint_stats
        observe: SELECT coalesce(array_to_string(relacl, ' '), '') FROM pg_class WHERE relname = 'requests'
        statements:
          - GRANT SELECT ON requests TO reader
"""

RETURN = r"""
before:
  description: Facts that were otherwise, each with the database they are of.
  returned: success
  type: list
  elements: str
  sample: ["postgres: role api superuser"]
after:
  description: The same facts as they are now, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["postgres: role api"]
databases:
  description:
    - Each database of the steps that exists, and what it is known by; this changes where a database or its cluster is made anew,
      and where it was recovered to an earlier moment.
  returned: success
  type: dict
  sample: {"endpoint_stats": "7512345678901234567/1/16385"}
pending_restart:
  description: Settings that hold only after the server has started again.
  returned: success
  type: list
  elements: str
  sample: []
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._deps import validate
from ..module_utils._errors import run_module
from ..module_utils._postgres.administrator import Administrator
from ..module_utils._postgres.connection import Server
from ..module_utils._postgres.loaded_files import load_files
from ..module_utils._postgres.settle import Step, identities, settle


def work(module: AnsibleModule) -> dict[str, Any]:
    options = module.params
    steps = [Step(**step) for step in options["steps"]]
    server = Server(options["host"], options["port"], steps[0].database, "", options["ca_file"], options["timeout_seconds"])
    passwords = [password for password in (options["password"], options["former_password"]) if password]
    administrator = Administrator(server, options["user"], list(dict.fromkeys(passwords)))
    outcome = settle(administrator, steps, options["passwords"], check=module.check_mode)
    files = {item["path"]: item["sha256"] for item in options["files"]}
    load_files(administrator, files, outcome, wait_seconds=options["wait_seconds"], check=module.check_mode)
    texts = {"before": "".join(f"{line}\n" for line in outcome.before), "after": "".join(f"{line}\n" for line in outcome.after)}
    return {
        "changed": outcome.changed,
        "before": outcome.before,
        "after": outcome.after,
        "databases": identities(administrator, steps),
        "pending_restart": outcome.pending_restart,
        "diff": {"before_header": server.host, "after_header": server.host, **texts},
    }


def main() -> None:
    text = {"type": "str", "required": True}
    module = AnsibleModule(
        argument_spec={
            "host": text,
            "port": {"type": "int", "default": 5432},
            "ca_file": {"type": "path", "default": ""},
            "user": text,
            "password": {**text, "no_log": True},
            "former_password": {"type": "str", "default": "", "no_log": True},
            "passwords": {"type": "dict", "default": {}, "no_log": True},
            "steps": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "database": text,
                    "owner": {"type": "str", "default": ""},
                    "observe": text,
                    "statements": {"type": "list", "elements": "str", "required": True},
                },
            },
            "files": {"type": "list", "elements": "dict", "default": [], "options": {"path": text, "sha256": text}},
            "wait_seconds": {"type": "int", "default": 150},
            "timeout_seconds": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    validate(module, "psycopg")
    run_module(module, lambda: work(module))


if __name__ == "__main__":
    main()
