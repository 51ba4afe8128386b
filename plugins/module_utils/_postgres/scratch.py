# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL server that is thrown away: private, reached by its socket alone, ended with us however we end.

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
import re
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGKILL, SIGQUIT
from subprocess import Popen
from typing import Any

from .._deadline import Deadline
from .._errors import OpsError
from .._lock import held
from .._process import run, server
from .._tls import Credentials
from .connection import NoConnectionError, Server, session
from .programs import Programs

PROGRAMS = ("postgres", "initdb")
_PREFIX = "scratch-"
_TAG = "owner.json"
_SERVER_LOCK = "server.lock"
_PORT = 5432
_MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of ours in it is refused where somebody else has made it
_LONGEST_SOCKET_PATH = 107
_LEAST_MEMORY_BYTES = 192 << 20
_EMPTY_SERVER_BYTES = 64 << 20
_MOST_WAL_BYTES = 1 << 30
_FULL_DISK_BYTES = 8 << 20
_POLL_SECONDS = 0.05
_ENDING_SECONDS = 15
_LOCK_SECONDS = 60
_LOG_CHARACTERS = 1000
# PostgreSQL keeps timeouts as milliseconds in 31 bits.
_LONGEST_TIMEOUT_SECONDS = 2_000_000
# What a server suffers from by itself, in the classes of SQLSTATE: resources, an operator's hand, the system below, its own faults.
_OWN_TROUBLE = re.compile(r"^(?:53|57P|58|XX)\w* +(?:ERROR|FATAL|PANIC):|server process \(PID \d+\) (?:was terminated|exited with)")


class NoScratchError(OpsError):
    """The server cannot be had here, which says nothing of any backup."""


@dataclass(frozen=True)
class Needs:
    """What the server will hold and do; C(most_bytes) is how large a database may be, 0 for any, C(niceness) how far others go before."""

    database_bytes: int
    entries: int
    jobs: int
    most_bytes: int = 0
    niceness: int = 0

    @property
    def disk_bytes(self) -> int:
        """An empty server, the database with its files for sorting, and the log of changes."""
        return _EMPTY_SERVER_BYTES + self.database_bytes * 5 // 4 + min(_MOST_WAL_BYTES, self.database_bytes)


@dataclass(frozen=True)
class Scratch:
    """The running server; its superuser has a name that nobody else has. C(started) is how much it had logged when it was ready."""

    server: Server
    who: Credentials
    process: Popen[str]
    log: Path
    started: int = 0

    def trouble(self) -> str:
        """What the server itself suffered from, empty when it was well."""
        free = shutil.disk_usage(self.log.parent).free
        # With no room for more the server has other words for it.
        full = "" if free > _FULL_DISK_BYTES else f"the disk is full: {free:,} bytes are free"
        return "; ".join(filter(None, (self._own_trouble(), full)))

    def _own_trouble(self) -> str:
        if self.process.poll() is not None:
            return f"the server ended with status {self.process.returncode}: {_end(self.log)}"
        lines = self.log.read_bytes()[self.started :].decode(errors="replace").splitlines()
        return next((line for line in lines if _OWN_TROUBLE.search(line)), "")


def place(wanted: str, needs: Needs) -> Path:
    """The directory that is wanted; else in memory where the server fits by a wide margin, else on the disk."""
    if wanted:
        return Path(wanted).absolute()
    memory, disk = _places()
    parent = memory.parent
    if not (parent.is_dir() and os.access(parent, os.W_OK | os.X_OK)):
        return disk
    fits = needs.disk_bytes <= shutil.disk_usage(parent).free // 2 and needs.disk_bytes <= available_memory() // 4
    return memory if fits else disk


def _places() -> tuple[Path, Path]:
    """Where servers are that nobody has named a place for."""
    name = f"endpoint-stats-scratch-{os.geteuid()}"
    return _MEMORY / name, Path(tempfile.gettempdir(), name)


def refusal(directory: Path, needs: Needs) -> NoScratchError | None:
    """Why the server cannot be had, none where it can; nothing is written."""
    if os.geteuid() == 0:
        remedy = "Run the task as another user, with become_user, or where the ops-runner does."
        return NoScratchError("PostgreSQL does not run as root", remedy=remedy)
    example = directory / f"{_PREFIX}00000000" / f".s.PGSQL.{_PORT}"
    if (length := len(os.fsencode(example))) > _LONGEST_SOCKET_PATH:
        cause = f"the path of its socket would have {length} bytes, the system allows {_LONGEST_SOCKET_PATH}"
        return NoScratchError(
            "The directory of the scratch server has too long a name", where=str(directory), cause=cause, remedy="Name another scratch_dir."
        )
    if 0 < needs.most_bytes < needs.database_bytes:
        cause = f"it has {needs.database_bytes:,} bytes, scratch_max_bytes allows {needs.most_bytes:,}"
        remedy = "Allow more, or verify it where a larger scratch server may be."
        return NoScratchError("The database is larger than the scratch server may be", cause=cause, remedy=remedy)
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < needs.disk_bytes:
        cause = f"{free:,} bytes are free, {needs.disk_bytes:,} are needed"
        remedy = "Make room there, or name a scratch_dir with more."
        return NoScratchError("There is too little space for the scratch server", where=str(existing), cause=cause, remedy=remedy)
    memory = available_memory()
    if memory < _LEAST_MEMORY_BYTES:
        cause = f"{memory:,} bytes are available, {_LEAST_MEMORY_BYTES:,} are needed"
        return NoScratchError("There is too little memory for the scratch server", cause=cause, remedy="Give the container a higher limit.")
    return None


