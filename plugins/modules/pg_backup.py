#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_backup
short_description: Back up a PostgreSQL database with a manifest of what was in it
version_added: 0.1.0
description:
  - Dumps one database in directory format, with several workers and one snapshot that is taken behind locks on all tables, together
    with the roles of the server without their passwords. Each file is compressed by zstd while the dump goes on.
  - The manifest holds the number of rows of each table in that very snapshot and sums of their content, every object of the database,
    and the SHA-256 of every file, so that a restore can be compared with it.
  - A backup gets its name when all of it is on disk; what a killed run leaves is recognised and removed by the next one.
    Older backups are deleted only after a new one was made, and the newest that a restore has proven is never deleted.
  - The role needs C(CONNECT) and membership in C(pg_read_all_data). It is refused, before anything is written, where it may not read all
    of the database, as are too few lock slots of the server, too little room, a directory of something else and programs older than
    the server. Room is needed for the dump as it is before it is compressed.
  - Somebody who wants a table for himself (C(TRUNCATE), C(ALTER TABLE)) waits for the dump, as with every dump.
author: Endpoint Statistics Operations contributors (@endpoint-stats)
options:
  port:
    description: Port of the server. It needs sessions, which a pool of transactions does not give.
    type: int
    default: 5432
  jobs:
    description: Tables that are dumped at the same time, each by a connection of its own.
    type: int
    default: 2
  compression_level:
    description:
      - How hard zstd tries, from 1 to 19. Each step takes longer and saves a little; V(1) keeps up with pg_dump.
    type: int
    default: 1
  interval_seconds:
    description:
      - How often the backup is made, in seconds; 0 for one that is on no schedule.
      - It is a critical finding when a backup takes longer than that, by what the newest ones have measured. The backup is made all the
        same, as a late one is better than none.
    type: int
    default: 0
  rpo_target_seconds:
    description: How much work may be lost, in seconds. It is a finding when O(interval_seconds) and the backup's own duration exceed it.
    type: int
    default: 3600
  lock_wait_seconds:
    description: How long to wait for another run in the same directory, in seconds; 0 refuses at once.
    type: int
    default: 0
  table_lock_timeout_seconds:
    description: How long to wait for whoever has locked a table against reading, in seconds.
    type: int
    default: 60
  dump_timeout_seconds:
    description: How long the dump, and the reading of each table for the manifest, may take, in seconds.
    type: int
    default: 7200
  manifest_key_file:
    description:
      - File with the key that manifests are signed with (HMAC-SHA256), of at least 32 bytes; a line end at its end does not count.
        Empty signs nothing.
      - It is refused where others than its owner and group may read it, or others than its owner may change it. It is never shown.
    type: path
    default: ""
  globals_recipients_file:
    description:
      - File with recipients of age, one in each line, for whom the roles are encrypted (C(globals.sql.age) in place of C(globals.sql)).
        Recipients are public; the identity that decrypts is not needed here. Empty encrypts nothing.
      - Needs the program C(age).
    type: path
    default: ""
  globals_passphrase_file:
    description:
      - File with a passphrase of at least 16 characters in one line, with which the roles are encrypted (C(globals.sql.gpg) in place of
        C(globals.sql)), by AES-256 and authenticated. Not together with O(globals_recipients_file). Empty encrypts nothing.
      - It is refused where others than its owner and group may read it, or others than its owner may change it. It is never shown. Who
        has it can decrypt every backup that was made with it, so the host that makes backups could; with recipients it could not.
      - Needs the program C(gpg). It asks no agent and leaves none.
    type: path
    default: ""
  include_role_passwords:
    description:
      - Whether the roles keep their passwords, as the hashes the server has. Only together with O(globals_recipients_file) or
        O(globals_passphrase_file).
      - The role needs C(SELECT) on C(pg_catalog.pg_authid), which members of C(pg_read_all_data) have.
    type: bool
    default: false
  bucket_sums:
    description:
      - Into how many parts each table is cut, so that a verification can tell which rows of a table differ; from 2 to 1024, or 0 for not.
      - A table whose primary key, or other unique key without nulls, begins with an integer, a date, a timestamp or a UUID is cut into
        ranges of that column, about as large as each other. One with another key is cut by a hash of it, one without a key is not cut.
      - The verdict does not depend on it. Reading the tables takes longer; a manifest has at most 65536 parts in all, which
        tables share.
    type: int
    default: 0
  metrics_path:
    description: File for a Prometheus text collector, written after a backup was made; empty writes none.
    type: path
    default: ""
  selection:
    description:
      - Which part of the database is backed up; all of it where nothing is given. O(directory) holds backups of one selection, and
        another one is refused there, so that a part never takes the place of the whole.
      - Names are exact, as the catalog has them, those of tables with their schema (V(public.requests)). One that nothing has is refused.
      - A partitioned table comes or goes with its partitions, a table with the sequences of its columns.
      - What is no table, view or sequence comes with its schema, and what has none, such as large objects, is always in the backup.
      - Refused is also what could not be restored, by name, before anything is written. That is a foreign key to a table that is left out
        or whose rows are, a view of one, a type or function in a schema that is left out.
      - M(endpoint_stats.ops.pg_restore) puts no such backup in the place of a live database.
    type: dict
    default: {}
    suboptions:
      include_schemas:
        description: Schemas with everything in them. With these or O(selection.include_tables) everything else is left out.
        type: list
        elements: str
        default: []
      include_tables:
        description: Tables, views, materialized views, foreign tables and sequences, each with what else its schema has.
        type: list
        elements: str
        default: []
      exclude_schemas:
        description: Schemas that are left out with everything in them.
        type: list
        elements: str
        default: []
      exclude_tables:
        description: Tables, views, materialized views, foreign tables and sequences that are left out.
        type: list
        elements: str
        default: []
      exclude_table_data:
        description: Tables that are in the backup without their rows.
        type: list
        elements: str
        default: []
