# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes as Kubernetes writes them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

_QUANTITY = re.compile(r"^([+-]?[0-9]+(?:\.[0-9]*)?)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]+)?$")
_FACTORS = {
    **{
        unit: Decimal(10) ** power
        for unit, power in {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}.items()
    },
    **{unit: Decimal(1024) ** power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), start=1)},
}


def quantity(value: Any) -> int | float:
    """V(100m) is 0.1, V(1Gi) is 1073741824."""
    found = _QUANTITY.match(str(value).strip())
    if isinstance(value, bool) or not found:
        raise ValueError(f"{value!r} is no Kubernetes quantity, such as 250m or 1Gi.")
    number, unit = found[1], found[2] or ""
    exact = Decimal(number) * _FACTORS[unit] if unit in _FACTORS else Decimal(number + unit)
    return int(exact) if exact == exact.to_integral_value() else float(exact)
