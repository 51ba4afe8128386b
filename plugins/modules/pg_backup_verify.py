#!/usr/bin/python
# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_backup_verify
short_description: Prove a backup of PostgreSQL by restoring it on a server that is thrown away
version_added: 0.1.0
description:
  - Reads every file of a backup that M(endpoint_stats.ops.pg_backup) made, restores it on a server of its own, and compares roles, the
    content of tables, objects, materialized views and sequences with what the manifest says of the database in the dump's own snapshot.
  - The verdict is one of three. V(passed) is said only where everything the level asks for was looked at and is equal.
    V(failed) names every difference. V(could_not_verify) says nothing of the backup; something is missing where it was looked at,
    or the time was up.
  - The server has no network, no file of it lies outside of O(scratch_dir), and nothing of the task's environment reaches it. It ends with
    the module, however that ends; what a killed run leaves is recognised and removed by the next one.
  - A dump that somebody else has made is restored as well where O(path) names it. Nothing says what should be in it, so it gets a level of
    its own, V(unattested); it restores and is whole as far as can be told. That is never taken for a proof, and is on no record and in no
    metric.
  - No live server is asked or touched. The verdict is kept beside the backups, where retention and restore find it.
  - PostgreSQL refuses to run as root, so all levels but V(checksum) need another user. Code of the dump, such as functions of an
    index, runs as that user.
