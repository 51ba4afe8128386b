# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: unknown_variables
short_description: Names of variables that were meant for a role and that nothing reads
version_added: 0.1.0
author:
  - Endpoint Statistics Operations contributors (@endpoint-stats)
description:
  - Compares the names of variables with those a role knows and returns one sentence for each stranger, with the nearest known name.
  - Reported are names that begin with O(prefix) and are not in O(known), names that begin with C(endpoint_stats_) and
    are not part of the collection's inventory contract, and names that are near misses of either prefix.
  - Names that begin with an underscore are internal, they and variables of other roles are left alone.
positional: _input
options:
  _input:
    description: The names to judge, usually all that are defined.
    type: list
    elements: str
    required: true
  prefix:
    description: What the public variables of the role begin with.
    type: str
    required: true
  known:
    description: All public variables of the role.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse variables that nothing reads
  vars:
    strangers: >-
      {{ query('ansible.builtin.varnames', '.+') | endpoint_stats.ops.unknown_variables(
      prefix='kubernetes_cluster_', known=['kubernetes_cluster_version', 'kubernetes_cluster_endpoint']) }}
  ansible.builtin.assert:
    that: strangers | length == 0
    fail_msg: "{{ strangers | join(' ') }}"
"""

RETURN = r"""
_value:
  description: One sentence for each stranger, sorted; empty when there is none.
  type: list
  elements: str
  sample:
    - kubernetes_cluster_verison is not a variable of the role kubernetes_cluster, did you mean kubernetes_cluster_version?
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils._inventory import unknown_variables


def _names(value: Any, what: str) -> list[str]:
    if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__iter__"):
        raise AnsibleFilterError(f"unknown_variables: {what} must be a list of names, not {type(value).__name__}.")
    names = list(value)
    if not all(isinstance(name, str) for name in names):
        raise AnsibleFilterError(f"unknown_variables: {what} must hold names only.")
    return names


def _filter(names: Any, prefix: str, known: Any) -> list[str]:
    if not isinstance(prefix, str) or not prefix.strip("_"):
        raise AnsibleFilterError("unknown_variables: prefix must be the beginning of a name.")
    return unknown_variables(_names(names, "the input"), prefix, _names(known, "known"))


class FilterModule:
    """Offers the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"unknown_variables": _filter}
