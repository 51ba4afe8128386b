#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_health_info
short_description: Tell how the backups of a PostgreSQL database are
version_added: 0.1.0
description:
  - Looks at the names of the backups of M(endpoint_stats.ops.pg_backup), at the records beside them, and at the manifests of the newest. No
    backup is restored for it, no server is asked, and nothing is written.
  - A directory without a backup is a critical finding, and one that cannot be read a reason.
  - How old a backup is its name tells.
author: Endpoint Statistics Operations contributors (@endpoint-stats)
options:
  age_seconds:
    description: Age of the newest backup in seconds from which on it is a finding.
    type: dict
    default:
      warning: 3600
      critical: 7200
    suboptions:
      warning:
        description: A warning from this value on.
        type: float
        default: 3600
      critical:
        description: Critical from this value on.
        type: float
        default: 7200
  proven_age_seconds:
    description:
      - Age of the newest backup that a restore has proven, in seconds from which on it is a finding. Where none is proven, the age of the
        oldest backup counts.
    type: dict
    default:
      warning: 129600
      critical: 259200
    suboptions:
      warning:
        description: A warning from this value on.
        type: float
        default: 129600
      critical:
        description: Critical from this value on.
        type: float
        default: 259200
  offsite_remote:
    description:
      - The directory of copies that M(endpoint_stats.ops.backup_offsite) makes, as its option C(remote) names it; empty where nothing is
        copied elsewhere. It is not asked, the records here are.
    type: str
    default: ""
  offsite_age_seconds:
    description:
      - Age of the newest backup that has a copy there, in seconds from which on it is a finding. Where none has one, the age of the oldest
        backup counts.
    type: dict
    default:
      warning: 7200
      critical: 86400
    suboptions:
      warning:
        description: A warning from this value on.
        type: float
        default: 7200
      critical:
        description: Critical from this value on.
        type: float
        default: 86400
  restore_seconds:
    description: Seconds that a restore will take by forecast, from which on it is a finding.
    type: dict
    default:
      warning: 14400
      critical: 28800
    suboptions:
      warning:
        description: A warning from this value on.
        type: float
        default: 14400
      critical:
        description: Critical from this value on.
        type: float
        default: 28800
extends_documentation_fragment:
  - endpoint_stats.ops._attributes
  - endpoint_stats.ops._attributes.info_module
  - endpoint_stats.ops._backup_directory
"""

EXAMPLES = r"""
- name: Look at the backups
  endpoint_stats.ops.backup_health_info:
    directory: /var/lib/endpoint-stats/backups/postgresql
    offsite_remote: archive:backups/production
  delegate_to: ops-runner-0
  register: looked_at
"""

RETURN = r"""
part:
  description:
    - What was seen, with C(data), C(findings), C(reason) and C(seconds).
    - C(data) has the number of C(backups) and of C(pinned) ones, and the names of those that C(failed). C(newest), C(proven) and C(offsite)
      each have C(backup) and C(age_seconds), or are null. C(usual_seconds) is the median of what the newest five backups have
      taken. C(forecast_restore_seconds) and C(forecast_basis) tell how long a restore takes,
      C(records) whether the chain of records is intact, C(verdicts) the last ten, C(limits) the options.
    - The C(id) of a finding is one of C(backup_missing), C(backup_too_old), C(backup_unproven), C(backup_offsite_too_old),
      C(backup_failed_verification), C(backup_could_not_verify), C(backup_restore_too_slow), C(backup_manifest_damaged),
      C(backup_partial) and C(records_damaged).
    - A C(reason) that is not empty says what could not be checked.
  returned: success
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec
from ..module_utils._errors import run_module
from ..module_utils._postgres.backup_health import Limits, look
from ..module_utils._report.part import Threshold, timed

THRESHOLDS = {"age": (3600, 7200), "proven_age": (129600, 259200), "offsite_age": (7200, 86400), "restore": (14400, 28800)}


def ask(options: dict[str, Any]) -> dict[str, Any]:
    given = {name: Threshold.of_option(options[f"{name}_seconds"]) for name in THRESHOLDS}
    limits = Limits(**given, remote=options["offsite_remote"])
    return {"changed": False, "part": timed(lambda: look(options["directory"], options["database"], limits)).to_dict()}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_argspec.backup_directory(),
            **{f"{name}_seconds": _argspec.thresholds(*values) for name, values in THRESHOLDS.items()},
            "offsite_remote": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: ask(module.params))


if __name__ == "__main__":
    main()
