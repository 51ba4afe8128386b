# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: quantity
short_description: The number that a Kubernetes quantity means
version_added: 0.1.0
author:
  - Endpoint Statistics Operations contributors (@endpoint-stats)
description:
  - Turns V(100m) into 0.1 and V(1Gi) into 1073741824. Whole numbers are integers, others floats.
positional: _input
options:
  _input:
    description: A quantity as Kubernetes writes it; numbers are returned as they are.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Show a quarter of the memory in bytes
  ansible.builtin.debug:
    msg: "{{ '1Gi' | endpoint_stats.ops.quantity // 4 }}"
"""

RETURN = r"""
_value:
  description: The number, bytes or processors.
  type: float
  sample: 268435456
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils._kubernetes.quantity import quantity as parsed


def quantity(value: Any) -> int | float:
    try:
        return parsed(value)
    except ValueError as error:
        raise AnsibleFilterError(f"quantity: {error}") from error


class FilterModule:
    """Offers the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"quantity": quantity}
