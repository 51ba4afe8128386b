# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: one Linux machine becomes a network of bare machines, a registry and a file server."""
