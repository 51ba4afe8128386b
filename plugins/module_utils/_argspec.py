# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several modules share; each function has a documentation fragment of the same name as its twin."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from ._postgres.retention import PRESET, Policy


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


def store() -> dict[str, dict[str, Any]]:
    """How a database or cache is reached; the names are the fields of each C(connection.Server)."""
    return {
        "host": {"type": "str", "required": True},
        "credentials_dir": {"type": "path", "required": True},
        "ca_file": {"type": "path", "default": ""},
        "timeout_seconds": {"type": "int", "default": 5},
    }


def thresholds(warning: float, critical: float) -> dict[str, Any]:
    """An option with the two limits of a measured value; each module documents its own."""
    return {
        "type": "dict",
        "default": {"warning": warning, "critical": critical},
        "options": {"warning": {"type": "float", "default": warning}, "critical": {"type": "float", "default": critical}},
    }


def progress() -> dict[str, dict[str, Any]]:
    """Where the module says how far it is; the action of the same name sets it."""
    return {"progress_path": {"type": "path", "default": ""}}


def backup_directory() -> dict[str, dict[str, Any]]:
    """A directory of backups of one database."""
    return {
        "directory": {"type": "path", "required": True},
        "database": {"type": "str", "default": "endpoint_stats"},
    }


def retention() -> dict[str, dict[str, Any]]:
    """Which backups stay; the names are the fields of C(_postgres.retention.Policy)."""
    rules = {rule.name: {"type": "int", "default": 0} for rule in fields(Policy)}
    return {"retention": {"type": "dict", "default": PRESET, "options": rules}}
