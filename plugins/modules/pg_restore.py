#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_restore
short_description: Put a proven backup in the place of a PostgreSQL database, and take that back
version_added: 0.1.0
description:
  - Restores a backup of M(endpoint_stats.ops.pg_backup) beside the live database, compares it with the manifest of the backup, and only
    then lets both change their names. The live database is never dropped, overwritten or written to; it stays as
    C(<database>__before_<id>).
  - Both renames are one transaction, which is also the fence. Sessions of the live database are ended and newcomers wait for less than a
    second; whatever interrupts it leaves everything as it was. A run that is killed leaves at most C(<database>__restore_<id>), which
    the next run recognises, drops and tells.
  - Where the restore fails or differs, the new database is dropped. Where only the swap fails, because of a session that nobody but a
    superuser can end, the new database stays under that name, and the next run goes on with it when nobody has written to it.
  - O(state=undone) goes back to the database that was put aside last; the one that had the name becomes C(<database>__undone_<id>).
    Undone twice is the redo. It is refused when rows were written or deleted since.
  - Rights on the database, its settings, those of roles in it, its connection limit, tablespace, owner and comment are made anew from the
    live one, and from the backup where the live one is gone.
  - A backup of a part of a database takes the place of no live one. Its tables come beside the live ones with O(tables), and it is restored
    where no database has the name.
  - The role needs C(CREATEDB), membership in the owner of the database and in C(pg_signal_backend), and C(CONNECT) to the database
    C(postgres).
author: Endpoint Statistics Operations contributors (@endpoint-stats)
options:
  host:
    description: Name of the server, which its certificate must carry.
    type: str
    required: true
  port:
    description: Port of the server. It needs sessions, which a pool of transactions does not give.
    type: int
    default: 5432
  ca_file:
    description: Certificate of the authority that signed the server's. Empty for a server on loopback without TLS.
    type: path
    default: ""
  timeout_seconds:
    description: How long a connection, and a lock, may take, in seconds.
    type: int
    default: 5
  user:
    description: The role that restores.
    type: str
    default: restore
  password:
    description: Its password. It is mounted nowhere; a play reads it on localhost and passes it.
    type: str
    required: true
  state:
    description:
      - V(restored) puts a backup in the place of the database, each time it is asked for.
      - V(undone) changes back to what was put aside last.
    type: str
    choices: [restored, undone]
    default: restored
  backup:
    description: Name of the backup, or V(newest_proven) for the newest one that a verification has restored and found good.
    type: str
    default: newest_proven
  require_proven:
    description:
      - Refuse a backup that has no passed verification at a level that restores it, for exactly the manifest it has now.
      - Where nothing better is left, name the O(backup) and say V(false).
    type: bool
    default: true
  manifest_key_file:
    description:
      - File with the key that manifests are signed with (HMAC-SHA256), of at least 32 bytes; a line end at its end does not count.
        Empty does not check signatures.
      - It is refused where others than its owner and group may read it, or others than its owner may change it. It is never shown.
    type: path
    default: ""
  accept_unsigned:
    description:
      - Whether a manifest that is not signed is taken where O(manifest_key_file) is given; without it that one is refused.
      - It is for the time until the backups from before the key are gone.
    type: bool
    default: false
  accept_other_server:
    description:
      - Whether a backup of one server may replace the database of another one, as after a rebuild. They are told apart by their system
        identifiers. Where no database has the name, and for O(tables), it is a finding and no more.
    type: bool
    default: false
  jobs:
    description:
      - Tables that are loaded, and indexes that are built, at the same time. Each table is decompressed and loaded by one session; only
        large objects are decompressed on disk first, in the system's temporary directory.
    type: int
    default: 2
  restore_timeout_seconds:
    description: How long all of it but the swap may take, in seconds; for an undo, how long it may read each of the two databases.
    type: int
    default: 14400
  swap_timeout_seconds:
    description:
      - How long the swap may be tried, in seconds. Each try takes less than a second.
      - It ends the sessions of the live database, also one of a backup or of maintenance that is at work.
    type: int
    default: 60
  server_free_bytes:
    description:
      - Bytes that are free on the volume of the server, where somebody knows; it is refused when the restored database does not fit.
      - A client cannot see it. With V(0) it is a finding how much is needed. A server whose volume runs full fails the restore, and one
        whose log of changes has no room left stops; the live database is whole when it is started again.
    type: int
    default: 0
  keep_before:
    description: How many databases that were put aside may stay, at least 1. More are named in a finding.
    type: int
    default: 1
  drop_before_older_than_seconds:
    description:
      - Drop those beyond O(keep_before) that were put aside longer ago than so many seconds; V(0) drops none.
      - Only what this module has put aside, only after a swap, and none that somebody is connected to.
    type: int
    default: 0
  tables:
    description:
      - Tables of the backup, each with its schema as in V(public.requests), that are wanted beside the live ones. A partitioned table comes
        with the rows of its partitions, as one plain table.
      - They are restored into a schema C(restored_<backup>) of the live database, which nobody but its owner may use. It has their columns
        and rows, and no keys, indexes, triggers or rights. The live tables are neither read nor touched, no session is ended.
      - The rows of the whole backup are restored and compared on a server that is thrown away, as M(endpoint_stats.ops.pg_backup_verify)
        does at its level V(data), on the host the module runs on and not as root. They are copied from there in one transaction, and
        compared again.
      - A schema of that name is not touched but refused. O(state=undone) with O(side_schema) drops it.
    type: list
    elements: str
    default: []
  scratch_dir:
    description: Where that server lives, as for M(endpoint_stats.ops.pg_backup_verify); only for O(tables).
    type: path
    default: ""
  side_schema:
    description:
      - With O(state=undone), the schema that a restore of O(tables) has made; it is dropped, and nothing else is undone. To name it is the
        consent.
      - It stays where something hangs on its tables, or somebody has made something else in it.
    type: str
    default: ""
  lose_rows_written_since:
    description: Undo also when rows were written or deleted since. They stay in the database that is put aside.
    type: bool
    default: false
