# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: quantity
short_description: The number that a Kubernetes quantity means
version_added: 0.2.0
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

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from ansible.errors import AnsibleFilterError

_QUANTITY = re.compile(r"^([+-]?[0-9]+(?:\.[0-9]*)?)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]+)?$")
_FACTORS = {
    **{unit: Decimal(10) ** power for unit, power in {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}.items()},
    **{unit: Decimal(1024) ** power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), start=1)},
}


def quantity(value: Any) -> int | float:
    found = _QUANTITY.match(str(value).strip())
    if isinstance(value, bool) or not found:
        raise AnsibleFilterError(f"quantity: {value!r} is no Kubernetes quantity, such as 250m or 1Gi.")
    number, unit = found[1], found[2] or ""
    exact = Decimal(number) * _FACTORS[unit] if unit in _FACTORS else Decimal(number + unit)
    return int(exact) if exact == exact.to_integral_value() else float(exact)


class FilterModule:
    """Offers the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"quantity": quantity}
