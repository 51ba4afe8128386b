# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: result_line
type: aggregate
short_description: Ends the output of a run with one line of JSON
version_added: 0.1.0
author:
  - Endpoint Statistics Operations contributors (@endpoint-stats)
description:
  - The last line of a run is one JSON object with C(result), V(ok) or V(failed), what C(set_stats) handed on, and the first
    failure, if there was one, with its play, task, host and message.
  - For runs that nobody watches, as in a CronJob. Where the log's end is the container's termination message, it says how the run ended.
requirements:
  - Enabled by name, as in C(ANSIBLE_CALLBACKS_ENABLED=endpoint_stats.ops.result_line).
"""

import json
from typing import Any

from ansible.plugins.callback import CallbackBase

_LONGEST_MESSAGE_CHARACTERS = 2000


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Remembers the failure that ended the run."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "endpoint_stats.ops.result_line"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._play = ""
        self._failures: list[dict[str, str]] = []

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._play = play.get_name()

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            self._remember(result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._remember(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        summaries = [stats.summarize(host) for host in stats.processed]
        failed = any(summary["failures"] or summary["unreachable"] for summary in summaries)
        line: dict[str, Any] = {"result": "failed" if failed or not summaries else "ok", **stats.custom.get("_run", {})}
        if failed and self._failures:
            # What was rescued came earlier.
            line["failure"] = self._failures[-1]
        self._display.display(json.dumps(line, sort_keys=True, default=str))

    def _remember(self, result: Any) -> None:
        said = result._result
        message = str(said.get("msg") or said.get("censored") or "")
        self._failures.append(
            {
                "play": self._play,
                "task": result._task.get_name(),
                "host": result._host.get_name(),
                "message": message[:_LONGEST_MESSAGE_CHARACTERS],
            }
        )
