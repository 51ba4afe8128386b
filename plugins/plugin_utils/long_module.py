# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules that take long: their work outlives a broken connection, and says how far it is.

The module is built and its answer is read as of any other; only the command in between runs detached. It always comes by the
connection's standard input, so that no option of it is ever in a file or a command line.
"""

from __future__ import annotations

from typing import Any

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..module_utils._errors import OpsError
from ._job import Job


class LongModule(ActionBase):  # type: ignore[misc]
    """Base of the actions; a module has its own by the same name."""

    _supports_async = True  # to refuse it in our own words

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._job: Job | None = None
        self._builds = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        name = self._task.action.rpartition(".")[2]
        if self._task.async_val:
            raise AnsibleActionFail(f"{name} runs detached by itself. Take async and poll away; timeout bounds how long it may take.")
        module_args = dict(self._task.args)
        if self._is_pipelining_enabled("new"):
            self._job = self._made(name, module_args.get("progress_path") or "")
            module_args["progress_path"] = self._job.progress
        try:
            result.update(self._execute_module(module_args=module_args, task_vars=task_vars))
        except OpsError as error:
            raise AnsibleActionFail(str(error), result={"failure": error.to_failure()}) from error
        return result

    def _made(self, name: str, progress: str) -> Job:
        return Job(
            name=name,
            host=str(self._task.delegate_to or self._get_remote_addr({})),
            remote_tmp=self.get_shell_option("remote_tmp", default="~/.ansible/tmp"),
            send=lambda _text: {},
            say=lambda text: None if self._task.no_log else self._display.display(text),
            progress=progress,
        )

    def _is_pipelining_enabled(self, module_style: str, wrap_async: bool = False) -> bool:
        """Wherever the connection can, also where its option is off."""
        connection = self._connection
        possible = connection.has_pipelining and (not connection.become or connection.become.pipelining)
        return bool(module_style == "new" and possible and not wrap_async and not constants.DEFAULT_KEEP_REMOTE_FILES)

    def _configure_module(self, *arguments: Any, **named: Any) -> Any:
        """Ansible looks for an interpreter here, with a program on standard input as well."""
        self._builds = True
        try:
            return super()._configure_module(*arguments, **named)
        finally:
            self._builds = False

    def _low_level_execute_command(self, cmd: str, *arguments: Any, in_data: Any = None, **named: Any) -> Any:
        execute = super()._low_level_execute_command
        if self._job is None or self._builds or in_data is None:
            return execute(cmd, *arguments, in_data=in_data, **named)
        self._job.send = lambda text: execute(cmd, *arguments, in_data=text.encode(), **named)
        return self._job.run(in_data if isinstance(in_data, bytes) else in_data.encode())