extends_documentation_fragment:
  - endpoint_stats.ops._attributes
  - endpoint_stats.ops._backup_directory
  - endpoint_stats.ops._progress
attributes:
  check_mode:
    support: full
    details:
      - Asks and reads everything that is asked and read before something is touched, and says what would be done.
  diff_mode:
    support: full
    details:
      - Shows which database has which name.
  idempotent:
    support: none
    details:
      - Each run puts another database in the place of the live one.
requirements:
  - psycopg >= 3.1
  - pg_restore, pg_dump and psql of the server's major version or a newer one, and of the one that made the backup
  - zstd
"""

EXAMPLES = r"""
- name: Put the newest proven backup in the place of the database
  endpoint_stats.ops.pg_restore:
    host: postgres.endpoint-stats.svc
    ca_file: /run/secrets/endpoint-stats/ca/ca.crt
    password: "{{ restore_password }}"
    directory: /var/lib/endpoint-stats/backups/endpoint_stats
  delegate_to: ops-runner-0
  register: restored

- name: See whether a certain backup could be restored, and what would be done
  endpoint_stats.ops.pg_restore:
    host: postgres.endpoint-stats.svc
    ca_file: /run/secrets/endpoint-stats/ca/ca.crt
    password: "{{ restore_password }}"
    directory: /var/lib/endpoint-stats/backups/endpoint_stats
    backup: 20261125T211700Z
  delegate_to: ops-runner-0
  check_mode: true
  diff: true

- name: Go back to the database there was before
  endpoint_stats.ops.pg_restore:
    host: postgres.endpoint-stats.svc
    ca_file: /run/secrets/endpoint-stats/ca/ca.crt
    password: "{{ restore_password }}"
    directory: /var/lib/endpoint-stats/backups/endpoint_stats
    state: undone
  delegate_to: ops-runner-0

