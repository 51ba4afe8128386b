# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a Python program away from the connection that brought it, and tells those who ask how far it is.

Sent as text to the host and run there: it needs nothing but Python. A job is a directory:

alive        held by the keeper, who waits for the program, as long as it lives; its process id is in it
progress     what the program says of itself
stdout, stderr
ended        the exit status; written last
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MARK = "endpoint-stats-job: "
PREFIX = "endpoint-stats-job-"
_CODE = "ansible_endpoint_stats.ops.*_payload_*"
_POLL_SECONDS = 0.1
_KEPT_SECONDS = 86400
_LONGEST_SECONDS = 86400
_GRACE_SECONDS = 10
_PR_SET_PDEATHSIG = 1

Order = dict[str, Any]


def start(order: Order) -> dict[str, Any]:
    """Begin, and wait a little for the end: what is short needs no second question."""
    directory = _directory(order)
    directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sweep(directory.parent)
    directory.mkdir(mode=0o700)
    lock = os.open(directory / "alive", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    if os.fork() == 0:
        try:
            _keep(directory, lock, base64.b64decode(order["program"]))
        finally:
            os._exit(0)
    os.close(lock)
    return look(order)


def look(order: Order) -> dict[str, Any]:
    """How far it is; an end that comes within the given time is waited for."""
    directory, deadline = _directory(order), time.monotonic() + order["wait_seconds"]
    while True:
        answer = _seen(directory, Path(order["progress"]).expanduser())
        if answer["state"] != "running" or time.monotonic() >= deadline:
            return answer
        time.sleep(_POLL_SECONDS)


def stop(order: Order) -> dict[str, Any]:
    """End the program with everything it has started."""
    directory = _directory(order)
    if _seen(directory, directory)["state"] == "running":
        os.kill(int((directory / "alive").read_text()), signal.SIGTERM)
    return look({**order, "wait_seconds": _GRACE_SECONDS})


def forget(order: Order) -> dict[str, Any]:
    """Nothing of it stays; its result has arrived."""
    shutil.rmtree(_directory(order), ignore_errors=True)
    return {"state": "absent"}


def _directory(order: Order) -> Path:
    return Path(order["directory"]).expanduser()


def _seen(directory: Path, progress: Path) -> dict[str, Any]:
    if not directory.is_dir():
        return {"state": "absent"}
    lived = _is_kept(directory)
    with contextlib.suppress(FileNotFoundError):
        ended = json.loads((directory / "ended").read_text())
        streams = {name: (directory / name).read_text(encoding="utf-8", errors="surrogateescape") for name in ("stdout", "stderr")}
        return {"state": "ended", "progress": _said(progress), **ended, **streams}
    return {"state": "running" if lived else "vanished", "progress": _said(progress)}


def _is_kept(directory: Path) -> bool:
    """The kernel frees the lock when the keeper dies, however it dies."""
    try:
        with (directory / "alive").open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _said(progress: Path) -> Any:
    try:
        return json.loads(progress.read_text())
    except (OSError, ValueError):
        return None


def _sweep(parent: Path) -> None:
    """Take away what nobody came back for, and the code that Ansible leaves of killed modules."""
    for directory in [*parent.glob(f"{PREFIX}*"), *Path(tempfile.gettempdir()).glob(_CODE)]:
        with contextlib.suppress(OSError):
            if time.time() - directory.stat().st_mtime > _KEPT_SECONDS and not _is_kept(directory):
                shutil.rmtree(directory)


def _keep(directory: Path, lock: int, program: bytes) -> None:
    """Outlives the connection: none of its pipes is kept open, and the program comes by a pipe, never by a file."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    with (directory / "stdout").open("wb") as stdout, (directory / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable], stdin=subprocess.PIPE, stdout=stdout, stderr=stderr, start_new_session=True, preexec_fn=_end_with_keeper
        )
        signal.signal(signal.SIGTERM, lambda *_ignored: _kill(process))
        try:
            process.communicate(program, timeout=_LONGEST_SECONDS)
        except subprocess.TimeoutExpired:
            _kill(process)
    fresh = directory / "ended.new"
    fresh.write_text(json.dumps({"returncode": process.wait()}))
    fresh.rename(directory / "ended")


def _end_with_keeper() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def main(order: Order) -> None:
    try:
        answer = {"start": start, "look": look, "stop": stop, "forget": forget}[order["do"]](order)
    except OSError as error:
        answer = {"state": "refused", "cause": str(error)}
    print(f"{MARK}{json.dumps(answer)}", flush=True)
