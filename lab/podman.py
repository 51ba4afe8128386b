# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few podman calls the lab makes."""

from __future__ import annotations

import json
from typing import Any

from lab.process import attempt, run

# crun refuses hosts that mount both cgroup versions; runc works on all of them.
COMMAND = ("podman", "--runtime=runc")
LABEL = "endpoint-stats.lab"
MACHINE_LABEL = "endpoint-stats.machine"
CONFIGURATION_LABEL = "endpoint-stats.configuration"


def podman(*arguments: str, input_text: str | None = None, timeout_seconds: float = 600, next_step: str = "") -> str:
    """Run a podman command that has to succeed."""
    return run([*COMMAND, *arguments], input_text=input_text, timeout_seconds=timeout_seconds, next_step=next_step)


def answers(*arguments: str) -> bool:
    """Whether a podman command succeeds (exists, exec of a test)."""
    return attempt([*COMMAND, *arguments]).returncode == 0


def containers(lab: str) -> list[dict[str, Any]]:
    """The containers of a lab, running or not."""
    found: list[dict[str, Any]] = json.loads(podman("ps", "--all", "--filter", f"label={LABEL}={lab}", "--format", "json") or "[]")
    return sorted(found, key=lambda container: str(container["Names"][0]))


def any_lab() -> bool:
    """Whether a container of any lab exists."""
    return bool(podman("ps", "--all", "--quiet", "--filter", f"label={LABEL}").strip())


def volumes(lab: str) -> list[str]:
    """The volumes of a lab."""
    return podman("volume", "ls", "--quiet", "--filter", f"label={LABEL}={lab}").split()


def image_exists(name: str) -> bool:
    """Whether podman's storage has an image under this name."""
    return answers("image", "exists", name)
