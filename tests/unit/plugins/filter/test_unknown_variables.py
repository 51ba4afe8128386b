# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.endpoint_stats.ops.plugins.filter.unknown_variables import FilterModule

EXPRESSION = "{{ names | endpoint_stats.ops.unknown_variables(prefix='kubernetes_cluster_', known=known) }}"


def test_ansible_finds_the_filter_by_its_full_name(tmp_path: Path) -> None:
    loader = DataLoader()
    loader.set_basedir(str(tmp_path))
    variables = {"names": ["kubernetes_cluster_verison", "other"], "known": ["kubernetes_cluster_version"]}
    assert Templar(loader=loader, variables=variables).template(trust_as_template(EXPRESSION)) == [
        "kubernetes_cluster_verison is not a variable of the role kubernetes_cluster, did you mean kubernetes_cluster_version?"
    ]


@pytest.mark.parametrize(
    ("names", "prefix", "known", "complaint"),
    [
        ("kubernetes_cluster_version", "kubernetes_cluster_", [], "the input must be a list"),
        ([1], "kubernetes_cluster_", [], "the input must hold names only"),
        ([], "kubernetes_cluster_", {"a": 1}, "known must be a list"),
        ([], "", [], "prefix must be"),
        ([], "__", [], "prefix must be"),
    ],
)
def test_wrong_input_is_refused(names: Any, prefix: str, known: Any, complaint: str) -> None:
    with pytest.raises(AnsibleFilterError, match=complaint):
        FilterModule().filters()["unknown_variables"](names, prefix, known)
