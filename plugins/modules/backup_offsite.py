#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_offsite
short_description: Copy backups to another place by rclone, and bring them back
version_added: 0.1.0
description:
  - Copies backups that M(endpoint_stats.ops.pg_backup) made to any back end of rclone, as soon as their files are as their manifests say.
    Nobody waits for a restore to prove them; the verdicts follow with the next run, as records.
  - A copy is looked at from the other side before its manifest follows; one without a manifest is half, and is completed by a later run
    without sending again what has arrived.
  - Copies have a retention of their own. Nothing is deleted off-site unless everything that has to be there is, and never the newest copy
    or the newest that a restore has proven. Nothing is ever deleted here. Where the keys may not delete, let O(retention.within_seconds)
    be long and the service's own rules do it.
  - An off-site that does not answer is a finding and no failure, as backups are made all the same. A wrong configuration is a failure.
  - The records off-site are the anchor of those here; records here that were changed or cut off are found, and do not take their place.
  - With O(state=fetched) a backup comes back into a directory of backups, also into an empty one.
author: Endpoint Statistics Operations contributors (@endpoint-stats)
options:
  state:
    description:
      - V(copied) sends what is not off-site yet.
      - V(fetched) brings one backup back under a name that no backup has, reads each of its bytes, and gives it its own name. The records
        come along where there are none. Here an off-site that does not answer is a failure.
    type: str
    choices: [copied, fetched]
    default: copied
  config_file:
    description:
      - Configuration of rclone, as a Secret is mounted. It is read once and handed to rclone through a descriptor, so rclone writes
        nothing into it. The configuration may not be encrypted as a whole.
    type: path
    required: true
  remote:
    description:
      - The directory of the copies, as C(name:bucket/directory), where C(name) is a section of O(config_file).
      - The bucket, or the directory of a back end without buckets, has to exist. A directory that holds anything else is refused.
    type: str
    required: true
  owner:
    description:
      - Whose copies these are, for instance C(cluster/namespace). It is written down in the directory, and one of another owner is refused.
      - Not looked at for V(fetched).
    type: str
    default: ""
  ca_file:
    description: Certificate of the authority that signed the service's; empty for those that the system trusts.
    type: path
    default: ""
  backup:
    description:
      - Which backup. V(newest) is the newest, and when copying the newest proven one as well.
      - V(all), when copying, is all that the retention off-site keeps. Everything else is the name of a backup.
      - Copies that an earlier run has begun are completed in any case.
    type: str
    default: newest
  check:
    description:
      - How a copy is looked at. V(server) compares with the hashes that the service tells, for a back end that encrypts by C(cryptcheck),
        and where there are none reads it back. V(download) reads each byte back and compares with the manifest's SHA-256.
      - What a service tells of a file may be what it noted when the file came; only V(download) finds bytes that have changed since.
    type: str
    choices: [server, download]
    default: server
  recheck:
    description:
      - Look at the copies of earlier runs as well. One that differs is a finding, and is sent again where its backup is still here.
    type: bool
    default: false
  expect_immutable:
    description:
      - Write a file of a few bytes, try to delete it in all of its versions and to overwrite it, and expect to be refused. It is a critical
        finding when it is gone. Under a lock one such file a day stays, until the lock ends.
    type: bool
    default: false
  max_age_seconds:
    description: How old the newest copy may be, in seconds; 0 for any age. An older one is a finding.
    type: int
    default: 0
  bandwidth_limit:
    description: How much may be sent or fetched per second, as V(20M) for 20 MiB; empty for no limit.
    type: str
    default: ""
  retries:
    description: How often a command of rclone is tried.
    type: int
    default: 3
  connect_timeout_seconds:
    description: How long a connection may take to be made, in seconds.
    type: int
    default: 15
  idle_timeout_seconds:
    description: How long a connection may be silent, in seconds.
    type: int
    default: 120
  timeout_seconds:
    description: How long all of it may take, in seconds.
    type: int
    default: 7200
  lock_wait_seconds:
    description: How long to wait for another run in the same directory, in seconds; 0 refuses at once.
    type: int
    default: 0
  metrics_path:
    description: File for a Prometheus text collector, written when copying; empty writes none.
    type: path
    default: ""
extends_documentation_fragment:
  - endpoint_stats.ops._attributes
  - endpoint_stats.ops._backup_directory
  - endpoint_stats.ops._progress
  - endpoint_stats.ops._retention
attributes:
  check_mode:
    support: full
    details:
      - Asks what is off-site, and says what would be copied, fetched and deleted.
  diff_mode:
    support: full
    details:
      - Shows the names of the copies, or for V(fetched) of the backups.
  idempotent:
    support: full
requirements:
  - psycopg >= 3.1
  - rclone 1.60 or newer
"""

EXAMPLES = r"""
- name: Copy the newest backup to a bucket
  endpoint_stats.ops.backup_offsite:
    directory: /var/lib/endpoint-stats/backups/postgresql
    config_file: /run/secrets/endpoint-stats/offsite/rclone.conf
    remote: archive:backups/production
    owner: production/endpoint-stats
    retention: {last: 48, daily: 90, monthly: 24}
    max_age_seconds: 7200
    metrics_path: /var/lib/endpoint-stats/metrics/backup_offsite.prom
  delegate_to: ops-runner-0
  register: offsite

- name: Read all copies back, and see that nobody here can delete them
  endpoint_stats.ops.backup_offsite:
    directory: /var/lib/endpoint-stats/backups/postgresql
    config_file: /run/secrets/endpoint-stats/offsite/rclone.conf
    remote: archive:backups/production
    check: download
    recheck: true
    expect_immutable: true
  delegate_to: ops-runner-0

