#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_maintain
short_description: Vacuum, analyze, refresh and clean up a PostgreSQL database while it is in use
version_added: 0.1.0
description:
  - Vacuums and analyzes the tables that need it, by what the server has counted, and drops scratch tables that were left behind.
  - No statement waits for a lock longer than O(lock_budget_seconds). A table whose lock is not free is skipped, tried once more at the
    end, and told in RV(not_done) with who holds it.
  - A table counts as vacuumed or analyzed only when the server's statistics say so. C(VACUUM) by a role without the right to it
    is a warning to PostgreSQL; here it is a finding.
  - C(VACUUM FULL) and C(REINDEX) without C(CONCURRENTLY), which lock everybody out, are never used, and the empty end of a table is
    not cut off.
  - Names what keeps dead rows from being removed, such as old transactions, prepared transactions and abandoned replication slots.
  - Works on PostgreSQL 15 or newer. In check mode it tells what it would do.
author: Endpoint Statistics Operations contributors (@endpoint-stats)
options:
  port:
    description: Port of the server.
    type: int
    default: 5432
  database:
    description: The database.
    type: str
    default: endpoint_stats
  vacuum:
    description:
      - Run C(VACUUM (ANALYZE\)) on tables and materialized views with many dead rows, with old transaction numbers, or never counted;
        C(ANALYZE) on those of which much has changed, and on partitioned tables whose partitions have.
    type: bool
    default: true
  vacuum_threshold:
    description: A table with no more dead or changed rows than this is left alone.
    type: int
    default: 50
  vacuum_scale:
    description: Share of a table's rows that may be dead beyond O(vacuum_threshold); autovacuum's own is V(0.2).
    type: float
    default: 0.05
  analyze_scale:
    description: Share of a table's rows that may have changed since it was analyzed, likewise; autovacuum's own is V(0.1).
    type: float
    default: 0.05
  vacuum_cost_delay_seconds:
    description: How long C(VACUUM) rests after each portion of work, in seconds, from V(0) to V(0.1).
    type: float
    default: 0.002
  lock_budget_seconds:
    description: How long a statement may wait for a lock, in seconds.
    type: float
    default: 2
  statement_timeout_seconds:
    description: How long a statement may take, in seconds; one that takes longer is ended and told in RV(not_done).
    type: float
    default: 3600
  old_transaction_seconds:
    description:
      - A transaction that keeps dead rows and is older than this, in seconds, is a finding.
      - Where dead rows had to stay, whatever is the oldest is one too.
    type: float
    default: 300
  drop_leftovers:
    description:
      - Names of scratch tables in the schema C(public) that are dropped where they exist.
      - Only a plain table of a role that ours is a member of, on which nothing depends and which no session uses at the time, is dropped.
    type: list
    elements: str
    default: [temp_stats]
  refresh:
    description:
      - Materialized views, with their schema unless it is C(public), that are refreshed while they are read (C(CONCURRENTLY)).
      - In check mode a refresh counts as a change, as only making it tells whether it is one.
    type: list
    elements: str
    default: []
  metrics_path:
    description: Where a Prometheus text file is written when the run has ended; empty writes none.
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
  - psycopg >= 3.1
"""

EXAMPLES = r"""
- name: Maintain the database of the stack
  endpoint_stats.ops.pg_maintain:
    host: postgres.endpoint-stats.svc
    credentials_dir: /run/secrets/endpoint-stats/postgresql/maintenance
    ca_file: /run/secrets/endpoint-stats/ca/ca.crt
    refresh: [endpoint_daily_stats]
  register: maintained

- name: Show who was in the way
  ansible.builtin.debug:
    msg: "{{ item.table }}: {{ item.why }}, {{ item.held_by }}"
  loop: "{{ maintained.not_done }}"