author: Endpoint Statistics Operations contributors (@endpoint-stats)
options:
  directory:
    description:
      - Directory of the backups of one database, on the host the module runs on. Either this or O(path) is needed.
    type: path
    required: false
  path:
    description:
      - A dump without a manifest, outside of a directory of backups. A file with plain statements of C(pg_dump) or C(pg_dumpall), also
        under gzip or zstd; an archive of the custom or tar format; or the directory of one of the directory format.
      - What it is is told by its bytes, whatever it is called. Plain statements have to go on to the line that C(pg_dump) ends with, and
        rows in a directory to their end marker. They are decompressed as they are read.
      - Its server's major version (see O(accept_newer_server)), its extensions and locale have to be there as for other backups. Roles and
        tablespaces that it names and does not make are made for it, the roles without a login, which is a finding. A dump that names no
        locale gets C(C.UTF-8), or C(C) in another encoding than UTF-8.
      - The options O(backup), O(database), O(level), O(amcheck), O(recorded_max_age_seconds) and O(metrics_path) are of O(directory). A
        dump is on no record, so all of it is read each time.
    type: path
  backup:
    description:
      - Which backup. V(newest) is the newest; V(oldest_unproven) the oldest that was never judged by a restore and, where all were, the one
        whose verdict is the oldest. Everything else is the name of a backup.
      - V(all) verifies every backup, the oldest first, and V(sample) one of each age (up to a day, a week, a month, and older than that),
        of each the one that was not judged for longest. O(timeout_seconds) is for all of them together.
    type: str
    default: newest
  level:
    description:
      - V(checksum) reads the files, and compares the objects of the dump with the manifest. It is fast and proves no restore.
      - V(data) does that too, loads every table on the scratch server, and compares rows and sequences with the manifest.
      - V(constraints) also builds all that rows can break, which is unique indexes, keys, foreign keys, exclusion constraints and indexes
        with an expression or a condition, and compares the whole structure. Other indexes are made on an empty copy of their tables.
      - V(full) makes everything, also the other indexes, and fills materialized views. It alone tells how long a restore takes.
    type: str
    choices: [checksum, data, constraints, full]
    default: full
  amcheck:
    description: Whether every table and B-tree index of the restored database is looked at by the extension amcheck, for V(full) alone.
    type: bool
    default: false
  expected_system_identifier:
    description: Identifier of the server that the backup must be of, as C(pg_control_system()) tells it; empty for any.
    type: str
    default: ""
  max_age_seconds:
    description: How old the newest backup may be, in seconds, whichever backup is verified; 0 for any age. An older one is a finding.
    type: int
    default: 0
  manifest_key_file:
    description:
      - File with the key that manifests are signed with (HMAC-SHA256), of at least 32 bytes; a line end at its end does not count.
        Empty does not check signatures.
      - It is refused where others than its owner and group may read it, or others than its owner may change it. It is never shown.
      - A manifest that was changed, or that is not signed, has failed. One of another key, or without the file, could not be verified.
    type: path
    default: ""
  globals_identity_file:
    description:
      - File with the identity of age that decrypts the roles, where they are encrypted. Code of the dump runs as the user that can read it.
      - Without it roles of their names stand in, everything else is restored and compared, and what differs has failed. Without a
        difference the verdict on V(full) is V(could_not_verify), as nobody has seen the roles; lower levels do not ask for them.
    type: path
    default: ""
  globals_passphrase_file:
    description:
      - File with the passphrase that decrypts the roles, where they are encrypted with one; refused as O(manifest_key_file) is. As for
        O(globals_identity_file), without it roles of their names stand in. Both may be given, for backups of either kind.
    type: path
    default: ""
  accept_unsigned:
    description:
      - Whether a manifest that is not signed is taken where O(manifest_key_file) is given; without it that one has failed, as who can
        forge it can also take its signature away.
      - It is for the time until the backups from before the key are gone.
    type: bool
    default: false
  accept_newer_server:
    description:
      - Whether a server of a newer release of PostgreSQL, up to 18, does where the one that the backup is of is not installed. It is for
        backups from before an upgrade. Without it such a backup could not be verified.
      - Rows, roles and sequences are compared as ever. The structure is not compared word by word, as releases write the same object
        in other words, but by kind, schema, name and owner (RV(structure=structural)), which is a finding with the names of what is
        written otherwise. What the newer release does not take is V(could_not_verify).
      - A server of the same release is preferred wherever it is.
    type: bool
    default: false
  scratch_dir:
    description:
      - Where the server lives, with room for the database. It is made where it does not exist.
      - Empty for a directory in C(/dev/shm) where the server fits into a quarter of the memory that is free, else below the system's
        temporary one. The name must leave room for that of a socket, 107 bytes in all.
    type: path
    default: ""
  scratch_max_bytes:
    description: How large the database of a backup may be, in bytes; one that is larger could not be verified. V(0) is for any size.
    type: int
    default: 0
  scratch_niceness:
    description:
      - How far the server lets others go before, from 0, where it takes its share, to 19. Where the system has C(ionice), it waits for the
        disk as well.
    type: int
    default: 10
  jobs:
    description: Tables and indexes that are restored at the same time.
    type: int
    default: 2
  timeout_seconds:
    description: How long all of it may take, in seconds; what takes longer could not be verified.
    type: int
    default: 7200
  rto_target_seconds:
    description: How long a restore may take, in seconds. It is a finding when RV(forecast_restore_seconds) is more.
    type: int
    default: 14400
  require_passed:
    description: Whether the task fails when the verdict is another one than V(passed). The result has all of its keys also then.
    type: bool
    default: true
  recorded_max_age_seconds:
    description:
      - How old a passed verdict on record may be, in seconds, to be taken for an answer (RV(cached)) when no file of the backup was touched
        since (name, size, inode, times of change). Of the backup nothing but its manifest is read then, and the verdict stays as old as it
        is. V(0) always reads everything.
      - It has to be a verdict on this very manifest, at the same O(level) or a higher one, that has met all that is asked for here, with
        O(amcheck) and the roles where their key is given. Signature, server and the key of the roles are looked at anew. A backup that
        has failed since is read, and so is everything while the records are damaged.
      - Times that are unchanged do not prove that bytes are, as a disk that loses a bit changes none. So the age has a limit.
    type: float
    default: 86400
  metrics_path:
    description: File for a Prometheus text collector; empty writes none.
    type: path
    default: ""
extends_documentation_fragment:
  - endpoint_stats.ops._attributes
  - endpoint_stats.ops._backup_directory
  - endpoint_stats.ops._progress
