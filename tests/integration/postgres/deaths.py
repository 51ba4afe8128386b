# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of a module that the kernel ends, as it does when memory runs out."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Literal

from tests.integration.app import servers
from tests.integration.postgres import support

How = Literal["at once", "midway", "at its end"]
HOWS: list[How] = ["at once", "midway", "at its end"]
_SCRIPT = """\
#!/bin/sh
case " $* " in
*" --version "*) exec {program} "$@" ;;
*"{words}"*) ;;
*) exec {program} "$@" ;;
esac
{before}
kill -9 $$
"""
_BEFORE: dict[How, str] = {"at once": "", "midway": '{program} "$@" | head -c 500', "at its end": '{program} "$@"'}


def dying(room: Path, name: str, how: How, words: str = "") -> Path:
    """A directory for PATH, in which the program dies where its command line has these words."""
    found = shutil.which(name, path=os.pathsep.join([str(servers.BINARIES), "/usr/bin", "/bin"]))
    assert found is not None
    path = room / "programs" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(_SCRIPT.format(program=found, words=words, before=_BEFORE[how].format(program=found)))
    path.chmod(0o755)
    return path.parent


def kill_server(scratch: Path, *, backend: bool) -> None:
    """The server that is thrown away, or the one of its processes that serves us."""
    (data,) = scratch.glob("scratch-*/data")
    postmaster = int((data / "postmaster.pid").read_text().split()[0])
    backends = [pid for pid, words in support.processes(data).items() if words.startswith("postgres: scratch_")]
    os.kill(backends[0] if backend else postmaster, signal.SIGKILL)