"""

RETURN = r"""
tables:
  description: Tables that were vacuumed or analyzed, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    table:
      description: Schema and name.
      returned: always
      type: str
    action:
      description: V(vacuum), which analyzes too, or V(analyze).
      returned: always
      type: str
    reason:
      description: Why it was needed.
      returned: always
      type: str
    dead_rows_before:
      description: Dead rows before, as the server counts them.
      returned: always
      type: int
    dead_rows_after:
      description: Dead rows after. The same as before in check mode.
      returned: always
      type: int
    seconds:
      description: How long it took, in seconds.
      returned: always
      type: float
  sample:
    - table: public.requests_y2026m11
      action: vacuum
      reason: 41230 dead rows of 302114
      dead_rows_before: 41230
      dead_rows_after: 0
      seconds: 1.832
not_done:
  description: What was needed and not done.
  returned: success
  type: list
  elements: dict
  contains:
    table:
      description: Schema and name.
      returned: always
      type: str
    action:
      description: V(vacuum), V(analyze), V(drop) or V(refresh).
      returned: always
      type: str
    why:
      description: V(locked), V(timed_out), V(refused), V(gone), V(not_permitted), V(not_seen) or V(failed).
      returned: always
      type: str
    evidence:
      description: What was seen.
      returned: always
      type: str
    held_by:
      description:
        - The sessions whose locks were in the way, each with C(pid), C(role), C(application), C(state), C(mode), C(granted) and
          C(transaction_seconds).
        - Empty where it was no lock, or where the holder had gone by then.
      returned: always
      type: list
      elements: dict
  sample: []
dropped:
  description: Tables that were dropped, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    table:
      description: Schema and name.
      returned: always
      type: str
    size_bytes:
      description: Its size when it was last vacuumed or analyzed, in bytes.
      returned: always
      type: int
    seconds:
      description: How long it took, in seconds.
      returned: always
      type: float
  sample: [{table: public.temp_stats, size_bytes: 8192, seconds: 0.004}]
refreshed:
  description: Materialized views that were refreshed, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    view:
      description: Schema and name.
      returned: always
      type: str
    rows_written:
      description: Rows that were deleted and inserted; V(0) where it showed everything already.
      returned: always
      type: int
    seconds:
      description: How long it took, in seconds.
      returned: always
      type: float
  sample: [{view: public.endpoint_daily_stats, rows_written: 40, seconds: 0.211}]
seconds:
  description: Seconds of each phase.
  returned: success
  type: dict
  sample: {drop: 0.012, refresh: 0.211, vacuum: 2.134, retry: 0.0}
duration_seconds:
  description: How long all of it took, in seconds.
  returned: success
  type: float
  sample: 2.512
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
from ..module_utils._postgres.connection import Server
from ..module_utils._postgres.maintain import maintain
from ..module_utils._postgres.maintenance import Task
from ..module_utils._progress import Progress


def work(options: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    server = Server(**{name: options[name] for name in ("host", "port", "database", "credentials_dir", "ca_file", "timeout_seconds")})
    outcome = maintain(server, Task.of_options(options), Progress(options["progress_path"]), check=check_mode)
    if not check_mode:
        write_metrics(options["metrics_path"], outcome.gauges())
    return outcome.to_result()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_argspec.store(),
            **_argspec.progress(),
            "port": {"type": "int", "default": 5432},
            "database": {"type": "str", "default": "endpoint_stats"},
            "vacuum": {"type": "bool", "default": True},
            "vacuum_threshold": {"type": "int", "default": 50},
            "vacuum_scale": {"type": "float", "default": 0.05},
            "analyze_scale": {"type": "float", "default": 0.05},
            "vacuum_cost_delay_seconds": {"type": "float", "default": 0.002},
            "lock_budget_seconds": {"type": "float", "default": 2},
            "statement_timeout_seconds": {"type": "float", "default": 3600},
            "old_transaction_seconds": {"type": "float", "default": 300},
            "drop_leftovers": {"type": "list", "elements": "str", "default": ["temp_stats"]},
            "refresh": {"type": "list", "elements": "str", "default": []},
            "metrics_path": {"type": "path", "default": ""},
        },
        supports_check_mode=True,
    )
    validate(module, "psycopg")
    run_module(module, lambda: work(module.params, module.check_mode))


if __name__ == "__main__":
    main()
