# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several modules share; each function has a documentation fragment of the same name as its twin."""

from __future__ import annotations

from typing import Any


def kubeconfig() -> dict[str, dict[str, Any]]:
    return {
        "kubeconfig": {"type": "path", "required": True},
        "context": {"type": "str"},
    }


def cluster_access() -> dict[str, dict[str, Any]]:
    return {
        "kubeconfig": {"type": "path", "default": ""},
        "context": {"type": "str"},
    }


def thresholds(warning: float, critical: float) -> dict[str, Any]:
    """An option with the two limits of a measured value; each module documents its own."""
    return {
        "type": "dict",
        "default": {"warning": warning, "critical": critical},
        "options": {"warning": {"type": "float", "default": warning}, "critical": {"type": "float", "default": critical}},
    }
