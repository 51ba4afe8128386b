# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Twin of C(_argspec.retention)."""

    DOCUMENTATION = r"""
options:
  retention:
    description:
      - Which backups, or copies of them, stay after a new one was made. One stays when any of the rules wants it, and a rule that is not
        given wants none. The default is grandfather-father-son for a backup each half hour.
      - The newest stays always, and so does the newest that a restore has proven, one that is pinned (M(endpoint_stats.ops.pg_backup_pin))
        and one that somebody reads. Nothing is deleted when the new one failed, or while the records of the backups are damaged.
      - One that failed its verification fills no place. It goes when it would go if it were good.
      - Of a day, week or month the newest proven one is kept, or the newest where none is proven. Times are the names of the backups, in
        UTC; the clock of the host is not asked.
    type: dict
    default: {last: 48, daily: 10, weekly: 8, monthly: 12}
    suboptions:
      last:
        description: How many of the newest.
        type: int
        default: 0
      within_seconds:
        description: All that are at most so many seconds older than the newest.
        type: int
        default: 0
      daily:
        description: One of each of so many days that have any.
        type: int
        default: 0
      weekly:
        description: One of each of so many weeks (ISO 8601) that have any.
        type: int
        default: 0
      monthly:
        description: One of each of so many months that have any.
        type: int
        default: 0
"""
