# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks of operations where there is no Kubernetes: any machine that reaches the databases is the host of the group ops."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.app import servers
from tests.integration.postgres.support import DATABASE, Place, as_account, credentials
from tools.app import python
from tools.venv import ROOT

CLUSTER = "example"
SUBJECT = f"{CLUSTER}/endpoint-stats/{DATABASE}"
_SECONDS = 300


@dataclass(frozen=True)
class Run:
    """What a playbook printed and handed on."""

    status: int
    output: str

    def expect(self) -> Run:
        assert self.status == 0, self.output
        return self

    @property
    def said(self) -> str:
        """The output as one line of words."""
        return " ".join(re.sub(r"[\\\"]n?", " ", self.output).split())

    @property
    def told(self) -> dict[str, Any]:
        """The last line, as a CronJob's log has it."""
        found: dict[str, Any] = json.loads(self.output.rstrip().splitlines()[-1])
        return found

    def report(self, operation: str) -> tuple[dict[str, Any], str]:
        """The report in both forms."""
        forms = {Path(path).suffix: Path(path).read_text() for path in self.told[operation]["paths"]}
        return json.loads(forms[".json"]), forms[".html"]


@dataclass(frozen=True)
class Site:
    """An inventory for a server of the tests, and the directories of its operations."""

    place: Place
    directory: Path

    @property
    def backups(self) -> Path:
        return self.directory / "backups"

    def variables(self) -> dict[str, Any]:
        store = {"host": "127.0.0.1", "credentials_dir": str(self.place.directory), "ca_file": str(self.place.directory / "tls.crt")}
        return {
            "endpoint_stats_cluster": CLUSTER,
            "endpoint_stats_postgresql": {**store, "port": self.place.postgresql.port, "database": DATABASE},
            "endpoint_stats_redis": {**store, "port": self.place.stack.redis.port},
            "endpoint_stats_backups_dir": str(self.backups),
            "endpoint_stats_metrics_dir": str(self.directory / "metrics"),
            "endpoint_stats_reports_dir": str(self.directory / "reports"),
            "ansible_connection": "local",
        }

    def command(self, playbook: str, *arguments: str, variables: Mapping[str, Any] | None = None) -> tuple[list[str], dict[str, Any]]:
        """A playbook as the user that the modules have in the cluster, and how its process is started."""
        ops = {"hosts": {"data": {"ansible_python_interpreter": str(python())}}}
        local = {"localhost": {"ansible_python_interpreter": sys.executable}}
        inventory = {"all": {"hosts": local, "children": {"ops": ops}, "vars": self.variables()}}
        self.directory.joinpath("inventory.yml").write_text(json.dumps(inventory))
        options = ["--inventory", str(self.directory / "inventory.yml"), "--extra-vars", json.dumps(dict(variables or {}))]
        ansible = str(Path(sys.executable).parent / "ansible-playbook")
        argv = [*as_account(), ansible, *options, *arguments, f"endpoint_stats.ops.{playbook}"]
        return argv, {"cwd": self.directory, "env": self.environment()}

    def play(self, playbook: str, *arguments: str, variables: Mapping[str, Any] | None = None) -> Run:
        """Run a playbook and collect what it prints."""
        argv, options = self.command(playbook, *arguments, variables=variables)
        done = subprocess.run(argv, **options, capture_output=True, text=True, timeout=_SECONDS, check=False)
        output = done.stdout + done.stderr * (not done.stdout)
        assert servers.PLANTED not in output
        return Run(done.returncode, output)

    def environment(self) -> dict[str, str]:
        known = {name: os.environ[name] for name in ("ANSIBLE_COLLECTIONS_PATH", "PYTHONDONTWRITEBYTECODE", "LC_ALL") if name in os.environ}
        return {
            "LC_ALL": "C.UTF-8",
            **known,
            "PATH": os.pathsep.join([str(servers.BINARIES), "/usr/bin", "/bin"]),
            "HOME": str(self.place.directory / "home"),
            "ANSIBLE_CALLBACKS_ENABLED": "endpoint_stats.ops.result_line",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
        }


def redis_user(place: Place, name: str) -> None:
    """A user of Redis exactly as the stack has it, and its credentials."""
    acl = (ROOT / "roles" / "app_stack" / "templates" / "users.acl.j2").read_text()
    (line,) = re.findall(rf"^user {name} .*$", acl, re.M)
    rules, replaced = re.subn(r"\{\{.*?\}\}", hashlib.sha256(servers.PASSWORD.encode()).hexdigest(), line)
    assert replaced == 1
    assert place.stack.redis.ask("ACL", "SETUSER", *rules.split()[1:]) == "OK"
    credentials(place.directory / name, name)
