# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: chosen_secrets
short_description: Which value each secret has, and where it came from
version_added: 0.1.0
author:
  - Endpoint Statistics Operations contributors (@endpoint-stats)
description:
  - A value is the inventory's, else the one kept in a file, else the one a Secret of the cluster has, else a new one.
  - The result holds the values themselves; a task that keeps it needs C(no_log).
positional: _input
options:
  _input:
    description:
      - One entry for each value, with its C(name), and the C(secret) and C(key) it has in the cluster.
      - With C(annotation=true) the key is an annotation of the Secret; with C(made=false) no new value is made.
    type: list
    elements: dict
    required: true
  given:
    description: Values of the inventory by name.
    type: dict
    required: true
  kept:
    description: Values of the kept file by name.
    type: dict
    required: true
  found:
    description: Secrets as the cluster returns them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Choose the password
  ansible.builtin.set_fact:
    chosen: >-
      {{ [{'name': 'postgres_api', 'secret': 'postgres-api', 'key': 'password'}]
      | endpoint_stats.ops.chosen_secrets(given={}, kept={}, found=[]) }}
  no_log: true
"""

RETURN = r"""
_value:
  description:
    - C(values) and C(cluster) hold each value and the one in the cluster by name, C(kept) what belongs into the file.
    - C(made), C(adopted) and C(refused) are the names of values that are new, that were in the cluster alone, and that cannot be used.
  type: dict
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils._secrets import Slot, choose


def chosen_secrets(
    entries: Sequence[Mapping[str, Any]], given: Mapping[str, str], kept: Mapping[str, str], found: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    try:
        slots = [Slot(**{str(key): value for key, value in entry.items()}) for entry in entries]
    except TypeError as error:
        raise AnsibleFilterError(f"chosen_secrets: an entry is not understood: {error}") from error
    return asdict(choose(slots, given, kept, found))


class FilterModule:
    """Offers the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"chosen_secrets": chosen_secrets}