- name: Bring the newest copy back when the claim is gone
  endpoint_stats.ops.backup_offsite:
    state: fetched
    directory: /var/lib/endpoint-stats/backups/postgresql
    config_file: /run/secrets/endpoint-stats/offsite/rclone.conf
    remote: archive:backups/production
  delegate_to: ops-runner-0
"""

RETURN = r"""
backup:
  description: Name of the newest copy there is afterwards, or of the backup that was fetched; empty where there is none.
  returned: success
  type: str
  sample: 20261125T211700Z
backup_path:
  description: Directory of the backup that was fetched; empty when copying.
  returned: success
  type: str
  sample: ""
remote:
  description: The directory of the copies.
  returned: success
  type: str
  sample: archive:backups/production
reachable:
  description: Whether the off-site answered to the end.
  returned: success
  type: bool
  sample: true
copied:
  description: Backups that were copied or completed, or would be, the newest first.
  returned: success
  type: list
  elements: str
  sample: ["20261125T211700Z"]
fetched:
  description: The backup that was fetched, or would be; empty where it was here.
  returned: success
  type: list
  elements: str
  sample: []
checked:
  description: Copies that were looked at.
  returned: success
  type: list
  elements: str
  sample: ["20261125T211700Z"]
deleted:
  description: Copies that were deleted off-site, or would be.
  returned: success
  type: list
  elements: str
  sample: []
kept:
  description: Whole copies there are off-site afterwards, the oldest first; for O(state=fetched) the backups here.
  returned: success
  type: list
  elements: str
  sample: ["20261125T204700Z", "20261125T211700Z"]
records_copied:
  description: Whether records were sent, or came along.
  returned: success
  type: bool
  sample: true
immutable:
  description: Whether what was written could not be deleted; null where O(expect_immutable) did not ask.
  returned: success
  type: bool
  sample: null
transferred_bytes:
  description: Bytes that were sent or fetched. In check mode the size of what would be copied.
  returned: success
  type: int
  sample: 18350211
offsite_age_seconds:
  description:
    - Age of the newest copy, by the name of its backup. Where nobody answered, of the newest that was copied by what the records say.
    - Null where there is none.
  returned: success
  type: float
  sample: 12.4
seconds:
  description: Seconds of each phase.
  returned: success
  type: dict
  sample: {"look": 0.3, "checksum": 0.1, "copy": 2.1, "check": 0.4, "retention": 0.1, "records": 0.6}
duration_seconds:
  description: All of it.
  returned: success
  type: float
  sample: 3.7
findings:
  description:
    - What deserves a word, each with C(id), C(severity), C(subject), C(summary), C(evidence) and C(remedy).
    - The C(id) is one of C(offsite_unreachable), C(offsite_too_old), C(offsite_source_damaged), C(offsite_copy_damaged),
      C(offsite_copy_missing), C(offsite_records_contradict), C(offsite_mutable) and C(offsite_metrics_not_written).
  returned: success
  type: list
  elements: dict
  sample: []
diff:
  description: The copies before and after.
  returned: success
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec
from ..module_utils._deps import validate
from ..module_utils._errors import run_module
from ..module_utils._offsite.choice import NEWEST
from ..module_utils._offsite.configuration import Options
from ..module_utils._offsite.copy import copy
from ..module_utils._offsite.fetch import fetch
from ..module_utils._offsite.order import Order
from ..module_utils._postgres.retention import Policy
from ..module_utils._progress import Progress

REACHED = {"retries": 3, "connect_timeout_seconds": 15, "idle_timeout_seconds": 120}
NUMBERS = {"max_age_seconds": 0, "timeout_seconds": 7200, "lock_wait_seconds": 0}
SWITCHES = ("recheck", "expect_immutable")
TEXTS = ("config_file", "remote", "ca_file", "bandwidth_limit")


def work(module: AnsibleModule) -> dict[str, Any]:
    options = module.params
    place = Options(**{name: options[name] for name in (*TEXTS, *REACHED)})
    names = ("directory", "database", "owner", "state", "backup", "check", "metrics_path", *SWITCHES, *NUMBERS)
    order = Order(rclone=place, retention=Policy(**options["retention"]), **{name: options[name] for name in names})
    do, shown = (fetch, order.directory) if order.state == "fetched" else (copy, place.remote)
    return do(order, Progress(options["progress_path"]), check=module.check_mode).to_result(shown)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_argspec.backup_directory(),
            **_argspec.progress(),
            **_argspec.retention(),
            "state": {"type": "str", "choices": ["copied", "fetched"], "default": "copied"},
            "config_file": {"type": "path", "required": True},
            "remote": {"type": "str", "required": True},
            "owner": {"type": "str", "default": ""},
            "ca_file": {"type": "path", "default": ""},
            "backup": {"type": "str", "default": NEWEST},
            "check": {"type": "str", "choices": ["server", "download"], "default": "server"},
            **{name: {"type": "bool", "default": False} for name in SWITCHES},
            "bandwidth_limit": {"type": "str", "default": ""},
            **{name: {"type": "int", "default": default} for name, default in {**REACHED, **NUMBERS}.items()},
            "metrics_path": {"type": "path", "default": ""},
        },
        supports_check_mode=True,
    )
    validate(module, "psycopg")
    run_module(module, lambda: work(module))


if __name__ == "__main__":
    main()
