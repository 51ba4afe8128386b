# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program rclone.

It gets its configuration through a descriptor: what a Secret holds is in no command line and in no other file, and rclone can write
nothing into it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._completed import Completed
from .._deadline import Deadline, TimeIsUpError
from .._errors import OpsError
from .._process import run
from .._report.redact import HIDDEN, clean
from .._temporary import memory
from .configuration import REMOTE, Options, read_sections, secrets_of
from .failure import understood

# Its last words are not written as the others are.
_STAMP = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d (?:Failed to [\w ]+: )?")
_LONGEST_CHARACTERS = 600
# A bundle of AWS makes rclone refuse its own option for an authority; its own variables would change what the file says.
_FOREIGN = re.compile(r"RCLONE_|AWS_CA_BUNDLE\Z")


@dataclass(frozen=True)
class Done:
    """What a command printed, how many bytes it has moved, and what its failure means; none where it succeeded."""

    stdout: str
    bytes: int
    failure: OpsError | None


@dataclass(frozen=True)
class Rclone:
    """Use `opened`. C(kind) is the type of the remote, C(inner) what one that encrypts keeps its files in."""

    program: str
    options: Options
    deadline: Deadline
    descriptor: int
    secrets: tuple[str, ...]
    kind: str
    inner: str

    def path(self, *parts: str) -> str:
        """A path below the remote's directory."""
        root = self.options.remote
        joined = "/".join(parts)
        return f"{root}{'' if root.endswith((':', '/')) or not joined else '/'}{joined}"

    def run(self, *words: str, advance: Callable[[float], None] | None = None, accept: Sequence[int] = (0,), text: str = "") -> Done:
        """One command to its end. A status that is not accepted is an error of the kind that its words tell."""
        with memory() as held:
            log = Path(held.path)
            argv = [self.program, f"--config=/proc/self/fd/{self.descriptor}", "--use-json-log", f"--log-file={log}", *self.options.argv()]
            argv += ["--stats=1s", "--stats-log-level=NOTICE", *words]
            watch = (lambda: self._watch(log, advance)) if advance else None
            how: dict[str, Any] = {"environment": environment(), "inherit": False, "descriptors": [self.descriptor]}
            done = self._ended(argv, input_text=text, while_running=watch, **how)
            entries, lines = list(_entries(log)), log.read_text(encoding="utf-8", errors="replace").splitlines()
        stats: dict[str, Any] = next((entry["stats"] for entry in reversed(entries) if "stats" in entry), {})
        told = [str(entry.get("msg", "")) for entry in entries if entry.get("level") in ("error", "critical")]
        told += [_STAMP.sub("", line) for line in (*lines, *done.stderr.splitlines()) if not line.startswith("{")]
        said = self.hidden(" ".join(dict.fromkeys(line.strip() for line in told if line.strip())))
        failure = (
            understood(words[0], done.returncode, said, where=self.options.remote, encrypts=bool(self.inner)) if done.returncode else None
        )
        if failure and done.returncode not in accept:
            raise failure
        return Done(done.stdout, int(stats.get("bytes", 0)), failure)

    def send(self, content: bytes, path: str) -> None:
        """A small file, from memory."""
        with memory(content) as held:
            # Its path is a link.
            self.run("copyto", "--ignore-times", "--copy-links", held.path, path)

    def _ended(self, argv: Sequence[str], **how: Any) -> Completed:
        """How the program ended, within the time that all of them have together."""
        try:
            return run(argv, timeout_seconds=self.deadline.left(), **how)
        except OpsError as error:
            if not isinstance(error, TimeIsUpError) and "timeout_seconds" not in error.details:
                raise
            remedy = f"Give it more with {self.deadline.option}, or look why it is slow; the next run goes on where this one stopped."
            cause = f"{self.deadline.seconds:g} seconds are allowed for all of it"
            raise OpsError(
                "The off-site did not take or give everything in time", where=self.options.remote, cause=cause, remedy=remedy
            ) from error

    def hidden(self, text: str) -> str:
        """Words of rclone without any value of the configuration that is nobody's business."""
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        return clean(text, _LONGEST_CHARACTERS)

    def _watch(self, log: Path, advance: Callable[[float], None]) -> None:
        self.deadline.left()
        stats = [entry["stats"]["bytes"] for entry in _entries(log) if "stats" in entry]
        if stats:
            advance(stats[-1])


@contextlib.contextmanager
def opened(options: Options, deadline: Deadline) -> Iterator[Rclone]:
    """The program with the configuration as it is now."""
    program = shutil.which("rclone")
    if program is None:
        raise OpsError("There is no rclone", where="PATH", remedy="Install the package rclone on the host the operation runs on.")
    if options.ca_file and not Path(options.ca_file).is_file():
        raise OpsError("The authority's certificate is missing", where=options.ca_file, remedy="Mount it there, or leave ca_file empty.")
    text, sections = read_sections(options.config_file)
    match = REMOTE.match(options.remote)
    if match is None or match["name"] not in sections:
        known = ", ".join(f"{name}:" for name in sections) or "none"
        remedy = f"Write it like name:bucket/directory. {options.config_file} has {known}."
        raise OpsError(f"The configuration of rclone does not know the remote {options.remote!r}", where=options.config_file, remedy=remedy)
    section = sections[match["name"]]
    descriptor = os.memfd_create("rclone.conf")
    try:
        os.write(descriptor, text.encode())
        kind, inner = section.get("type", ""), section.get("remote", "")
        yield Rclone(program, options, deadline, descriptor, tuple(secrets_of(sections)), kind, inner if kind == "crypt" else "")
    finally:
        os.close(descriptor)


def environment() -> dict[str, str]:
    """Ours without what would speak louder than the configuration."""
    return {name: value for name, value in os.environ.items() if not _FOREIGN.match(name)}


def _entries(log: Path) -> Iterator[dict[str, Any]]:
    """Lines of the log; the last may be half written."""
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError):
            entry = json.loads(line)
            if isinstance(entry, dict):
                yield entry
