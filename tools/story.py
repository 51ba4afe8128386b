# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's loss: rows go into the stack, a backup is made and proven, data is destroyed, and it comes back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from tools.venv import ROOT

DATABASE = "endpoint_stats"
NAMESPACE = "endpoint-stats"
_ANSWER_SECONDS = 30


class Stage(Protocol):
    """What the story needs of the demo."""

    name: str
    lab: Path

    def playbooks(self, *names: str, variables: Mapping[str, Any] | None = None) -> int: ...
    def kubectl(self) -> Path: ...
    def url(self) -> str: ...


class Story:
    """Each step gives its exit status, and notes in a few words what was seen."""

    def __init__(self, stage: Stage, stream: str) -> None:
        self.stage = stage
        self.stream = stream
        self.reports = stage.lab / "reports"
        self.notes: dict[str, str] = {}
        self.state = self.reports / "canary.json"
        self.before_backup = self.reports / "canary-before-backup.json"

    def rows(self) -> int:
        """Post rows through the way in, and read every numbered one back."""
        self.state.unlink(missing_ok=True)
        status, loaded = self._load(5, canary=True)
        checked, judged = self._check(self.state)
        self.notes["rows in and out"] = f"{loaded.get('succeeded')} of {loaded.get('sent')} calls, {_counted(judged)}"
        return status or checked

    def backup(self) -> int:
        shutil.copy(self.state, self.before_backup)
        status = self.stage.playbooks("backup")
        if not status:
            facts = self._facts("backup")
            self.notes["backup"] = f"{facts['Rows']} rows of {facts['Tables']} tables, {facts['Size'] / 1000:.0f} kB"
        return status

    def verification(self) -> int:
        status = self.stage.playbooks("verify_backups")
        if not status:
            self.notes["verification"] = f"passed, restored in {self._facts('backup_verification')['Restored in']:.1f} s"
        return status

    def loss(self) -> int:
        """More rows than the backup has, and then the damage, which has to be seen."""
        status, _loaded = self._load(3, canary=True)
        month = datetime.now(UTC)
        partition = f"requests_y{month:%Y}m{month:%m}"
        status = status or self._sql("DELETE FROM requests WHERE status >= 400", f"DROP TABLE {partition}")
        checked, judged = self._check(self.before_backup)
        self.notes["rows and a table lost"] = f"{partition} dropped, {_counted(judged)}"
        return status or int(checked != 1)

    def restore(self) -> int:
        return self._swap("restore") or self._whole("restore")

    def undo(self) -> int:
        """The damaged database is there again, as it was."""
        status = self._swap("restore_undo")
        checked, judged = self._check(self.before_backup)
        self.notes["undo"] = f"the damage is back: {_counted(judged)}"
        return status or int(checked != 1)

    def redo(self) -> int:
        return self._swap("restore_undo") or self._whole("redo")

    def maintenance(self) -> int:
        """Something left over, and the latency of the API before, while and after it is cleaned away."""
        status = self._sql("CREATE TABLE IF NOT EXISTS temp_stats AS SELECT * FROM requests", "ALTER TABLE temp_stats OWNER TO owner")
        before = self._load(4)
        with self._loading() as during:
            status = status or self.stage.playbooks("maintenance")
        after = self._load(4)
        loads = (before[1], during, after[1])
        shown = [
            f"{(loaded.get('latency_ms') or {}).get('p95')} ms {when}"
            for loaded, when in zip(loads, ("before", "while", "after"), strict=True)
        ]
        self.notes["maintenance under load"] = f"p95 {', '.join(shown)}; {during.get('no_answer')} calls without answer"
        return status or before[0] or after[0]

    def _swap(self, playbook: str) -> int:
        return self.stage.playbooks(playbook, variables={"confirm": f"{self.stage.name}/{NAMESPACE}/{DATABASE}"})

    def _whole(self, step: str) -> int:
        """Every row that was acknowledged before the backup is there, and none that nobody sent."""
        checked, judged = self._check(self.before_backup)
        with urllib.request.urlopen(f"{self.stage.url()}/api/canary/{self.stream}", timeout=_ANSWER_SECONDS) as answer:  # noqa: S310 - our own
            stored = json.load(answer)
        sent = json.loads(self.state.read_text())["acknowledged"]
        invented = stored["duplicates"] + max(0, (stored["maximum"] or 0) - sent)
        self.notes[step] = f"{_counted(judged)}, {invented} invented"
        return checked or int(invented > 0)

    def _check(self, state: Path) -> tuple[int, dict[str, Any]]:
        command = ["canary", "check", "--url", self.stage.url(), "--stream", self.stream, "--state-file", str(state)]
        return _ended(subprocess.Popen(**self._application(command)))

    def _load(self, seconds: float, *, canary: bool = False) -> tuple[int, dict[str, Any]]:
        return _ended(subprocess.Popen(**self._application(self._load_command(seconds, canary=canary))))

    @contextmanager
    def _loading(self) -> Iterator[dict[str, Any]]:
        """Load as long as the context is not left; what came of it is filled in then."""
        loaded: dict[str, Any] = {}
        process = subprocess.Popen(**self._application(self._load_command(600)))
        try:
            yield loaded
        finally:
            process.terminate()
            loaded.update(_ended(process)[1])

    def _load_command(self, seconds: float, *, canary: bool = False) -> list[str]:
        stream = ["--canary-stream", self.stream, "--state-file", str(self.state)] if canary else []
        return ["load", "--url", self.stage.url(), *stream, "--rate", "20", "--duration-seconds", str(seconds)]

    def _application(self, command: list[str]) -> dict[str, Any]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "app" / "src")}
        return {"args": [sys.executable, "-m", "endpoint_stats", *command], "env": environment, "stdout": subprocess.PIPE, "text": True}

    def _sql(self, *statements: str) -> int:
        """As the superuser, beside everything that protects the data."""
        psql = ["psql", "--username=admin", f"--dbname={DATABASE}", "--quiet", "--set=ON_ERROR_STOP=1"]
        psql += [f"--command={statement}" for statement in statements]
        print("\n".join(statements), flush=True)
        return self._kubectl("exec", "postgres-0", "--", *psql)

    def _kubectl(self, *arguments: str) -> int:
        command = [str(self.stage.kubectl()), f"--namespace={NAMESPACE}", *arguments]
        return subprocess.run(command, env={**os.environ, "KUBECONFIG": str(self.stage.lab / "kubeconfig")}, check=False).returncode

    def _facts(self, operation: str) -> dict[str, Any]:
        """What the newest report of an operation shows."""
        newest = max((self.reports / operation).glob("*.json"))
        return {fact["label"]: fact["value"] for step in json.loads(newest.read_text())["steps"] for fact in step["facts"]}


def _counted(judged: Mapping[str, Any]) -> str:
    return f"{judged.get('stored')} of {judged.get('acknowledged')} canary rows"


def _ended(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any]]:
    """The exit status of a program of the application, and the line of JSON it ends with."""
    output = process.communicate()[0]
    print(output, end="", flush=True)
    lines = [line for line in output.splitlines() if line.startswith("{")]
    return process.returncode, json.loads(lines[-1]) if lines else {}
