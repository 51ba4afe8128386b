# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Twin of C(_argspec.kubeconfig)."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Path of the kubeconfig on the host the module runs on. Its content never appears in results or messages.
    type: path
    required: true
  context:
    description:
      - Context of the kubeconfig to use, its current one by default.
    type: str
requirements:
  - kubernetes >= 24.2.0
"""
