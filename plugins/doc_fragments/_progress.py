# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Twin of C(_argspec.progress)."""

    DOCUMENTATION = r"""
options:
  progress_path:
    description:
      - File in which the module says how far it is, as JSON with C(phase), C(done), C(total), C(unit) and C(eta_seconds).
      - Set by the action plugin of the same name, which prints it; empty writes none.
    type: path
    default: ""
"""