attributes:
  check_mode:
    support: full
    details:
      - Says which backup would be verified, and what can be told without reading its files or starting a server. It gives no verdict
        unless the backup has failed already or cannot be verified here, or a verdict on record is an answer.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - A run that has read a backup keeps its verdict. One that takes the verdict from the records (O(recorded_max_age_seconds)) changes
        nothing.
requirements:
  - psycopg >= 3.1
  - the programs of PostgreSQL, for all levels but V(checksum) with its server, of the major version that the backup is of, or newer ones
    as O(accept_newer_server) says; programs up to those of 18 read the dumps of older ones
  - zstd
"""

EXAMPLES = r"""
- name: Prove the newest backup
  endpoint_stats.ops.pg_backup_verify:
    directory: /var/lib/endpoint-stats/backups/endpoint_stats
    scratch_dir: /var/lib/endpoint-stats/scratch
    max_age_seconds: 3600
    metrics_path: /var/lib/endpoint-stats/metrics/backup_verification.prom
  delegate_to: ops-runner-0
  register: verification

- name: Restore a dump that another tool has made, to see that it restores
  endpoint_stats.ops.pg_backup_verify:
    path: /srv/dumps/backup-20261125.sql.gz
    scratch_dir: /var/lib/endpoint-stats/scratch
  delegate_to: ops-runner-0
  register: dump

- name: Look at the files of the oldest backup that nobody has proven
  endpoint_stats.ops.pg_backup_verify:
    directory: /var/lib/endpoint-stats/backups/endpoint_stats
    backup: oldest_unproven
    level: checksum
    require_passed: false
  delegate_to: ops-runner-0
  register: looked_at
"""

RETURN = r"""
outcomes:
  description:
    - Each backup that was verified, the oldest first. The other keys tell of one of them, the one that decides - the newest that failed,
      else the newest that could not be verified, else the newest. C(findings) and C(duration_seconds) are those of all.
  returned: always
  type: list
  elements: dict
  sample:
    - backup: 20261125T211700Z
      level: full
      verdict: passed
      reason: ""
      differences: []
      duration_seconds: 6.1
      restore_seconds: 4.3
      read_bytes: 18391402
      cached: false
      recorded_at: ""
backup:
  description: Name of the backup.
  returned: always
  type: str
  sample: 20261125T211700Z
backup_path:
  description: Its directory.
  returned: always
  type: str
  sample: /var/lib/endpoint-stats/backups/endpoint_stats/20261125T211700Z
level:
  description: The level at which it was looked at; V(unattested) for O(path).
  returned: always
  type: str
  sample: full
verdict:
  description: One of V(passed), V(failed) and V(could_not_verify). Empty in check mode where nothing speaks against the backup.
  returned: always
  type: str
  sample: passed
reason:
  description: Why it has not passed; empty where it has, but for RV(cached), where it says since when.
  returned: always
  type: str
  sample: ""
differences:
  description:
    - What is otherwise than the manifest says, each with C(kind), C(subject), C(expected), C(found) and C(ranges).
    - The C(ranges) are those of rows of a table among which some differ, each with C(rows) in words, C(expected_rows), C(found_rows) and
      the C(query) that shows them. They are told for C(rows) and C(content) where the backup was made with C(bucket_sums), else empty.
    - The C(kind) is one of C(manifest), C(signature), C(signature_missing), C(other_backup), C(other_database), C(other_selection),
      C(other_server),
      C(file_missing), C(file_unexpected), C(file_size), C(file_content), C(file_unreadable), C(end_marker), C(dump_unreadable),
      C(entry_missing), C(entry_unexpected), C(entry_changed), C(dump_empty), C(dump_cut), C(roles), C(role_missing), C(restore),
      C(table_missing), C(table_unexpected), C(rows), C(content), C(view_not_populated),
      C(index_corrupt), C(table_corrupt) and C(sequence).
  returned: always
  type: list
  elements: dict
  sample:
    - kind: rows
      subject: public.requests
      expected: 250000 rows
      found: 249999 rows
      ranges:
        - rows: id 117188 to 118164
          expected_rows: 977
          found_rows: 976
          query: SELECT * FROM ONLY "public"."requests" AS r WHERE r."id" >= 117188 AND r."id" < 118165 ORDER BY r."id"
