# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program rclone, and what its words mean.

It gets its configuration through a descriptor: what a Secret holds is in no command line and in no other file, and rclone can write
nothing into it.
"""

from __future__ import annotations

import configparser
import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._deadline import Deadline, TimeIsUpError
from .._errors import OpsError
from .._process import Completed, killed, run
from .._report.redact import HIDDEN, clean
from .._temporary import memory

_NOT_FOUND = 3
_REMOTE = re.compile(r"(?P<name>[\w.][\w.+@ -]*):(?P<path>[^\0\n]*)\Z")
# Its last words are not written as the others are.
_STAMP = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d (?:Failed to [\w ]+: )?")
_SECRET_KEY = re.compile(r"pass|secret|token|key|sas|credential|auth|service_principal", re.IGNORECASE)
_SHORTEST_SECRET = 4
_LONGEST_CHARACTERS = 600
# A bundle of AWS makes rclone refuse its own option for an authority; its own variables would change what the file says.
_FOREIGN = re.compile(r"RCLONE_|AWS_CA_BUNDLE\Z")
_UNREACHABLE = (
    "connection refused|connection reset|no such host|server misbehaving|i/o timeout|timeout awaiting|TLS handshake timeout"
    "|no route to host|network is unreachable|context deadline exceeded|broken pipe|RequestTimeout|ServiceUnavailable"
    "|InternalError|SlowDown|status code: 5\\d\\d|couldn't connect SSH|connection lost|RequestError: send request failed"
)
_NO_TRUST = "x509|certificate is not trusted|knownhosts"
_REFUSED = (
    "SignatureDoesNotMatch|InvalidAccessKeyId|AccessDenied|Forbidden|Unauthorized|status code: 40[13]|unable to authenticate"
    "|ExpiredToken|InvalidClientTokenId|permission denied|invalid_grant"
)
_FULL = "no space left on device|file too big for remaining disk space"
# A connection that ends in the middle. What is encrypted and was changed ends so as well, for rclone.
_CUT = "unexpected EOF|EOF$"
_DAMAGED = "unexpected EOF|corrupted on transfer|failed to authenticate decrypted block|not an encrypted file|file is too short"
_BAD_TRUST = (
    "The off-site's certificate is not trusted",
    "Name its authority in ca_file; for SFTP its key in known_hosts_file of config_file.",
)
_BAD_KEYS = ("The off-site refuses the credentials", "Look at the keys in config_file, and at what they may.")
_CHANGED = ("Bytes have changed on the way, or where they lie", "Run it again; if it stays so, look at the service and its disks.")
_NO_ROOM = ("The disk here is full", "Make room there; the next run goes on where this one stopped.")
_SILENT = ("The off-site does not answer", "Look at the network and at the service; nothing is lost.")


class UnreachableError(OpsError):
    """Nobody answers, or not to the end; it may be otherwise in a while."""


class DamagedError(OpsError):
    """What was read is not what was written."""


class RefusedError(OpsError):
    """It answers, and does not do it for us."""


class MissingError(OpsError):
    """There is no such bucket, directory or file."""


@dataclass(frozen=True)
class Options:
    """How the other place is reached; the names are those of the module's options."""

    config_file: str
    remote: str
    ca_file: str
    bandwidth_limit: str
    retries: int
    connect_timeout_seconds: float
    idle_timeout_seconds: float

    def __post_init__(self) -> None:
        for name in ("retries", "connect_timeout_seconds", "idle_timeout_seconds"):
            if getattr(self, name) < 1:
                raise OpsError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not re.fullmatch(r"\d+(\.\d+)?[BKMGTP]?|off|", self.bandwidth_limit):
            remedy = "Write it like 20M, in bytes per second with B, K, M or G; empty for none."
            raise OpsError(f"bandwidth_limit {self.bandwidth_limit!r} is no rate", remedy=remedy)

    def argv(self) -> list[str]:
        """Buckets are not made: one with a misspelt name would be nobody's, and without what the real one promises."""
        words = ["--ask-password=false", "--s3-no-check-bucket", f"--contimeout={self.connect_timeout_seconds:g}s"]
        words += [f"--timeout={self.idle_timeout_seconds:g}s", "--low-level-retries=3", f"--retries={self.retries}"]
        words += [f"--ca-cert={self.ca_file}"] if self.ca_file else []
        return words + ([f"--bwlimit={self.bandwidth_limit}"] if self.bandwidth_limit else [])


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
        failure = self._error(words, done, said) if done.returncode else None
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

    def _error(self, words: Sequence[str], done: Completed, said: str) -> OpsError:
        where = self.options.remote
        if done.returncode < 0:
            return killed(f"rclone {words[0]} was killed", where, -done.returncode)
        known: list[tuple[str, type[OpsError], tuple[str, str]]] = [
            (_FULL, OpsError, _NO_ROOM),
            (_NO_TRUST, OpsError, _BAD_TRUST),
            (_REFUSED, RefusedError, _BAD_KEYS),
            (_UNREACHABLE, UnreachableError, _SILENT),
            *([] if self.inner else [(_CUT, UnreachableError, _SILENT)]),
            (_DAMAGED, DamagedError, _CHANGED),
        ]
        for pattern, kind, (summary, remedy) in known:
            if re.search(pattern, said):
                return kind(summary, where=where, cause=said, remedy=remedy)
        if done.returncode == _NOT_FOUND:
            remedy = "Make the bucket or the directory, or correct remote; it is not made by itself."
            return MissingError("The off-site has no such bucket or directory", where=where, cause=said, remedy=remedy)
        cause = f"exit status {done.returncode}: {said or 'it said nothing'}"
        return OpsError(f"rclone {words[0]} failed", where=where, cause=cause, remedy="Look at config_file and at the service.")


