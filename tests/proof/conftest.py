# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The labs of the end-to-end tests, and the collection as the integration tests import it, for what takes longer."""

from __future__ import annotations

import tests.integration.conftest
from tests.e2e.conftest import built, built_stack, converged, elsewhere, lab, stack_lab

__all__ = ["built", "built_stack", "converged", "elsewhere", "lab", "stack_lab", "tests"]
