# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._report.finding import Finding

PARTS: dict[str, Any] = {"id": "x", "subject": "db", "summary": "It is full.", "evidence": "99 %", "remedy": "Delete."}


def test_a_finding_is_a_plain_document() -> None:
    assert Finding(severity="critical", **PARTS).to_dict() == {"severity": "critical", **PARTS}


def test_an_unknown_severity_is_refused() -> None:
    with pytest.raises(ValueError, match="'error' is no severity; known are info, warning, critical"):
        Finding(severity="error", **PARTS)  # type: ignore[arg-type]