- name: Bring rows back that somebody has deleted, next to the live table, and copy those that are missing by hand
  endpoint_stats.ops.pg_restore:
    host: postgres.endpoint-stats.svc
    ca_file: /run/secrets/endpoint-stats/ca/ca.crt
    password: "{{ restore_password }}"
    directory: /var/lib/endpoint-stats/backups/endpoint_stats
    scratch_dir: /var/lib/endpoint-stats/scratch
    tables: [public.requests]
  delegate_to: ops-runner-0
  register: beside

- name: Drop them when nobody needs them any more
  endpoint_stats.ops.pg_restore:
    host: postgres.endpoint-stats.svc
    ca_file: /run/secrets/endpoint-stats/ca/ca.crt
    password: "{{ restore_password }}"
    directory: /var/lib/endpoint-stats/backups/endpoint_stats
    state: undone
    side_schema: "{{ beside.side_schema }}"
  delegate_to: ops-runner-0
"""

RETURN = r"""
side_schema:
  description: The schema of O(tables) that was made or dropped; empty otherwise.
  returned: success
  type: str
  sample: restored_20261125t211700z
side_tables:
  description:
    - The tables of O(tables), each with its C(side_table) and C(rows). In check mode the rows are those of the manifest, which says
      none of partitioned tables.
  returned: success
  type: list
  elements: dict
  sample: [{"table": "public.endpoints", "side_table": "restored_20261125t211700z.endpoints", "rows": 20}]
backup:
  description: The backup that the database which has the name now was made from; empty after an undo that went back to one that was not.
  returned: success
  type: str
  sample: 20261125T211700Z
database:
  description: The database.
  returned: success
  type: str
  sample: endpoint_stats
kept_database:
  description: What the database that had the name is called now; empty where no database had it.
  returned: success
  type: str
  sample: endpoint_stats__before_20261125t213000z
rows:
  description: Rows of the database that has the name now, counted just before it got it.
  returned: success
  type: int
  sample: 250000
seconds:
  description: Seconds of each phase.
  returned: success
  type: dict
  sample: {"preflight": 0.1, "files": 0.1, "create": 0.2, "load": 3.1, "compare": 0.3, "analyze": 0.4, "swap": 0.1, "check": 0.1}
duration_seconds:
  description: Seconds of all of it.
  returned: success
  type: float
  sample: 4.4
swap_seconds:
  description: Seconds of the try that succeeded; nobody had to wait longer than that for the database.
  returned: success
  type: float
  sample: 0.11
tries:
  description: How often the swap was tried; 0 in check mode.
  returned: success
  type: int
  sample: 1
sessions_ended:
  description: Sessions that were ended for it.
  returned: success
  type: int
  sample: 12
differences:
  description:
    - Properties of the database itself that could not be made like those of the live one, each with C(kind), C(subject), C(expected)
      and C(found).
    - A difference between what was restored and what the backup holds is a failure, which tells it in C(failure.details.differences).
  returned: success
  type: list
  elements: dict
  sample: []
leftovers_removed:
  description: Databases that killed runs had left and that are gone now, or would be.
  returned: success
  type: list
  elements: str
  sample: []
findings:
  description:
    - What deserves a word, each with C(id), C(severity), C(subject), C(summary), C(evidence) and C(remedy).
    - The C(id) is one of C(superuser_connected), C(server_space_unknown), C(other_server), C(restored_database_reused),
      C(database_was_closed), C(database_was_gone), C(structure_across_releases), C(content_not_compared), C(large_objects_not_compared),
      C(generated_columns_differ), C(setting_not_carried_over), C(rows_put_aside), C(restore_not_recorded), C(kept_database_surplus),
      C(kept_database_not_dropped), C(kept_database_dropped), C(backup_partial) and C(side_schema_there).
  returned: success
  type: list
  elements: dict
  sample: []
diff:
  description: Which database had which name before, and has afterwards.
  returned: success
  type: dict
