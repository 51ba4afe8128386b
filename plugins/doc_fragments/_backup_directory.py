# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Twin of C(_argspec.backup_directory)."""

    DOCUMENTATION = r"""
options:
  directory:
    description:
      - Directory of the backups of one database, on the host the module runs on.
      - One that holds anything else, or backups of another database, is refused.
    type: path
    required: true
  database:
    description: The database.
    type: str
    default: endpoint_stats
"""