checked:
  description:
    - How many of each were looked at. C(indexes_parsed) are those that level V(constraints) has made on an empty copy of their tables
      alone, C(relations_examined) the tables and indexes that O(amcheck) has seen.
  returned: always
  type: dict
  sample: {"files": 9, "bytes": 18350211, "entries": 34, "tables": 5, "rows": 250000, "views": 1, "sequences": 2, "indexes_parsed": 0,
    "relations_examined": 0}
seconds:
  description: Seconds of each phase.
  returned: always
  type: dict
  sample: {"manifest": 0.1, "files": 0.1, "contents": 0.1,
    "server": 1.1, "roles": 0.1, "restore": 3.1, "indexes": 1.1, "rows": 0.1, "structure": 0.3}
duration_seconds:
  description: From the choice of the backup to the verdict.
  returned: always
  type: float
  sample: 6.1
restore_seconds:
  description: How long restoring roles and database took on the scratch server; null at other levels than V(full).
  returned: always
  type: float
  sample: 4.3
age_seconds:
  description: Age of the newest backup, from the moment it shows; of the dump of O(path), from where RV(age_from) says.
  returned: always
  type: float
  sample: 1260.5
age_from:
  description:
    - V(manifest), or for O(path) what there is in its place and nobody vouches for, C(dump_header) of an archive, else a time in its
      C(name), in UTC, else when it was C(modified).
  returned: always
  type: str
  sample: manifest
fresh:
  description: Whether that is no more than O(max_age_seconds).
  returned: always
  type: bool
  sample: true
tables:
  description: The rows of each table of the dump of O(path), compared with nothing. Empty for backups, whose manifests are compared.
  returned: always
  type: list
  elements: dict
  sample: [{"database": "endpoint_stats", "table": "public.endpoints", "rows": 20}]
scratch_version:
  description: Release of the server that it was restored on; empty where it was not.
  returned: always
  type: str
  sample: "15.20"
structure:
  description:
    - How the structure was compared. V(exact) is word by word, V(structural) by kind, schema, name and owner, as releases of PostgreSQL
      write the same object in other words; empty where it was not.
  returned: always
  type: str
  sample: exact
read_bytes:
  description: Bytes of the files of the backup that were read, each counted once; of a cached verdict those of its manifest.
  returned: always
  type: int
  sample: 18391402
cached:
  description: Whether the verdict was taken from the records, as O(recorded_max_age_seconds) allows, and no byte of the dump was read.
  returned: always
  type: bool
  sample: false
forecast_restore_seconds:
  description:
    - How long a real restore will take. By real ones (RV(forecast_basis=restores)), the measured seconds times what the newest restores of
      verified backups have taken in all beside them; a lower bound where there are none (RV(forecast_basis=scratch)).
    - Null where the backup was not restored at V(full).
  returned: always
  type: float
  sample: 9.2
forecast_basis:
  description: What it rests on, V(restores) or V(scratch); empty where there is no forecast.
  returned: always
  type: str
  sample: restores
recorded_at:
  description: When the verdict was given that was taken from the records; empty where the backup was looked at.
  returned: always
  type: str
  sample: ""
findings:
  description:
    - What deserves a word, each with C(id), C(severity), C(subject), C(summary), C(evidence) and C(remedy).
    - The C(id) is one of C(backup_failed_verification), C(backup_not_verified), C(backup_too_old), C(restore_too_slow),
      C(sequence_behind_column), C(sequence_set_back), C(generated_columns_differ), C(verification_not_recorded),
      C(verification_metrics_not_written), C(signature_not_checked), C(manifest_unsigned), C(roles_not_verified), C(verification_cached),
      C(backup_partial), C(structure_across_releases) and C(records_damaged), of dumps also C(backup_unattested), C(dump_without_roles) and
      C(dump_without_rows).
  returned: always
  type: list
  elements: dict
  sample: []
