# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of one scratch server: private, locked as long as somebody lives in it, removed with everything in it.

<directory>/.lock                  held while a run begins
<directory>/scratch-1f0c66a2/      of one run; everything lies in it
    owner.json                     whose it is, locked while that run lives
    server.lock                    locked while a process of the server lives
    data/  log  .s.PGSQL.5432
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGKILL
from typing import Any

from .._clock import written
from .._deadline import Deadline
from .._errors import OpsError
from .._lock import held
from .scratch_place import PREFIX, NoScratchError, places

_TAG = "owner.json"
_SERVER_LOCK = "server.lock"
_POLL_SECONDS = 0.05
_ENDING_SECONDS = 15
_LOCK_SECONDS = 60


@contextmanager
def private(directory: Path, deadline: Deadline) -> Iterator[tuple[Path, int]]:
    """A directory of this run with the descriptor of the lock that the server inherits."""
    own = directory / f"{PREFIX}{secrets.token_hex(4)}"
    # It is unlocked only when it is gone, or another run would take it for an orphan.
    with ExitStack() as unlocking, ExitStack() as removal:
        try:
            _make(directory)
            with held(directory / ".lock", operation="a verification", wait_seconds=min(_LOCK_SECONDS, deadline.left())):
                reap(directory)
                _reap_elsewhere(directory)
                own.mkdir(mode=0o700)
                removal.callback(shutil.rmtree, own)
                removal.callback(_end_stragglers, own)
                locks = [_locked(own / name) for name in (_TAG, _SERVER_LOCK)]
                for lock in locks:
                    unlocking.callback(os.close, lock)
                os.write(locks[0], json.dumps(_tag(deadline)).encode())
        except OSError as error:
            remedy = "Name a scratch_dir where the user that runs the operation may write."
            raise NoScratchError(
                "The directory of the scratch server could not be made", where=str(directory), cause=str(error), remedy=remedy
            ) from error
        yield own, locks[1]


def reap(directory: Path) -> list[str]:
    """Remove what killed runs have left, and give the names; only for who holds the lock of the directory."""
    return [path.name for path in sorted(directory.glob(f"{PREFIX}*")) if _is_orphan(path) and _removed(path)]


def _reap_elsewhere(directory: Path) -> None:
    """A run that was killed may have been in the other of the two places; what is busy there is left to the next one."""
    for other in set(places()) - {directory} if directory in places() else ():
        with suppress(OpsError, OSError), held(other / ".lock", operation="a verification"):
            reap(other)


def _end_stragglers(own: Path) -> None:
    """Children of a server that was killed would go on until their query ends; all of them work in its directory."""
    data = own.resolve() / "data"
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == data and (process / "exe").readlink().name == "postgres":
                os.kill(int(process.name), SIGKILL)


def _make(directory: Path) -> None:
    """Make it, and refuse one that somebody else put there."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    strangers = {directory.lstat().st_uid, directory.stat().st_uid} - {0, os.geteuid()}
    if strangers:
        remedy = "Name a scratch_dir of the user that runs the operation."
        raise NoScratchError(
            "The directory of the scratch server is somebody else's", where=str(directory), cause=f"user {min(strangers)}", remedy=remedy
        )


def _tag(deadline: Deadline) -> dict[str, Any]:
    now = time.time()
    begun = written(datetime.fromtimestamp(now, UTC))
    return {"host": socket.gethostname(), "boot_id": _boot(), "pid": os.getpid(), "begun_at": begun, "ends_by": now + deadline.left()}


def _is_orphan(path: Path) -> bool:
    """Whether the run it belongs to is over: a lock is seen by the same kernel, elsewhere only time tells."""
    try:
        descriptor = os.open(path / _TAG, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    with suppress(ValueError, KeyError, TypeError), os.fdopen(descriptor) as tag:
        if not _take(tag.fileno()):
            return False
        said = json.loads(tag.read())
        return bool(said["boot_id"] == _boot() or float(said["ends_by"]) < time.time())
    return True


def _removed(path: Path) -> bool:
    """Its server may need a moment to end after the run did; one in another container is not seen from here."""
    _end_stragglers(path)
    with suppress(FileNotFoundError), (path / _SERVER_LOCK).open("rb") as lock:
        until = time.monotonic() + _ENDING_SECONDS
        while not _take(lock.fileno()):
            if time.monotonic() > until:
                return False
            time.sleep(_POLL_SECONDS)
    shutil.rmtree(path)
    return True


def _locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
