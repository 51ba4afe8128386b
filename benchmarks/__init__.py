# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Claims about speed and size, each measured beside a named baseline in the same run: one file per claim, run by `make bench`."""
