# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Works that are timed beside each other: modules of ours, programs that everybody has, and servers for those."""

from __future__ import annotations

import os
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.integration.app import servers
from tests.integration.modules import Running
from tests.integration.postgres import support
from tests.integration.postgres.support import Place


@dataclass
class Clock:
    """Seconds of each thing that is measured, round by round, and the most memory that ours took."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    memory_mib: float = 0.0

    def time(self, name: str, work: Callable[[], Any]) -> Any:
        begun = time.monotonic()
        done = work()
        self.seconds.setdefault(name, []).append(time.monotonic() - begun)
        print(f"{name}: {self.seconds[name][-1]:.2f} s", flush=True)
        return done

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])

    def watch(self, running: Running) -> None:
        """The most memory it has had, as long as it lives."""
        status = Path(f"/proc/{running.process.pid}/status")
        while running.process.poll() is None:
            for line in status.read_text().splitlines() if status.exists() else ():
                if line.startswith("VmHWM:"):
                    self.memory_mib = max(self.memory_mib, int(line.split()[1]) / 1024)
            time.sleep(0.05)


@dataclass(frozen=True)
class Bench:
    """A database of the place, and a directory for its backups."""

    place: Place
    room: Path
    clock: Clock
    database: str

    def module(self, name: str, module: str, **options: Any) -> dict[str, Any]:
        """One of ours, from the start of its process to its end."""

        def run() -> dict[str, Any]:
            running = self.place.start(module, {"database": self.database, "directory": str(self.room / "backups"), **options})
            watcher = threading.Thread(target=self.clock.watch, args=[running])
            watcher.start()
            outcome = running.outcome()
            watcher.join()
            return self.place.good(outcome).result

        result: dict[str, Any] = self.clock.time(name, run)
        return result

    def program(self, name: str, argv: list[str], where: Path | None = None) -> None:
        """A baseline; C(where) is the directory of another server than the one with the rows."""
        known = {
            "PGHOST": str(where or self.place.directory / "postgresql"),
            "PGPORT": "5432" if where else str(self.place.postgresql.port),
        }
        environment = {**os.environ, **known, "PGUSER": "admin"}
        command = [str(servers.BINARIES / argv[0]), *argv[1:]]
        work = partial(subprocess.run, command, check=True, env=environment, stdout=subprocess.DEVNULL)
        if name:
            self.clock.time(name, work)
        else:
            work()


@contextmanager
def server(directory: Path, settings: dict[str, str]) -> Iterator[Path]:
    """A server with these settings, reached by its socket."""
    directory.mkdir()
    support.own(directory)
    account: dict[str, Any] = {"user": support.ACCOUNT, "group": support.ACCOUNT, "extra_groups": ()} if os.geteuid() == 0 else {}
    argv = [str(servers.BINARIES / "initdb"), f"--pgdata={directory / 'data'}", "--username=admin", "--auth=trust", "--locale=C.UTF-8"]
    subprocess.run([*argv, "--no-sync"], check=True, capture_output=True, cwd=directory, **account)
    known = {"listen_addresses": "", "unix_socket_directories": str(directory), "port": "5432", **settings}
    command = [str(servers.BINARIES / "postgres"), "-D", str(directory / "data"), *(f"--{key}={value}" for key, value in known.items())]
    with (directory / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log, cwd=directory, **account) as process:
        ready = ["pg_isready", "--quiet", f"--host={directory}", "--port=5432"]
        servers.wait_until(lambda: subprocess.run([str(servers.BINARIES / ready[0]), *ready[1:]], check=False).returncode == 0, "server")
        try:
            yield directory
        finally:
            process.terminate()
