# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations on backups that are killed: where, what that leaves of the data and of the backups, and what the next run makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import manifest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.backup_file import hash_file
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.repository import Repository

from tests.integration.app import servers
from tests.integration.postgres import gate, support
from tests.integration.postgres.damage import Backup
from tests.integration.postgres.gate import Gate
from tests.integration.postgres.scene import Scene
from tests.integration.postgres.support import DATABASE, Place

Stop = Callable[[Path], AbstractContextManager[Gate]]
_REPOSITORY = "_postgres.repository:Repository"
_RESTORING = partial(gate.of_phase, module="pg_restore")
_VERIFYING = partial(gate.of_phase, module="pg_backup_verify")
# Where it is killed, what it leaves of itself, and which backups there are then: the old one, the new one or both.
BACKUP: dict[str, tuple[Stop, str, str]] = {
    "before the roles": (partial(gate.of_program, name="pg_dumpall"), ".incomplete", "old"),
    "before the dump": (partial(gate.of_program, name="pg_dump"), ".incomplete", "old"),
    "after the dump": (partial(gate.of_program, name="pg_dump", after=True), ".incomplete", "old"),
    "before it is read back": (partial(gate.of_program, name="pg_restore"), ".incomplete", "old"),
    "before the checksums": (partial(gate.of_function, function="_postgres.make:sealed"), ".incomplete", "old"),
    "before the manifest": (partial(gate.of_function, function="_postgres.make:write"), ".incomplete", "old"),
    "before the name": (partial(gate.of_function, function=f"{_REPOSITORY}.publish"), ".incomplete", "old"),
    "after the name": (partial(gate.of_function, function=f"{_REPOSITORY}.publish", after=True), "", "both"),
    "before a deletion": (partial(gate.of_function, function=f"{_REPOSITORY}.delete"), "", "both"),
    "in a deletion": (partial(gate.of_function, function="_postgres.repository:shutil.rmtree"), ".deleting", "new"),
    "after a deletion": (partial(gate.of_function, function=f"{_REPOSITORY}.delete", after=True), "", "new"),
}
# Where it is killed, and what is beside the live database then: nothing, a part that is dropped, or the whole that is used.
RESTORE: dict[str, tuple[Stop, str]] = {
    "before it looks": (partial(_RESTORING, name="preflight"), "nothing"),
    "before leftovers are dropped": (partial(_RESTORING, name="leftovers"), "nothing"),
    "before the new database is made": (partial(_RESTORING, name="create"), "nothing"),
    "when the new database was made": (
        partial(gate.of_function, function="_postgres.restore:create_database", module="pg_restore", after=True),
        "part",
    ),
    "before rows are loaded": (partial(_RESTORING, name="load"), "part"),
    "while rows are loaded": (partial(gate.within_phase, name="load", module="pg_restore"), "part"),
    "before rows are compared": (partial(_RESTORING, name="compare"), "part"),
    "before statistics are made": (partial(_RESTORING, name="analyze"), "part"),
    "before its properties are made": (partial(_RESTORING, name="properties"), "part"),
    "before the swap": (partial(_RESTORING, name="swap"), "whole"),
    "after the swap": (partial(_RESTORING, name="check"), "done"),
}
# Where it is killed, and whether the names have changed then.
UNDO: dict[str, tuple[Stop, bool]] = {
    "before it looks": (partial(_RESTORING, name="preflight"), False),
    "before rows are counted": (partial(_RESTORING, name="count"), False),
    "before the swap": (partial(_RESTORING, name="swap"), False),
    "after the swap": (partial(_RESTORING, name="check"), True),
    "before it counts what was left behind": (partial(gate.of_function, function="_postgres.undo:_left_behind", module="pg_restore"), True),
}
# Where it is killed, whether its server's directory is left, and how many verdicts there are then.
VERIFICATION: dict[str, tuple[Stop, bool, int]] = {
    "before the files are read": (partial(_VERIFYING, name="files"), False, 0),
    "before initdb": (partial(gate.of_program, name="initdb"), True, 0),
    "after initdb": (partial(gate.of_program, name="initdb", after=True), True, 0),
    "before the roles": (partial(_VERIFYING, name="roles"), True, 0),
    "before the load": (partial(gate.of_program, name="pg_restore", first="--exit-on-error"), True, 0),
    "while rows are loaded": (partial(gate.within_phase, name="restore", module="pg_backup_verify"), True, 0),
    "before rows are compared": (partial(_VERIFYING, name="rows"), True, 0),
    "before the structure is compared": (partial(_VERIFYING, name="structure"), True, 0),
    "before the record": (partial(gate.of_function, function=f"{_REPOSITORY}.record", module="pg_backup_verify"), False, 0),
    "after the record": (partial(gate.of_function, function=f"{_REPOSITORY}.record", module="pg_backup_verify", after=True), False, 1),
}
_FENCE = """
SELECT count(*) FROM pg_locks WHERE locktype = 'object' AND classid = 'pg_database'::regclass AND mode = 'AccessExclusiveLock' AND granted
"""


def kill(place: Place, module: str, options: Mapping[str, Any], stop: Stop, room: Path, *, role: str = "") -> None:
    """Kill a module where it stops; nothing of it goes on, neither here nor in the server."""
    with stop(room) as stopped:
        running = place.start(module, options, programs=stopped.programs, code=stopped.code)
        stopped.wait()
        running.kill()
        place.await_nobody(role, room, Path(options["directory"]))


