#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_cleanup
short_description: Delete evicted and failed pods and old finished Jobs of a namespace
version_added: 0.1.0
description:
  - Evicted pods go at once, other failed ones after O(failed_pod_age_seconds). Those of a Job go with it, as their log tells why it
    failed, unless they were evicted.
  - Finished Jobs go after O(finished_job_age_seconds). Left alone are those that Kubernetes deletes itself
    (C(ttlSecondsAfterFinished)), those of a controller other than a CronJob, and the last one of each CronJob, which tells how the last
    run went.
  - Deletes exactly what it looked at; an object that has changed meanwhile is left to the next run.
  - Needs the rights to list and delete pods and Jobs of the namespace, and no others.
author: Endpoint Statistics Operations contributors (@endpoint-stats)
options:
  namespace:
    description: The namespace that is cleaned up.
    type: str
    required: true
  failed_pod_age_seconds:
    description: How long ago a failed pod must have ended to be deleted, in seconds.
    type: float
    default: 86400
  finished_job_age_seconds:
    description: How long ago a Job must have finished to be deleted, in seconds.
    type: float
    default: 604800
extends_documentation_fragment:
  - endpoint_stats.ops._attributes
  - endpoint_stats.ops._cluster_access
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: Delete what is over
  endpoint_stats.ops.kubernetes_cleanup:
    kubeconfig: ~/.kube/config
    namespace: endpoint-stats
  delegate_to: localhost
"""

RETURN = r"""
pods:
  description: Pods that were deleted, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the pod.
      returned: always
      type: str
    owner:
      description: The workload it belonged to, or itself.
      returned: always
      type: str
    reason:
      description: Why it failed, as its status says.
      returned: always
      type: str
    age_seconds:
      description: How long ago it ended, in seconds.
      returned: always
      type: float
  sample:
    - name: flask-api-7d9c5b7f8d-2xkqp
      owner: Deployment/flask-api
      reason: Evicted
      age_seconds: 5123.0
jobs:
  description: Jobs that were deleted with their pods, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the Job.
      returned: always
      type: str
    owner:
      description: The CronJob it belonged to, empty where there is none.
      returned: always
      type: str
    reason:
      description: V(Complete) or V(Failed).
      returned: always
      type: str
    age_seconds:
      description: How long ago it finished, in seconds.
      returned: always
      type: float
  sample: []
findings:
  description: What deserves a word, each with C(id), C(severity), C(subject), C(summary), C(evidence) and C(remedy).
  returned: success
  type: list
  elements: dict
  sample: []
"""

from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec
from ..module_utils._deps import validate
from ..module_utils._errors import OpsError, run_module
from ..module_utils._kubernetes.api import Api
from ..module_utils._kubernetes.cleanup import Ages, clean_up


def work(options: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    for name in ("failed_pod_age_seconds", "finished_job_age_seconds"):
        if options[name] < 0:
            raise OpsError(f"{name} is {options[name]:g}", remedy="Set it to 0 or more.")
    ages = Ages(options["failed_pod_age_seconds"], options["finished_job_age_seconds"])
    api = Api(options["kubeconfig"], options["context"])
    return clean_up(api, options["namespace"], ages, datetime.now(UTC), predict=check_mode).to_result()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_argspec.cluster_access(),
            "namespace": {"type": "str", "required": True},
            "failed_pod_age_seconds": {"type": "float", "default": 86400},
            "finished_job_age_seconds": {"type": "float", "default": 604800},
        },
        supports_check_mode=True,
    )
    validate(module, "kubernetes", "urllib3")
    run_module(module, lambda: work(module.params, module.check_mode))


if __name__ == "__main__":
    main()
