# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Twin of C(_argspec.store)."""

    DOCUMENTATION = r"""
options:
  host:
    description: Name of the server, which its certificate must carry.
    type: str
    required: true
  credentials_dir:
    description: Directory with the files C(username) and C(password), as a mounted Secret.
    type: path
    required: true
  ca_file:
    description: Certificate of the authority that signed the server's. Empty for a server on loopback without TLS.
    type: path
    default: ""
  timeout_seconds:
    description: How long the connection and each question may take, in seconds.
    type: int
    default: 5
"""