"""

import time
from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec
from ..module_utils._deps import validate
from ..module_utils._errors import OpsError, run_module
from ..module_utils._postgres import side_restore
from ..module_utils._postgres.beside import MAINTENANCE
from ..module_utils._postgres.connection import Server, forget_environment
from ..module_utils._postgres.exchange import Outcome, Policy, Target
from ..module_utils._postgres.opening import opened
from ..module_utils._postgres.restore import Restore
from ..module_utils._postgres.restore_order import NEWEST_PROVEN, Order
from ..module_utils._postgres.side_restore import SideRestore
from ..module_utils._postgres.undo import undone
from ..module_utils._progress import Progress
from ..module_utils._tls import Credentials

LATER = ("server_free_bytes", "manifest_key_file", "accept_unsigned", "accept_other_server")
NUMBERS = {
    "jobs": 2,
    "restore_timeout_seconds": 14400,
    "swap_timeout_seconds": 60,
    "server_free_bytes": 0,
    "keep_before": 1,
    "drop_before_older_than_seconds": 0,
}


def work(module: AnsibleModule) -> dict[str, Any]:
    options, begun = module.params, time.monotonic()
    for name, default in NUMBERS.items():
        least = min(default, 1)
        if options[name] < least:
            raise OpsError(f"{name} must be at least {least}, not {options[name]}")
    for state, name in (("restored", "side_schema"), ("undone", "tables")):
        if options["state"] == state and options[name]:
            raise OpsError(f"{name} does not go together with state={state}", remedy="See the documentation of tables and side_schema.")
    forget_environment()
    progress = Progress(options["progress_path"])
    outcome = _outcome(options, progress, check=module.check_mode)
    result = {key: value for key, value in asdict(outcome).items() if key not in ("before", "after")}
    texts = {name: "".join(f"{line}\n" for line in getattr(outcome, name)) for name in ("before", "after")}
    diff = {"before_header": options["host"], "after_header": options["host"], **texts}
    return {**result, "seconds": progress.seconds, "duration_seconds": round(time.monotonic() - begun, 3), "diff": diff}


def _outcome(options: dict[str, Any], progress: Progress, *, check: bool) -> Outcome:
    server = Server(options["host"], options["port"], MAINTENANCE, "", options["ca_file"], options["timeout_seconds"])
    target = Target(server, Credentials(options["user"], options["password"]), options["database"])
    policy = Policy(**{name: options[name] for name in ("swap_timeout_seconds", "keep_before", "drop_before_older_than_seconds")})
    limit = options["restore_timeout_seconds"]
    if options["state"] == "undone" and options["side_schema"]:
        return side_restore.undone(target, options["side_schema"], progress, timeout_seconds=limit, check=check)
    if options["state"] == "undone":
        return undone(target, policy, progress, read_seconds=limit, lose_rows=options["lose_rows_written_since"], check=check)
    repository = opened(options["directory"], options["database"])
    order = Order(options["backup"], options["require_proven"], options["jobs"], limit, *(options[name] for name in LATER))
    if options["tables"]:
        return SideRestore(target, repository, order, options["tables"], options["scratch_dir"], progress).run(check=check)
    return Restore(target, policy, repository, order, progress).run(check=check)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **{name: option for name, option in _argspec.store().items() if name != "credentials_dir"},
            **_argspec.backup_directory(),
            **_argspec.progress(),
            **{name: {"type": "int", "default": default} for name, default in NUMBERS.items()},
            "port": {"type": "int", "default": 5432},
            "user": {"type": "str", "default": "restore"},
            "password": {"type": "str", "required": True, "no_log": True},
            "state": {"type": "str", "choices": ["restored", "undone"], "default": "restored"},
            "backup": {"type": "str", "default": NEWEST_PROVEN},
            "require_proven": {"type": "bool", "default": True},
            "manifest_key_file": {"type": "path", "default": "", "no_log": False},
            "accept_unsigned": {"type": "bool", "default": False},
            "accept_other_server": {"type": "bool", "default": False},
            "tables": {"type": "list", "elements": "str", "default": []},
            "scratch_dir": {"type": "path", "default": ""},
            "side_schema": {"type": "str", "default": ""},
            "lose_rows_written_since": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    validate(module, "psycopg")
    run_module(module, lambda: work(module))


if __name__ == "__main__":
    main()
