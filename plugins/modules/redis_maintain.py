#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_maintain
short_description: Delete what nobody uses from Redis, without stopping it, and save what is left
version_added: 0.1.0
description:
  - Goes through the keys page by page and deletes (C(UNLINK)) those that a rule names and nobody has used for a time.
    The cache's hot part stays, and so does every key that O(protect) names.
  - A key's idle time is asked for at the moment of its deletion, so a key that is read in between stays.
  - Rests after a page that took longer than O(latency_budget_seconds). C(KEYS), C(FLUSHDB), C(FLUSHALL) and C(SAVE) are never used.
  - A save is waited for, and counts only when the server says that it went well. One that runs already when the deletion ends
    began before it and does not count.
  - When the server starts again meanwhile, its place in the scan is lost; the scan begins again, and a finding says so.
  - Works on database 0 of a single server or primary of Redis 7 or newer; Redis Cluster and replicas are refused.
  - In check mode the keys that would be deleted are counted.
author: Endpoint Statistics Operations contributors (@endpoint-stats)
options:
  port:
    description: Port of the server.
    type: int
    default: 6379
  rules:
    description:
      - Which keys may go. A key goes when one of the rules holds for it.
      - By default cached answers that nobody has asked for within an hour. To throw a whole cache away, its hot part too,
        set O(rules[].idle_seconds_minimum=0).
    type: list
    elements: dict
    default:
      - match: cache:*
        idle_seconds_minimum: 3600
    suboptions:
      match:
        description: A glob as for C(SCAN MATCH).
        type: str
        required: true
      idle_seconds_minimum:
        description:
          - For how many seconds nobody may have read or written the key (C(OBJECT IDLETIME)).
          - With V(0) it does not matter. A rule whose glob is only C(*) and C(?) must have more.
          - Servers with an LFU policy do not know it; there a rule with more than V(0) is refused.
        type: int
        default: 0
      ttl:
        description: Whether the key must have a time to live (V(set)), must have none (V(none)), or may be either (V(any)).
        type: str
        choices: [any, none, set]
        default: any
  protect:
    description: Globs of keys that are never deleted, whatever the rules say. They match byte for byte as those of Redis do.
    type: list
    elements: str
    default: []
  page_size:
    description: About how many keys are looked at in one go; the server does nothing else meanwhile.
    type: int
    default: 500
  latency_budget_seconds:
    description: A page whose round trip takes longer, in seconds, is followed by rest, at least as long as it took and at most one second.
    type: float
    default: 0.01
  maximum_keys:
    description: How many keys may be deleted in one run; V(0) is no limit.
    type: int
    default: 0
  restart_wait_seconds:
    description: How long a server that goes away meanwhile may take to serve again, in seconds.
    type: float
    default: 60
  purge:
    description: After a deletion, have the allocator give free memory back to the system (C(MEMORY PURGE)).
    type: bool
    default: true
  save:
    description:
      - How the result is saved. Nothing is saved when nothing was deleted and all is saved already.
      - V(bgsave) writes a snapshot, V(aof_rewrite) rewrites the append-only file.
      - V(auto) rewrites the append-only file where there is one, writes a snapshot where the server has save points, and saves
        nothing where it keeps nothing.
    type: str
    choices: [auto, bgsave, aof_rewrite, none]
    default: auto
  save_timeout_seconds:
    description: How long a save may take, in seconds, with the wait for one that runs already; one that is not proven by then is an error.
    type: float
    default: 300
  metrics_path:
    description: Where a Prometheus text file is written when the run went well; empty writes none.
    type: path
    default: ""
extends_documentation_fragment:
  - endpoint_stats.ops._attributes
  - endpoint_stats.ops._store
  - endpoint_stats.ops._progress
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
requirements:
  - redis >= 5.0
"""

EXAMPLES = r"""
- name: Delete cached answers that nobody has asked for within an hour
  endpoint_stats.ops.redis_maintain:
    host: redis.endpoint-stats.svc
    credentials_dir: /run/secrets/endpoint-stats/redis/ops
    ca_file: /run/secrets/endpoint-stats/ca/ca.crt

- name: Delete left over sessions that would never end, but none of an administrator
  endpoint_stats.ops.redis_maintain:
    host: redis.endpoint-stats.svc
    credentials_dir: /run/secrets/endpoint-stats/redis/ops
    ca_file: /run/secrets/endpoint-stats/ca/ca.crt
    rules:
      - match: session:*
        idle_seconds_minimum: 86400
        ttl: none
    protect: ["session:admin:*"]
    save: bgsave
