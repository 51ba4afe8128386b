# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL server that is thrown away: private, reached by its socket alone, ended with us however we end."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from signal import SIGQUIT
from subprocess import Popen

from .._completed import Completed
from .._deadline import Deadline
from .._process import run, server
from .._tls import Credentials
from .connection import LONGEST_TIMEOUT_SECONDS, NoConnectionError, Server, session
from .programs import Programs
from .scratch_directory import private
from .scratch_place import MOST_WAL_BYTES, PORT, Needs, NoScratchError, available_memory

PROGRAMS = ("postgres", "initdb")
_FULL_DISK_BYTES = 8 << 20
_POLL_SECONDS = 0.02
_LOG_CHARACTERS = 1000
# What a server suffers from by itself, in the classes of SQLSTATE: resources, an operator's hand, the system below, its own faults.
_OWN_TROUBLE = re.compile(r"^(?:53|57P|58|XX)\w* +(?:ERROR|FATAL|PANIC):|server process \(PID \d+\) (?:was terminated|exited with)")


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


@dataclass(frozen=True)
class Making:
    """A server that is being made in a directory of its own, with the lock that it will hold."""

    directory: Path
    lock: int
    programs: Programs
    needs: Needs
    deadline: Deadline
    superuser: str
    done: Future[Completed]


@contextmanager
def making(directory: Path, programs: Programs, needs: Needs, deadline: Deadline) -> Iterator[Making]:
    """Begin to make a server, for somebody who has other things to do meanwhile."""
    superuser = f"scratch_{secrets.token_hex(4)}"
    # The database brings its own encoding and locale; the server's own shall be there on any machine.
    options = [f"--username={superuser}", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
    with private(directory, deadline) as (own, lock), ThreadPoolExecutor(1) as pool:
        argv, seconds = [programs["initdb"], f"--pgdata={_data(own)}", *options], deadline.left()
        done = pool.submit(run, argv, timeout_seconds=seconds, environment=_environment(own, programs), inherit=False)
        yield Making(own, lock, programs, needs, deadline, superuser, done)


@contextmanager
def running(making: Making) -> Iterator[Scratch]:
    """The server, once it is made, for as long as the context is not left."""
    making.done.result().check("The scratch server could not be made")
    own, log = making.directory, making.directory / "log"
    wanted = settings(own, making.needs, available_memory())
    argv = [*_gently(making.needs.niceness), making.programs["postgres"], "-D", _data(own)]
    argv += [f"--{key}={value}" for key, value in wanted.items()]
    environment = _environment(own, making.programs)
    with server(argv, log=log, environment=environment, inherit=False, ended_by=SIGQUIT, descriptors=[making.lock]) as process:
        here = Server(str(own), PORT, "postgres", "", "", timeout(making.deadline))
        scratch = Scratch(here, Credentials(making.superuser, ""), process, log)
        _await(scratch, making.deadline)
        yield replace(scratch, started=log.stat().st_size)


def _data(own: Path) -> str:
    return str(own / "data")


def _environment(own: Path, programs: Programs) -> dict[str, str]:
    return {"HOME": str(own), "PATH": str(Path(programs["postgres"]).parent), "TZ": "UTC"}


def timeout(deadline: Deadline) -> int:
    """Whole seconds for a session."""
    return _between(1, int(deadline.left()), LONGEST_TIMEOUT_SECONDS)


def settings(directory: Path, needs: Needs, memory_bytes: int) -> dict[str, str]:
    """Fast, silent and good for nothing that shall survive a crash."""
    sessions, mebibytes = 2 * needs.jobs + 8, memory_bytes >> 20
    return {
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_directories": str(directory),
        "unix_socket_permissions": "0700",
        "max_connections": str(sessions),
        # pg_dump locks all tables at once when it reads the structure back.
        "max_locks_per_transaction": str(64 + 2 * needs.entries // sessions),
        # Rows are written, read and sorted beside them; each process would only have more of them to map.
        "shared_buffers": f"{_between(16, mebibytes // 8, 128)}MB",
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
        "max_wal_size": f"{MOST_WAL_BYTES >> 20}MB",
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


def _gently(niceness: int) -> list[str]:
    """Others come first, where that is wanted and the system has programs for it."""
    if not niceness:
        return []
    words = (["nice", "-n", str(niceness)], ["ionice", "--ignore", "--class", "2", "--classdata", "7"])
    found = [(shutil.which(program), options) for program, *options in words]
    return [word for path, options in found if path for word in (path, *options)]


def _await(scratch: Scratch, deadline: Deadline) -> None:
    while True:
        if scratch.process.poll() is not None:
            raise NoScratchError("The scratch server did not start", where=str(scratch.log), cause=_end(scratch.log))
        with suppress(NoConnectionError), session(scratch.server, scratch.who):
            return
        deadline.left()
        time.sleep(_POLL_SECONDS)


def _end(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace").strip()[-_LOG_CHARACTERS:]


def _between(least: int, value: int, most: int) -> int:
    return min(max(least, value), most)
