# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: operation_schedule
short_description: An operation on a schedule, as objects of Kubernetes
version_added: 0.1.0
author:
  - Endpoint Statistics Operations contributors (@endpoint-stats)
description:
  - Makes the ServiceAccount, the ConfigMap with the settings, and the CronJob of a playbook that runs inside the cluster, beside
    ops-runner and with what the role app_stack makes - the claim C(ops-data), the ConfigMaps C(ops-inventory) and C(endpoint-stats-ca).
  - The account has no rights; where the operation needs some, its role makes them.
  - The pod mounts only the credentials it names, and reaches only the servers it names.
positional: _input
options:
  _input:
    description:
      - The schedule, with C(name), C(namespace), C(playbook), C(image) by digest, C(schedule) as cron writes it, C(time_zone),
        C(suspended), C(deadline_seconds), C(cpu) and C(memory) as Kubernetes quantities, and C(settings), the variables of the run.
      - And, where needed, C(clients), a list of C(postgresql), C(redis), C(api), C(kubernetes) and C(offsite); C(credentials), directory
        below the secrets to the Secret that is mounted there; C(optional_credentials), those that the pod does not wait for; C(token),
        whether the account's token is mounted; C(starting_deadline_seconds).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Back up every half hour
  kubernetes.core.k8s:
    definition: "{{ backup | endpoint_stats.ops.operation_schedule }}"
    apply: true
  vars:
    backup:
      name: postgres-backup
      namespace: endpoint-stats
      playbook: backup
      image: registry.example.net/endpoint-stats/ops-runner@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
      schedule: "17,47 * * * *"
      time_zone: Etc/UTC
      suspended: false
      deadline_seconds: 1500
      cpu: 50m
      memory: 512Mi
      settings: {backups_jobs: 2}
      clients: [postgresql]
      credentials: {postgresql/backup: postgres-backup}
"""

RETURN = r"""
_value:
  description: The objects, ready to be applied.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils._errors import OpsError
from ..module_utils._kubernetes.schedule import Schedule


def operation_schedule(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    try:
        return Schedule(**{str(key): value for key, value in spec.items()}).objects()
    except (TypeError, OpsError) as error:
        raise AnsibleFilterError(f"operation_schedule: {error}") from error


class FilterModule:
    """Offers the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"operation_schedule": operation_schedule}