@contextlib.contextmanager
def opened(options: Options, deadline: Deadline) -> Iterator[Rclone]:
    """The program with the configuration as it is now."""
    program = shutil.which("rclone")
    if program is None:
        raise OpsError("There is no rclone", where="PATH", remedy="Install the package rclone on the host the operation runs on.")
    if options.ca_file and not Path(options.ca_file).is_file():
        raise OpsError("The authority's certificate is missing", where=options.ca_file, remedy="Mount it there, or leave ca_file empty.")
    text, sections = _read(options.config_file)
    match = _REMOTE.match(options.remote)
    if match is None or match["name"] not in sections:
        known = ", ".join(f"{name}:" for name in sections) or "none"
        remedy = f"Write it like name:bucket/directory. {options.config_file} has {known}."
        raise OpsError(f"The configuration of rclone does not know the remote {options.remote!r}", where=options.config_file, remedy=remedy)
    section = sections[match["name"]]
    descriptor = os.memfd_create("rclone.conf")
    try:
        os.write(descriptor, text.encode())
        kind, inner = section.get("type", ""), section.get("remote", "")
        yield Rclone(program, options, deadline, descriptor, tuple(_secrets(sections)), kind, inner if kind == "crypt" else "")
    finally:
        os.close(descriptor)


def environment() -> dict[str, str]:
    """Ours without what would speak louder than the configuration."""
    return {name: value for name, value in os.environ.items() if not _FOREIGN.match(name)}


def _read(path: str) -> tuple[str, dict[str, Mapping[str, str]]]:
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#", ";"))
    try:
        text = Path(path).read_text(encoding="utf-8")
        parser.read_string(text)
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        # The parser's own words hold the line it stumbled over.
        cause = str(error.strerror) if isinstance(error, OSError) else f"{type(error).__name__}: it is no configuration in plain text"
        remedy = "Mount the Secret with rclone.conf there, not encrypted as a whole."
        raise OpsError("The configuration of rclone could not be read", where=path, cause=cause, remedy=remedy) from None
    return text, {name: dict(parser.items(name)) for name in parser.sections()}


def _secrets(sections: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The longest first, as one may hold another."""
    found = {value for section in sections.values() for key, value in section.items() if _SECRET_KEY.search(key)}
    return sorted((value for value in found if len(value) >= _SHORTEST_SECRET and value not in ("true", "false")), key=len, reverse=True)


def _entries(log: Path) -> Iterator[dict[str, Any]]:
    """Lines of the log; the last may be half written."""
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError):
            entry = json.loads(line)
            if isinstance(entry, dict):
                yield entry