"""

RETURN = r"""
scanned:
  description: Keys that were looked at. Counts are exact where nobody writes meanwhile; else a key may be counted twice.
  returned: success
  type: int
  sample: 120000
matched:
  description: Keys of these whose name is that of a rule and is not protected.
  returned: success
  type: int
  sample: 100000
protected:
  description: Keys whose name is that of a rule and is protected.
  returned: success
  type: int
  sample: 12
deleted:
  description: Keys that were deleted, or would be in check mode.
  returned: success
  type: int
  sample: 81234
bytes_before:
  description: Memory in use (C(used_memory)) before, in bytes.
  returned: success
  type: int
  sample: 95123456
bytes_after:
  description: Memory in use after, in bytes. The same as before in check mode.
  returned: success
  type: int
  sample: 21123456
save:
  description: The save that was made.
  returned: success
  type: dict
  contains:
    kind:
      description: V(bgsave), V(aof_rewrite) or V(none).
      returned: always
      type: str
    proven:
      description: Whether the server says that a save which began after the deletion went well. False where none was made.
      returned: always
      type: bool
    seconds:
      description: How long it took, with the wait for one that ran already.
      returned: always
      type: float
  sample: {kind: aof_rewrite, proven: true, seconds: 1.207}
restarts:
  description: How often the server started again meanwhile.
  returned: success
  type: int
  sample: 0
pages:
  description: Pages that were looked at.
  returned: success
  type: int
  sample: 240
slept_seconds:
  description: How long it rested because the server took long to answer, in seconds.
  returned: success
  type: float
  sample: 0.731
seconds:
  description: Seconds of each phase, of C(sweep), C(free) and C(save) those that took place.
  returned: success
  type: dict
  sample: {sweep: 1.312, free: 0.002, save: 1.207}
duration_seconds:
  description: How long all of it took, in seconds.
  returned: success
  type: float
  sample: 2.544
findings:
  description: What deserves a word, each with C(id), C(severity), C(subject), C(summary), C(evidence) and C(remedy).
  returned: success
  type: list
  elements: dict
  sample: []
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec
from ..module_utils._deps import validate
from ..module_utils._errors import run_module
from ..module_utils._metrics import write_metrics
from ..module_utils._progress import Progress
from ..module_utils._redis.connection import Server
from ..module_utils._redis.maintain import maintain
from ..module_utils._redis.order import Task


def work(options: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    server = Server(**{name: options[name] for name in ("host", "port", "credentials_dir", "ca_file", "timeout_seconds")})
    outcome = maintain(server, Task.of_options(options), Progress(options["progress_path"]), check=check_mode)
    if not check_mode:
        write_metrics(options["metrics_path"], outcome.gauges())
    return outcome.to_result()


def main() -> None:
    rule = {
        "match": {"type": "str", "required": True},
        "idle_seconds_minimum": {"type": "int", "default": 0},
        "ttl": {"type": "str", "choices": ["any", "none", "set"], "default": "any"},
    }
    module = AnsibleModule(
        argument_spec={
            **_argspec.store(),
            **_argspec.progress(),
            "port": {"type": "int", "default": 6379},
            "rules": {
                "type": "list",
                "elements": "dict",
                "default": [{"match": "cache:*", "idle_seconds_minimum": 3600}],
                "options": rule,
            },
            "protect": {"type": "list", "elements": "str", "default": []},
            "page_size": {"type": "int", "default": 500},
            "latency_budget_seconds": {"type": "float", "default": 0.01},
            "maximum_keys": {"type": "int", "default": 0, "no_log": False},  # keys of the database
            "restart_wait_seconds": {"type": "float", "default": 60},
            "purge": {"type": "bool", "default": True},
            "save": {"type": "str", "choices": ["auto", "bgsave", "aof_rewrite", "none"], "default": "auto"},
            "save_timeout_seconds": {"type": "float", "default": 300},
            "metrics_path": {"type": "path", "default": ""},
        },
        supports_check_mode=True,
    )
    validate(module, "redis")
    run_module(module, lambda: work(module.params, module.check_mode))


if __name__ == "__main__":
    main()