records:
  description:
    - The chain of what happened to the backups, with C(length) and C(sha256) of its head, and whether it is C(intact).
    - Kept where nobody who writes to O(directory) reaches it, the head shows later whether records were taken away or computed anew.
    - Empty for O(path).
  returned: always
  type: dict
  sample: {"length": 61, "sha256": "0c9d3b8f7a5e4d2c1b0a9f8e7d6c5b4a3f2e1d0c9b8a7f6e5d4c3b2a1f0e9d8c", "intact": true}
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _argspec
from ..module_utils._deps import validate
from ..module_utils._errors import OpsError, fail, run_module
from ..module_utils._postgres.foreign_verify import verify_path
from ..module_utils._postgres.opening import opened
from ..module_utils._postgres.verdict import FAILED, LEVELS, UNKNOWN, Asked
from ..module_utils._postgres.verified import Order, Outcome
from ..module_utils._postgres.verify import NEWEST
from ..module_utils._postgres.verify_several import verify_wanted
from ..module_utils._progress import Progress

TEXTS = {
    "expected_system_identifier": {"type": "str", "default": ""},
    "scratch_dir": {"type": "path", "default": ""},
    "manifest_key_file": {"type": "path", "default": "", "no_log": False},
    "globals_identity_file": {"type": "path", "default": ""},
    "globals_passphrase_file": {"type": "path", "default": "", "no_log": False},
}
NUMBERS = {
    "scratch_max_bytes": 0,
    "scratch_niceness": 10,
    "max_age_seconds": 0,
    "jobs": 2,
    "timeout_seconds": 7200,
    "rto_target_seconds": 14400,
}
ASKED = ("jobs", "timeout_seconds", "accept_unsigned", "accept_newer_server", "amcheck", "scratch_max_bytes", "scratch_niceness")


def work(module: AnsibleModule) -> dict[str, Any]:
    options = module.params
    asked = Asked(**{name: options[name] for name in ("level", "database", *TEXTS, *ASKED)})
    names = ("backup", "max_age_seconds", "rto_target_seconds", "metrics_path", "recorded_max_age_seconds")
    order = Order(**{name: options[name] for name in names}, asked=asked)
    outcome = _outcome(options, order, Progress(options["progress_path"]), check=module.check_mode)
    result = outcome.to_result()
    if options["require_passed"] and outcome.verdict in (FAILED, UNKNOWN):
        remedy = "See findings for what to do, and differences for everything that was found."
        error = OpsError(f"The backup {outcome.backup} {outcome.verdict}", where=outcome.backup_path, cause=outcome.reason, remedy=remedy)
        fail(module, error, **result)
    return result


def _outcome(options: dict[str, Any], order: Order, progress: Progress, *, check: bool) -> Outcome:
    if options["path"]:
        return verify_path(Path(options["path"]), order, progress, check=check)
    return verify_wanted(opened(options["directory"], options["database"]), order, options["progress_path"], check=check)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_argspec.backup_directory(),
            "directory": {"type": "path"},
            "path": {"type": "path"},
            **_argspec.progress(),
            **TEXTS,
            **{name: {"type": "int", "default": default} for name, default in NUMBERS.items()},
            "backup": {"type": "str", "default": NEWEST},
            "level": {"type": "str", "choices": list(LEVELS), "default": LEVELS[-1]},
            "require_passed": {"type": "bool", "default": True},
            "amcheck": {"type": "bool", "default": False},
            "recorded_max_age_seconds": {"type": "float", "default": 86400},
            "accept_unsigned": {"type": "bool", "default": False},
            "accept_newer_server": {"type": "bool", "default": False},
            "metrics_path": {"type": "path", "default": ""},
        },
        required_one_of=[("directory", "path")],
        mutually_exclusive=[("directory", "path")],
        supports_check_mode=True,
    )
    validate(module, "psycopg")
    run_module(module, lambda: work(module))


if __name__ == "__main__":
    main()