extends_documentation_fragment:
  - endpoint_stats.ops._attributes
  - endpoint_stats.ops._store
  - endpoint_stats.ops._backup_directory
  - endpoint_stats.ops._progress
  - endpoint_stats.ops._retention
attributes:
  check_mode:
    support: full
    details:
      - Asks everything that a backup asks before it begins, and says what would be written and deleted and how long it took before.
  diff_mode:
    support: full
    details:
      - Shows the backups, and why each of them stays or goes.
  idempotent:
    support: none
    details:
      - Each run makes a backup.
requirements:
  - psycopg >= 3.1
  - pg_dump, pg_dumpall and pg_restore of the server's major version or a newer one
  - zstd
"""

EXAMPLES = r"""
- name: Back up the database every half hour
  endpoint_stats.ops.pg_backup:
    host: postgres.endpoint-stats.svc
    credentials_dir: /run/secrets/endpoint-stats/postgresql/backup
    ca_file: /run/secrets/endpoint-stats/ca/ca.crt
    directory: /var/lib/endpoint-stats/backups/endpoint_stats
    interval_seconds: 1800
    retention: {last: 48, daily: 30, monthly: 24}
    metrics_path: /var/lib/endpoint-stats/metrics/backup.prom
  delegate_to: ops-runner-0
  register: backup

- name: Back up without what can be computed anew, and without the rows of a log
  endpoint_stats.ops.pg_backup:
    host: postgres.endpoint-stats.svc
    credentials_dir: /run/secrets/endpoint-stats/postgresql/backup
    ca_file: /run/secrets/endpoint-stats/ca/ca.crt
    directory: /var/lib/endpoint-stats/backups/endpoint_stats-small
    selection:
      exclude_schemas: [derived]
      exclude_table_data: [public.access_log]
  delegate_to: ops-runner-0

- name: Show what a backup would write and delete
  endpoint_stats.ops.pg_backup:
    host: postgres.endpoint-stats.svc
    credentials_dir: /run/secrets/endpoint-stats/postgresql/backup
    ca_file: /run/secrets/endpoint-stats/ca/ca.crt
    directory: /var/lib/endpoint-stats/backups/endpoint_stats
  delegate_to: ops-runner-0
  check_mode: true
  diff: true
"""

RETURN = r"""
backup:
  description: Name of the backup, the time at which it began in UTC. In check mode the name that one beginning now would have.
  returned: success
  type: str
  sample: 20261125T211700Z
backup_path:
  description: Its directory.
  returned: success
  type: str
  sample: /var/lib/endpoint-stats/backups/endpoint_stats/20261125T211700Z
bytes:
  description: Size of its files. In check mode that of the backup before, or of the database where there is none.
  returned: success
  type: int
  sample: 18350211
rows:
  description: Rows of all tables in its snapshot. In check mode what the planner believes.
  returned: success
  type: int
  sample: 250000
tables:
  description: Tables whose content the manifest holds.
  returned: success
  type: int
  sample: 8
left_out:
  description: What is not in it because of O(selection), a line for each schema, table, or table without its rows.
  returned: success
  type: list
  elements: str
  sample: ["schema derived", "rows of public.access_log"]
seconds:
  description: Seconds of each phase. In check mode the medians of the newest backups.
  returned: success
  type: dict
  sample: {"preflight": 0.2, "snapshot": 0.3, "dump": 2.9, "content": 0.1, "read_back": 0.1, "checksums": 0.1, "publish": 0.1}
duration_seconds:
  description: From the moment nobody else was at work to the publication. In check mode as expected, null where there is no backup yet.
  returned: success
  type: float
  sample: 3.7
worst_loss_seconds:
  description:
    - Seconds of work that are lost when the database is lost just before the next backup is there.
    - Null where O(interval_seconds) is 0, and in check mode where there is no backup yet.
  returned: success
  type: float
  sample: 1803.7
deleted:
  description: Backups that were deleted, or would be.
  returned: success
  type: list
  elements: str
  sample: ["20261124T211700Z"]
