#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_backup_pin
short_description: Keep a backup of PostgreSQL from being deleted
version_added: 0.1.0
description:
  - Pins a backup that M(endpoint_stats.ops.pg_backup) made, or leaves it to the rules of retention again.
  - A pin is the file C(records/<backup>.pin) with the reason as its text. Without Ansible it is written and removed by hand, with the same
    effect. What this module does is also kept in the chain of records.
author: Endpoint Statistics Operations contributors (@endpoint-stats)
options:
  backup:
    description: Name of the backup.
    type: str
    required: true
  state:
    description: Whether it is to be V(pinned) or V(unpinned).
    type: str
    choices: [pinned, unpinned]
    default: pinned
  reason:
    description: Why, for whoever wonders later. Required where O(state=pinned).
    type: str
    default: ""
extends_documentation_fragment:
  - endpoint_stats.ops._attributes
  - endpoint_stats.ops._backup_directory
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Shows the pins.
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: Keep what was there before the migration
  endpoint_stats.ops.pg_backup_pin:
    directory: /var/lib/endpoint-stats/backups/endpoint_stats
    backup: 20261125T211700Z
    reason: before the migration to release 2
  delegate_to: ops-runner-0

- name: Leave it to the rules again
  endpoint_stats.ops.pg_backup_pin:
    directory: /var/lib/endpoint-stats/backups/endpoint_stats
    backup: 20261125T211700Z
    state: unpinned
  delegate_to: ops-runner-0
"""

RETURN = r"""
backup:
  description: Name of the backup.
  returned: success
  type: str
  sample: 20261125T211700Z
pinned:
  description: All pins there are afterwards, with their reasons.
  returned: success
  type: list
  elements: dict
  sample: [{"backup": "20261125T211700Z", "reason": "before the migration to release 2"}]
diff:
  description: The pins before and after.
  returned: success
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec
from ..module_utils._errors import run_module
from ..module_utils._postgres.opening import opened
from ..module_utils._postgres.pin import settle


def work(module: AnsibleModule) -> dict[str, Any]:
    options = module.params
    repository = opened(options["directory"], options["database"])
    return settle(repository, options["backup"], options["reason"], wanted=options["state"] == "pinned", check=module.check_mode)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_argspec.backup_directory(),
            "backup": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["pinned", "unpinned"], "default": "pinned"},
            "reason": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: work(module))


if __name__ == "__main__":
    main()
