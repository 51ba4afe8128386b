# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be so after any fault: said in words that help, nothing lost or half there, nothing alive, and the next run makes it good."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.repository import Repository

from tests.integration.modules import Outcome, Running
from tests.integration.postgres import killed, support
from tests.integration.postgres.scene import Scene
from tests.integration.postgres.support import DATABASE, Place

# What a machine that does other things as well needs beside the limits that a test gives.
SECONDS = 45


def explained(outcome: Outcome, *words: str) -> None:
    """A failure that names the object, the cause and the next step."""
    assert outcome.failed, outcome.output
    assert "Traceback" not in outcome.output
    failure = outcome.result["failure"]
    # A file may be named by the summary.
    assert failure["where"] or " /" in f" {failure['summary']}", failure
    assert all(failure[part] for part in ("summary", "cause", "remedy")), failure
    for word in words:
        assert word in outcome.message, outcome.message


def ended(running: Running) -> Outcome:
    """It ends by itself, and in time."""
    begun = time.monotonic()
    outcome = running.outcome()
    assert time.monotonic() - begun < SECONDS
    return outcome


@dataclass(frozen=True)
class Before:
    """Backups and the live database as they are before a fault."""

    place: Place
    directory: Path
    content: Mapping[str, str]
    trees: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def repository(self) -> Repository:
        return Repository(self.directory, DATABASE)

    def same(self) -> None:
        """No backup is lost, another one or half there; the records are whole, and the live database is as it was."""
        found = killed.whole(self.repository)
        assert found == sorted(self.trees)
        assert {name: support.tree(self.directory / name) for name in found} == self.trees
        assert self.repository.records().problems == ()
        assert self.place.content() == self.content

    def nobody(self, role: str, *rooms: Path) -> None:
        self.place.await_nobody(role, self.directory, *rooms)

    def made_good(self) -> None:
        """The next run makes a backup, and nothing is left of the one before."""
        result = self.place.good(self.place.backup(self.directory)).result
        assert result["backup"] == killed.whole(self.repository)[-1]
        assert self.repository.leftovers() == []
        assert sorted(path.name for path in self.directory.rglob(".*.????????")) == []
        assert self.repository.records().problems == ()


def before(place: Place, directory: Path) -> Before:
    names = Repository(directory, DATABASE).backups()
    return Before(place, directory, place.content(), {name: support.tree(directory / name) for name in names})


@dataclass(frozen=True)
class Lost:
    """A live database that has lost rows, and the backup that has them."""

    scene: Scene
    content: Mapping[str, str]
    tree: Mapping[str, str]

    def same(self) -> None:
        """The live database is what it was, open, and so is the backup."""
        assert self.scene.seen() == self.content
        with self.scene.client("api") as client:
            assert client.poll() is None
        assert support.tree(self.scene.repository / self.scene.backup) == self.tree

    def restored(self) -> None:
        """The next restore does it."""
        outcome = self.scene.place.good(self.scene.run())
        kept = outcome.result["kept_database"]
        assert (self.scene.seen(), self.scene.seen(kept)) == (self.scene.content, self.content)
        assert killed.beside(self.scene) == [kept]


def lost(scene: Scene) -> Lost:
    return Lost(scene, scene.lose(), support.tree(scene.repository / scene.backup))
