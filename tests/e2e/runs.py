# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a playbook reported: its recap, each thing it changed, and why it was refused."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Change:
    """One thing that a run changed, or would change: the host, its name, and what the diff says of it."""

    host: str
    thing: str
    diff: str


@dataclass(frozen=True)
class Run:
    """What came of a playbook."""

    status: int
    seconds: float
    output: str

    @cached_property
    def document(self) -> dict[str, Any]:
        """Everything the run reported, by play, task and host."""
        found: dict[str, Any] = json.loads(self.output[self.output.index("{\n") :])
        return found

    @property
    def changed(self) -> int:
        """The sum of `changed` in the recap."""
        return sum(int(counts["changed"]) for counts in self.document["stats"].values())

    @cached_property
    def results(self) -> list[tuple[str, dict[str, Any]]]:
        """Host and result of every task, items of a loop one by one."""
        tasks = [task for play in self.document["plays"] for task in play["tasks"]]
        whole = [(host, result) for task in tasks for host, result in task["hosts"].items()]
        return [(host, item) for host, result in whole for item in result.get("results") or [result] if isinstance(item, dict)]

    @property
    def changes(self) -> list[Change]:
        """Each changed thing by its path or name."""
        return [change for host, result in self.results if result.get("changed") for change in _changes(host, result)]

    @property
    def refusal(self) -> str:
        """The messages of all tasks that failed, and of hosts that did not answer."""
        lost = [result for _host, result in self.results if result.get("failed") or result.get("unreachable")]
        return "\n".join(f"{_item(result)} {result.get('msg') or result.get('censored', '')}".strip() for result in lost)

    @property
    def report(self) -> dict[str, Any]:
        """What the playbook handed on."""
        return dict(self.document["global_custom_stats"]["kubernetes_cluster"])

    def findings(self, identity: str) -> list[dict[str, Any]]:
        """The findings of one kind."""
        return [finding for finding in self.report["findings"] if finding["id"] == identity]

    def expect(self, *, changed: int | None = None) -> Run:
        """This run, when it succeeded and changed as much as it should."""
        assert self.status == 0, self.refusal or self.output[-3000:]
        assert changed in (None, self.changed), f"changed={self.changed}: {self.changes}"
        return self


def _item(result: dict[str, Any]) -> str:
    """What a loop was at, as its user sees it beside the message."""
    item = result.get("item", "")
    return str(item.get("name", "") if isinstance(item, dict) else item)


def _changes(host: str, result: dict[str, Any]) -> Iterable[Change]:
    objects = result.get("result", {})
    if isinstance(objects, dict) and ("kind" in objects or "results" in objects):
        for entry in objects.get("results", [result]):
            if entry.get("changed"):
                found = entry["result"]
                yield Change(host, f"{found['kind']}/{found['metadata']['name']}", json.dumps(entry.get("diff")))
        return
    diffs = result.get("diff") or {}
    entries = [entry for entry in (diffs if isinstance(diffs, list) else [diffs]) if entry.get("before") != entry.get("after")]
    names = [result.get(key) for key in ("name", "path", "dest", "cmd", "censored")]
    name = next(filter(None, [*names, _item(result)]), "")
    for entry in entries or [{}]:
        header = entry.get("before_header") or entry.get("after_header") or name
        yield Change(host, str(header), f"{entry.get('before', '')}\n{entry.get('after', '')}")
