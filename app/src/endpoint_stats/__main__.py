# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m endpoint_stats` is the program `endpoint-stats`."""

from __future__ import annotations

import sys

from endpoint_stats.cli import main

if __name__ == "__main__":
    sys.exit(main())
