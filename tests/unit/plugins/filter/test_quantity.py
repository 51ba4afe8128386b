# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.endpoint_stats.ops.plugins.filter.quantity import FilterModule

quantity = FilterModule().filters()["quantity"]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("100m", 0.1),
        ("1", 1),
        ("1.5", 1.5),
        (2, 2),
        (0.5, 0.5),
        ("1500m", 1.5),
        ("2000m", 2),
        ("128Mi", 134217728),
        ("1.5Gi", 1610612736),
        ("10G", 10_000_000_000),
        ("3k", 3000),
        ("1e3", 1000),
        ("1E", 10**18),
        ("500n", 5e-07),
    ],
)
def test_a_quantity_is_its_number(text: Any, number: float) -> None:
    assert quantity(text) == number
    assert isinstance(quantity(text), type(number))


@pytest.mark.parametrize("text", ["", "1 Gi", "Gi", "1gi", "10%", "1GiB", None, True])
def test_what_is_no_quantity_is_refused(text: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="is no Kubernetes quantity"):
        quantity(text)
