# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each file of a dump is compressed while the dump goes on: a large one as it grows, the others as soon as pg_dump has closed them.

A file is finished when no process of the dump has it open: pg_dump opens each once, and never again. Its plain bytes go only when zstd
has ended well, and what they were stays in the manifest.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from .._deadline import Deadline
from .._process import run
from .compressed import SUFFIX, Plain, described, holds_data
from .growing import Growing

_PROCESSES = Path("/proc")
# Files that one call of zstd takes.
_MOST = 200
_LARGE_BYTES = 16 << 20
_SESSION_FIELD = 3
_WATCH_SECONDS = 0.5
_REMEDY = "What zstd says tells what it lacks; where no space is left, give the directory of backups more room."


@dataclass
class Compressor:
    """One dump being compressed, by zstds of several threads; C(plain) is what the files held, by their new names."""

    program: str
    directory: Path
    level: int
    threads: int
    deadline: Deadline
    plain: dict[str, Plain] = field(default_factory=dict)
    _session: int = 0
    _taken: set[Path] = field(default_factory=set)
    _works: list[Future[None]] = field(default_factory=list)
    _growing: dict[Path, Growing] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # One for what is finished, and one for each file that pg_dump writes at a time.
        self._pool = ThreadPoolExecutor(1 + self.threads)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for growing in self._growing.values():
            growing.give_up()
        self._pool.shutdown(cancel_futures=True)

    def follow(self, session: int) -> None:
        """The processes of the dump are of this session."""
        self._session = session

    def look(self) -> int:
        """Begin with what is finished; gives the bytes that were dumped until now, compressed or not."""
        self._raise()
        present = _present(self.directory)
        # Asked after the list was made: what is in it and not open any more was closed.
        open_files = _open_files(self._session)
        if open_files is not None:
            closed = {path for path, status in present.items() if (status.st_dev, status.st_ino) not in open_files}
            self._take(closed)
            self._follow(path for path, status in present.items() if path not in closed and status.st_size >= _LARGE_BYTES)
        compressed = list(self.plain.values())
        gone = {self.directory / name.removesuffix(SUFFIX) for name in list(self.plain)}
        return sum(plain.bytes for plain in compressed) + sum(status.st_size for path, status in present.items() if path not in gone)

    def finish(self, while_running: Callable[[], None]) -> dict[str, Plain]:
        """The dump has ended well, so everything is finished."""
        self._take(_present(self.directory))
        while wait(self._works, timeout=_WATCH_SECONDS).not_done:
            while_running()
        self._raise()
        return self.plain

    def _take(self, paths: Iterable[Path]) -> None:
        finished = set(paths)
        for path in finished & self._growing.keys():
            self._growing[path].finish()
        fresh = sorted(finished - self._taken)
        self._taken.update(fresh)
        self._works += [self._pool.submit(self._compress, fresh[first : first + _MOST]) for first in range(0, len(fresh), _MOST)]

    def _follow(self, paths: Iterable[Path]) -> None:
        for path in sorted(set(paths) - self._taken):
            self._taken.add(path)
            self._growing[path] = Growing(path)
            self._works.append(self._pool.submit(self._compress_growing, self._growing[path]))

    def _raise(self) -> None:
        for work in self._works:
            if work.done():
                work.result()

    def _compress(self, paths: list[Path]) -> None:
        """Hashed by this thread while zstd, which is given all at once, compresses."""
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(self._zstd, "--", *map(str, paths))
            plain = {path: described(path) for path in paths}
            done.result()
        for path, what in plain.items():
            self._replaced(path, what)

    def _compress_growing(self, growing: Growing) -> None:
        self._zstd("-o", f"{growing.path}{SUFFIX}", feed=growing.feed)
        self._replaced(growing.path, growing.description.whole(growing.path.name))

    def _zstd(self, *arguments: str, **options: Any) -> None:
        argv = [self.program, "--quiet", f"-{self.level}", f"--threads={self.threads}", *arguments]
        done = run(argv, timeout_seconds=self.deadline.left(), environment={}, inherit=False, **options)
        done.check("The dump failed: its files could not be compressed", remedy=_REMEDY)

    def _replaced(self, path: Path, what: Plain) -> None:
        self.plain[path.name + SUFFIX] = what
        path.unlink()


def _present(directory: Path) -> dict[Path, os.stat_result]:
    """Data files that are not compressed yet."""
    return dict(_statuses(directory)) if directory.exists() else {}


def _statuses(directory: Path) -> Iterator[tuple[Path, os.stat_result]]:
    with os.scandir(directory) as found:
        for entry in found:
            if holds_data(entry.name):
                # One that was compressed meanwhile is gone.
                with suppress(FileNotFoundError):
                    yield Path(entry.path), entry.stat()


def _open_files(session: int) -> set[tuple[int, int]] | None:
    """Files that processes of a session have open; none where that cannot be known."""
    try:
        processes = [process for process in _PROCESSES.iterdir() if process.name.isdecimal() and _session_of(process) == session]
        opened = {identity for process in processes for identity in _opened(process)}
    except PermissionError:
        return None
    return opened if processes else None


def _session_of(process: Path) -> int:
    # One that has ended meanwhile has nothing open.
    with suppress(FileNotFoundError, ProcessLookupError):
        return int((process / "stat").read_text(errors="replace").rpartition(")")[2].split()[_SESSION_FIELD])
    return 0


def _opened(process: Path) -> Iterator[tuple[int, int]]:
    with suppress(FileNotFoundError, ProcessLookupError):
        for descriptor in (process / "fd").iterdir():
            # One that was closed meanwhile is not open.
            with suppress(FileNotFoundError, ProcessLookupError):
                status = descriptor.stat()
                yield status.st_dev, status.st_ino