kept:
  description: Backups there are afterwards, the oldest first.
  returned: success
  type: list
  elements: str
  sample: ["20261125T204700Z", "20261125T211700Z"]
not_deleted:
  description: Backups that were due to be deleted and are still there.
  returned: success
  type: list
  elements: dict
  sample: [{"backup": "20261124T211700Z", "why": "somebody reads it"}]
retention:
  description: Every backup, the oldest first, whether it stays, and the rules that say so.
  returned: success
  type: list
  elements: dict
  sample:
    - backup: 20261110T211700Z
      kept: false
      why: not one of the last 48; day 2026-11-10 is kept by 20261110T234700Z; week 2026-W46 is kept by 20261115T234700Z
    - backup: 20261125T211700Z
      kept: true
      why: one of the last 48; day 2026-11-25; the newest
pinned:
  description: Backups that stay until they are unpinned, with the reason.
  returned: success
  type: list
  elements: dict
  sample: [{"backup": "20261101T000000Z", "reason": "before the migration to release 2"}]
leftovers_removed:
  description: What killed runs had left and is gone now, or would be.
  returned: success
  type: list
  elements: str
  sample: [".incomplete-20261125T204700Z"]
dump_warnings:
  description: What pg_dump warned of; each is a finding as well.
  returned: success
  type: list
  elements: str
  sample: []
findings:
  description:
    - What deserves a word, each with C(id), C(severity), C(subject), C(summary), C(evidence) and C(remedy).
    - The C(id) is one of C(backup_incomplete), C(backup_unreadable), C(backup_other_server), C(backup_shrank), C(backup_table_emptied),
      C(backup_schedule_too_short), C(backup_rpo_missed),
      C(backup_leftover_stays), C(backup_metrics_not_written) and C(records_damaged).
  returned: success
  type: list
  elements: dict
  sample: []
manifest_sha256:
  description: SHA-256 that the manifest says of itself; empty in check mode.
  returned: success
  type: str
  sample: 8a7f6f3c0d2b4e55a0b1e7c52f4f7c1f1f0c7a4f9d9a4b0d8c0f7e6a5b4c3d2e
records:
  description:
    - The chain of what happened to the backups, with C(length) and C(sha256) of its head, and whether it is C(intact).
    - Kept where nobody who writes to O(directory) reaches it, the head shows later whether records were taken away or computed anew.
  returned: success
  type: dict
  sample: {"length": 61, "sha256": "0c9d3b8f7a5e4d2c1b0a9f8e7d6c5b4a3f2e1d0c9b8a7f6e5d4c3b2a1f0e9d8c", "intact": true}
diff:
  description: The backups before and after.
  returned: success
  type: dict
"""

from dataclasses import fields
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec
from ..module_utils._deps import validate
from ..module_utils._errors import run_module
from ..module_utils._postgres.backup import back_up, predict
from ..module_utils._postgres.connection import Server
from ..module_utils._postgres.order import Order
from ..module_utils._postgres.retention import Policy
from ..module_utils._postgres.selection import Selection
from ..module_utils._progress import Progress

NUMBERS = {
    "jobs": 2,
    "compression_level": 1,
    "interval_seconds": 0,
    "rpo_target_seconds": 3600,
    "lock_wait_seconds": 0,
    "table_lock_timeout_seconds": 60,
    "dump_timeout_seconds": 7200,
    "bucket_sums": 0,
}
SEALING = ("globals_recipients_file", "globals_passphrase_file")
PARTS = {part.name: {"type": "list", "elements": "str", "default": []} for part in fields(Selection)}


def work(module: AnsibleModule) -> dict[str, Any]:
    options = module.params
    server = Server(**{name: options[name] for name in ("host", "port", "database", "credentials_dir", "ca_file", "timeout_seconds")})
    names = ("directory", "metrics_path", "manifest_key_file", "include_role_passwords", *SEALING, *NUMBERS)
    known = {name: options[name] for name in names}
    order = Order(server, retention=Policy(**options["retention"]), selection=Selection.parsed(options["selection"]), **known)
    outcome = (predict if module.check_mode else back_up)(order, Progress(options["progress_path"]))
    return outcome.to_result(order.directory)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_argspec.store(),
            **_argspec.backup_directory(),
            **_argspec.progress(),
            "port": {"type": "int", "default": 5432},
            **{name: {"type": "int", "default": default} for name, default in NUMBERS.items()},
            **_argspec.retention(),
            "selection": {"type": "dict", "default": {}, "options": PARTS},
            "metrics_path": {"type": "path", "default": ""},
            "manifest_key_file": {"type": "path", "default": "", "no_log": False},
            "globals_recipients_file": {"type": "path", "default": ""},
            "globals_passphrase_file": {"type": "path", "default": "", "no_log": False},
            "include_role_passwords": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    validate(module, "psycopg")
    run_module(module, lambda: work(module))


if __name__ == "__main__":
    main()
