# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The labs of the end-to-end tests, for what takes longer."""

from __future__ import annotations

from tests.e2e.conftest import built, built_stack, converged, lab, stack_lab

__all__ = ["built", "built_stack", "converged", "lab", "stack_lab"]