def whole(repository: Repository) -> list[str]:
    """The backups, each with a manifest that is right about every file."""
    for backup in repository.backups():
        path = repository.path(backup)
        for file in manifest.load(path).files:
            assert hash_file(path / file.path) == file.sha256
    return repository.backups()


def backup_killed(place: Place, backups: Path, room: Path, phase: str) -> None:
    """What it leaves is no backup, and gone after the next run."""
    stop, leftover, there = BACKUP[phase]
    repository, content = Repository(backups, DATABASE), place.content()
    (first,) = repository.backups()
    kill(place, "pg_backup", place.backup_options(backups, retention={"last": 1}), stop, room, role="backup")
    left, published = [path.name for path in repository.leftovers()], whole(repository)
    assert [name.rpartition("-")[0] for name in left] == ([leftover] if leftover else [])
    assert [name == first for name in published] == {"old": [True], "both": [True, False], "new": [False]}[there]
    assert place.content() == content
    result = place.good(place.backup(backups, retention={"last": 1})).result
    assert result["leftovers_removed"] == left
    assert whole(repository) == result["kept"] == [result["backup"]]
    assert repository.leftovers() == []
    assert result["backup"] > published[-1]


def beside(scene: Scene) -> list[str]:
    return [name for name in scene.databases() if name != DATABASE]


def restore_killed(scene: Scene, room: Path, phase: str) -> None:
    """Either the database is as it was, or it is as it should be and can be taken back."""
    stop, left = RESTORE[phase]
    lost = scene.lose()
    kill(scene.place, "pg_restore", scene.options(), stop, room, role="restore")
    assert whole(Repository(scene.repository, DATABASE)) == [scene.backup]
    if left == "done":
        (kept,) = beside(scene)
        assert (scene.seen(), scene.seen(kept)) == (scene.content, lost)
        assert scene.place.good(scene.undo()).result["changed"]
        assert scene.seen() == lost
    else:
        assert (scene.seen(), len(beside(scene))) == (lost, left != "nothing")
        restored_after_all(scene, lost, dropped=beside(scene) if left == "part" else [], reused=left == "whole")


def restored_after_all(scene: Scene, lost: Mapping[str, str], *, dropped: list[str], reused: bool) -> None:
    """The next restore does what the killed one should, and names what that left."""
    outcome = scene.place.good(scene.run())
    assert outcome.result["leftovers_removed"] == dropped
    assert ("restored_database_reused" in outcome.findings()) is reused
    kept = outcome.result["kept_database"]
    assert (scene.seen(), scene.seen(kept), beside(scene)) == (scene.content, lost, [kept])


def undo_killed(scene: Scene, room: Path, phase: str) -> None:
    """Either nothing has changed or everything; the next undo changes back."""
    stop, changed = UNDO[phase]
    lost = scene.lose()
    scene.good()
    kill(scene.place, "pg_restore", scene.options(state="undone"), stop, room, role="restore")
    undone_after_all(scene, (lost, scene.content) if changed else (scene.content, lost))


def undone_after_all(scene: Scene, expected: tuple[Mapping[str, str], Mapping[str, str]]) -> None:
    """The live database and the one that is aside, before another undo and, exchanged, after it."""
    (kept,) = beside(scene)
    assert (scene.seen(), scene.seen(kept)) == expected
    kept = scene.place.good(scene.undo()).result["kept_database"]
    assert (scene.seen(kept), scene.seen(), beside(scene)) == (*expected, [kept])


def restore_killed_in_the_swap(scene: Scene) -> None:
    lost = scene.lose()
    kill_in_the_swap(scene)
    assert scene.seen() == lost
    restored_after_all(scene, lost, dropped=[], reused=True)


def undo_killed_in_the_swap(scene: Scene) -> None:
    lost = scene.lose()
    scene.good()
    kill_in_the_swap(scene, state="undone")
    undone_after_all(scene, (scene.content, lost))


def kill_in_the_swap(scene: Scene, **changes: Any) -> None:
    """While a superuser stands in the way and newcomers wait; the database is open at once."""
    with scene.client("admin") as session:
        running = scene.place.start("pg_restore", scene.options(swap_timeout_seconds=60, **changes))
        servers.wait_until(lambda: int(scene.sql(_FENCE, "postgres")), "fence", 30)
        running.kill()
        scene.place.await_nobody("restore", scene.repository)
        with scene.client("api") as client:
            assert client.poll() is None
        session.communicate("COMMIT;\n", timeout=10)


def verification_killed(backup: Backup, room: Path, phase: str) -> None:
    """Its server ends with it, the backup is as it was, and the next run removes what is left and comes to a verdict."""
    stop, is_left, verdicts = VERIFICATION[phase]
    place, repository, scratch = backup.place, Repository(backup.repository, DATABASE), room / "scratch"
    content, files, known = place.content(), support.tree(backup.path), len(repository.records().verifications(backup.path.name))
    options = {"directory": str(backup.repository), "scratch_dir": str(scratch)}
    kill(place, "pg_backup_verify", options, stop, room)
    assert bool(list(scratch.glob("scratch-*"))) is is_left
    assert len(repository.records().verifications(backup.path.name)) == known + verdicts
    assert (place.content(), support.tree(backup.path)) == (content, files)
    assert backup.verify(room).result["verdict"] == "passed"
    assert [path.name for path in scratch.iterdir()] == [".lock"]
    assert repository.is_proven(backup.path.name, backup.manifest.sha256)
    assert whole(repository) == [backup.path.name]
