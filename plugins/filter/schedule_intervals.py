# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: schedule_intervals
short_description: How long it is from one run of a schedule to the next
version_added: 0.1.0
author:
  - Endpoint Statistics Operations contributors (@endpoint-stats)
description:
  - Tells the shortest and the longest time between two runs of a CronJob, as its controller reads the schedule.
  - A schedule that Kubernetes would not take, or that never comes, is an error that names it. So is C(@every), which Kubernetes does not
    document.
  - Where the clock is changed, a run in the hour that is left out does not come, and one in the hour that comes twice comes twice.
  - Counted from today, over the first thousand days on which it comes, and at most 28 years.
positional: _input, time_zone
options:
  _input:
    description: The schedule as cron writes it, of five fields, or a word such as V(@daily).
    type: str
    required: true
  time_zone:
    description: The time zone it is read in, by a name such as V(Europe/Berlin).
    type: str
    default: Etc/UTC
requirements:
  - cronsim >= 2.6
"""

EXAMPLES = r"""
- name: Say how much work is lost at worst
  ansible.builtin.debug:
    msg: "{{ ('17,47 * * * *' | endpoint_stats.ops.schedule_intervals).longest_seconds }} seconds"

- name: Refuse a deadline that is longer than the shortest night of the year lets a run take
  ansible.builtin.assert:
    that: 7200 < ('0 4 * * *' | endpoint_stats.ops.schedule_intervals('Europe/Berlin')).shortest_seconds
"""

RETURN = r"""
_value:
  description: The C(shortest_seconds) and the C(longest_seconds) from one run to the next.
  type: dict
  sample: {shortest_seconds: 82800, longest_seconds: 90000}
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils._errors import OpsError
from ..module_utils._kubernetes.cron import intervals


def schedule_intervals(schedule: Any, time_zone: str = "Etc/UTC") -> dict[str, int]:
    if not isinstance(schedule, str):
        raise AnsibleFilterError(f"schedule_intervals: a schedule is a text such as '17,47 * * * *', not {type(schedule).__name__}.")
    try:
        return asdict(intervals(schedule, time_zone))
    except OpsError as error:
        raise AnsibleFilterError(f"schedule_intervals: {error}") from error


class FilterModule:
    """Offers the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"schedule_intervals": schedule_intervals}
