# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets tests import those modules of the application that need nothing but Python."""

from __future__ import annotations

import sys

from tools.app import SOURCE

sys.path.insert(0, str(SOURCE))
