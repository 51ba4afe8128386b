# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoint Statistics: records calls to endpoints and answers statistics about them."""

from __future__ import annotations

__version__ = "0.1.0"
