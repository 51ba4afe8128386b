# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Twin of C(_argspec.cluster_access)."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Path of the kubeconfig on the host the module runs on. Its content never appears in results or messages.
      - Empty inside a cluster, where the module acts as the ServiceAccount of its pod.
    type: path
    default: ""
  context:
    description:
      - Context of the kubeconfig to use, its current one by default.
    type: str
requirements:
  - kubernetes >= 24.2.0
"""