@contextmanager
def running(directory: Path, programs: Programs, needs: Needs, deadline: Deadline) -> Iterator[Scratch]:
    """A server for as long as the context is not left."""
    with _private(directory, deadline) as (own, lock):
        log, name = own / "log", f"scratch_{secrets.token_hex(4)}"
        environment = {"HOME": str(own), "PATH": str(Path(programs["postgres"]).parent), "TZ": "UTC"}
        # The database brings its own encoding and locale; the server's own shall be there on any machine.
        options = [f"--username={name}", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        made = run(
            [programs["initdb"], f"--pgdata={own / 'data'}", *options],
            timeout_seconds=deadline.left(),
            environment=environment,
            inherit=False,
        )
        made.check("The scratch server could not be made")
        wanted = settings(own, needs, available_memory())
        argv = [
            *_gently(needs.niceness),
            programs["postgres"],
            "-D",
            str(own / "data"),
            *(f"--{key}={value}" for key, value in wanted.items()),
        ]
        with server(argv, log=log, environment=environment, inherit=False, ended_by=SIGQUIT, descriptors=[lock]) as process:
            here = Server(str(own), _PORT, "postgres", "", "", timeout(deadline))
            scratch = Scratch(here, Credentials(name, ""), process, log)
            _await(scratch, deadline)
            yield replace(scratch, started=log.stat().st_size)


def timeout(deadline: Deadline) -> int:
    """Whole seconds for a session."""
    return _between(1, int(deadline.left()), _LONGEST_TIMEOUT_SECONDS)


def settings(directory: Path, needs: Needs, memory_bytes: int) -> dict[str, str]:
    """Fast, silent and good for nothing that shall survive a crash."""
    sessions, mebibytes = 2 * needs.jobs + 8, memory_bytes >> 20
    return {
        "listen_addresses": "",
        "port": str(_PORT),
        "unix_socket_directories": str(directory),
        "unix_socket_permissions": "0700",
        "max_connections": str(sessions),
        # pg_dump locks all tables at once when it reads the structure back.
        "max_locks_per_transaction": str(64 + 2 * needs.entries // sessions),
        "shared_buffers": f"{_between(16, mebibytes // 8, 512)}MB",
        "maintenance_work_mem": f"{_between(16, mebibytes // (4 * needs.jobs), 1024)}MB",
        # The last index of a large table has all processors for itself.
        "max_parallel_maintenance_workers": str(len(os.sched_getaffinity(0)) - 1),
        # In the directory of the run, where a killed run's is found.
        "dynamic_shared_memory_type": "mmap",
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_wal_size": f"{_MOST_WAL_BYTES >> 20}MB",
        "checkpoint_timeout": "1h",
        "archive_mode": "off",
        "autovacuum": "off",
        "max_logical_replication_workers": "0",
        "shared_preload_libraries": "",
        "session_preload_libraries": "",
        "local_preload_libraries": "",
        # A backup of a server with tablespaces restores where their disks are not.
        "allow_in_place_tablespaces": "on",
        # A crash ends the server, so that nobody takes what it lost for a fault of the backup.
        "restart_after_crash": "off",
        "log_line_prefix": "%e ",
        "log_min_error_statement": "panic",
        "lc_messages": "C",
    }


def available_memory(meminfo: Path = Path("/proc/meminfo"), groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that programs may take, of the machine and of the container."""
    lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
    found = [int(lines["MemAvailable"].split()[0]) << 10]
    for group in _groups(groups):
        limit, used = group / "memory.max", group / "memory.current"
        with suppress(OSError, ValueError):
            statistics = dict(line.split(" ", 1) for line in (group / "memory.stat").read_text().splitlines())
            reclaimable = int(statistics.get("inactive_file", 0))
            found.append(int(limit.read_text()) - int(used.read_text()) + reclaimable)
    return min(found)


def reap(directory: Path) -> list[str]:
    """Remove what killed runs have left, and give the names; only for who holds the lock of the directory."""
    return [path.name for path in sorted(directory.glob(f"{_PREFIX}*")) if _is_orphan(path) and _removed(path)]


def _reap_elsewhere(directory: Path) -> None:
    """A run that was killed may have been in the other of the two places; what is busy there is left to the next one."""
    for other in set(_places()) - {directory} if directory in _places() else ():
        with suppress(OpsError, OSError), held(other / ".lock", operation="a verification"):
            reap(other)


def _gently(niceness: int) -> list[str]:
    """Others come first, where that is wanted and the system has programs for it."""
    if not niceness:
        return []
    words = (["nice", "-n", str(niceness)], ["ionice", "--ignore", "--class", "2", "--classdata", "7"])
    found = [(shutil.which(program), options) for program, *options in words]
    return [word for path, options in found if path for word in (path, *options)]


@contextmanager
def _private(directory: Path, deadline: Deadline) -> Iterator[tuple[Path, int]]:
    """A directory of this run with the descriptor of the lock that the server inherits."""
    own = directory / f"{_PREFIX}{secrets.token_hex(4)}"
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
    begun = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
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


def _await(scratch: Scratch, deadline: Deadline) -> None:
    while True:
        if scratch.process.poll() is not None:
            raise NoScratchError("The scratch server did not start", where=str(scratch.log), cause=_end(scratch.log))
        with suppress(NoConnectionError), session(scratch.server, scratch.who):
            return
        deadline.left()
        time.sleep(_POLL_SECONDS)


def _groups(root: Path) -> Iterator[Path]:
    """The control groups that bound us: our own and those it is in."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            if line.startswith("0::"):
                own = root / line[3:].lstrip("/")
                yield from (path for path in (own, *own.parents) if path.is_relative_to(root))


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


def _end(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace").strip()[-_LOG_CHARACTERS:]


def _between(least: int, value: int, most: int) -> int:
    return min(max(least, value), most)
