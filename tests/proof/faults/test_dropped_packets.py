# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets between an operation and its server are dropped: neither end is told, and what was sent is acknowledged by nobody."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.repository import Repository

from tests.integration.app import servers
from tests.integration.modules import Outcome, Running
from tests.integration.offsite.s3 import S3
from tests.integration.postgres import gate, killed, support
from tests.integration.postgres.elsewhere import Elsewhere, ids
from tests.integration.postgres.namespace import Namespace, namespace
from tests.integration.postgres.scene import Scene
from tests.integration.postgres.support import DATABASE, Place
from tests.proof.faults import aftermath
from tests.proof.faults.conftest import filled
from tests.proof.faults.test_cut_offsite import COPY, FETCH, OPTIONS, begun, fetched, fetching

# Each end of a session gives the other up after a minute, with none of the limits that other tests set; the rest is for a busy machine.
_SECONDS = 100
_BYTES = 400_000


@pytest.fixture(scope="session")
def apart() -> Iterator[Namespace]:
    with namespace() as made:
        yield made


@pytest.fixture(scope="session")
def place(apart: Namespace) -> Iterator[Place]:
    """Its server has a network of its own; the superuser of the tests comes by the socket as ever."""
    with support.place(apart.there, apart.enter(support.ACCOUNT)) as made:
        yield filled(made)


@pytest.fixture(scope="session")
def made_backup(place: Place) -> Iterator[Path]:
    with place.room() as directory:
        place.good(place.backup(directory / "backups"))
        yield directory / "backups"


@pytest.fixture(scope="module")
def service(apart: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    servers.install(("rclone",))
    server = S3(tmp_path_factory.mktemp("s3"), apart.there, apart.enter())
    server.start()
    yield server
    server.end()


@pytest.fixture(autouse=True)
def mended(apart: Namespace) -> Iterator[None]:
    yield
    apart.mend()


def cut_off(running: Running, apart: Namespace, stopped: gate.Gate, after: int = 0) -> Outcome:
    """What becomes of an operation when it has come to the gate; it ends in time."""
    stopped.wait()
    apart.cut(after)
    since = time.monotonic()
    stopped.open(9)
    outcome = running.outcome()
    assert time.monotonic() - since < _SECONDS
    assert apart.dropped() > 0
    return outcome


def left_alone(scene: Scene) -> None:
    """The server has given up by itself as well, while nothing comes through: no session is left, and nobody has to wait."""
    servers.wait_until(lambda: scene.sql(_SESSIONS, "postgres") == "0", "end of the sessions", _SECONDS)


_SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE usename IN ('backup', 'restore')"


@pytest.mark.parametrize("after", [0, _BYTES], ids=["at once", "in the middle of rows"])
def test_pg_backup_in_the_dump(place: Place, backups: Path, room: Path, apart: Namespace, after: int) -> None:
    known = aftermath.before(place, backups)
    with gate.of_phase(room, "dump", module="pg_backup") as stopped:
        outcome = cut_off(place.start("pg_backup", place.backup_options(backups), code=stopped.code), apart, stopped, after)
    aftermath.explained(outcome, DATABASE)
    assert known.repository.leftovers() == []
    servers.wait_until(lambda: place.postgresql.sql(_SESSIONS, "postgres") == "0", "end of the sessions", _SECONDS)
    known.nobody("backup", room)
    known.same()
    apart.mend()
    known.made_good()


@pytest.mark.parametrize("after", [0, _BYTES], ids=["at once", "in the middle of rows"])
def test_pg_restore_in_the_load(scene: Scene, room: Path, apart: Namespace, after: int) -> None:
    lost = aftermath.lost(scene)
    with gate.of_phase(room, "load", module="pg_restore") as stopped:
        outcome = cut_off(scene.place.start("pg_restore", scene.options(), code=stopped.code), apart, stopped, after)
    aftermath.explained(outcome)
    left_alone(scene)
    assert killed.whole(Repository(scene.repository, DATABASE)) == [scene.backup]
    assert scene.seen() == lost.content
    apart.mend()
    lost.same()
    lost.restored()


@pytest.mark.parametrize("state", ["restored", "undone"])
def test_pg_restore_in_the_swap(scene: Scene, room: Path, apart: Namespace, state: str) -> None:
    """The names are as they were or changed, never half, and the database opens while the network is still away."""
    lost = aftermath.lost(scene)
    if state == "undone":
        scene.good()
    former, latter = (lost.content, scene.content) if state == "restored" else (scene.content, lost.content)
    with gate.of_function(room, "_postgres.swap:_try", module="pg_restore", most=1) as stopped:
        outcome = cut_off(scene.place.start("pg_restore", scene.options(state=state), code=stopped.code), apart, stopped)
    aftermath.explained(outcome)
    left_alone(scene)
    assert scene.seen() == former
    apart.mend()
    again = scene.place.good(scene.run(state=state)).result
    assert (scene.seen(), scene.seen(again["kept_database"])) == (latter, former)


def test_a_copy_off_site(elsewhere: Elsewhere, apart: Namespace) -> None:
    """A finding; nothing is deleted here, and the next run goes on."""
    copies = begun(elsewhere)
    with COPY["before it sends"](elsewhere.room) as stopped:
        running = elsewhere.place.start("backup_offsite", elsewhere.options(**OPTIONS), code=stopped.code)
        result = elsewhere.place.good(cut_off(running, apart, stopped, 200_000)).result
    assert (result["reachable"], result["copied"], result["deleted"], ids(result)[-1]) == (False, [], [], "offsite_unreachable")
    apart.mend()
    newest = elsewhere.names[-1]
    assert newest not in copies.whole()
    assert newest in copies.completed()["copied"]


def test_a_fetch(elsewhere: Elsewhere, apart: Namespace) -> None:
    copies = begun(elsewhere)
    with fetching(copies) as (target, known):
        options = {**known, "idle_timeout_seconds": OPTIONS["idle_timeout_seconds"]}
        with FETCH["before it fetches"](elsewhere.room) as stopped:
            running = elsewhere.place.start("backup_offsite", options, code=stopped.code)
            outcome = cut_off(running, apart, stopped, 200_000)
        aftermath.explained(outcome, "The off-site does not answer", "archive:")
        apart.mend()
        assert fetched(copies, target, options)["backup"] == elsewhere.names[-1]
