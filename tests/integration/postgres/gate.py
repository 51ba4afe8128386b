# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program or function of a module, stopped where a test wants to look or to kill."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.integration.app import servers
from tests.integration.postgres import support

_SECONDS = 60
_COLLECTION = "ansible_collections.endpoint_stats.ops.plugins"
_WRAPPER = """\
#!/bin/sh
{case} || exec {program} "$@"
{before}
{program} "$@"
status=$?
{after}
exit $status
"""
_STOP = "echo reached > {reached}; read answer < {answer}"
_CODE = """
import importlib
from ansible_collections.endpoint_stats.ops.plugins.module_utils import _process

def stop():
    with open({reached!r}, "w") as stream:
        stream.write("reached\\n")
    with open({answer!r}) as stream:
        stream.readline()

times = []

def gated(call):
    def stopped(*arguments, **named):
        stops = ({when}) and len(times) < {most}
        if stops:
            times.append(1)
        if stops and {before}:
            stop()
        result = call(*arguments, **named)
        if stops and not {before}:
            stop()
        return result
    return stopped

# Also what takes no time is looked after while it runs.
_process._WATCH_SECONDS = 0.01
module, _, attribute = {function!r}.partition(":")
target = importlib.import_module(module)
*owners, name = attribute.split(".")
for owner in owners:
    target = getattr(target, owner)
setattr(target, name, gated(getattr(target, name)))
importlib.import_module({module!r}).main()
"""


@dataclass(frozen=True)
class Gate:
    """Where the module stops; C(programs) and C(code) are what C(Place.start) takes."""

    programs: Path | None
    code: str
    reached: int
    answer: int

    def wait(self) -> None:
        """Until the module has come here."""
        ready, _, _ = select.select([self.reached], [], [], _SECONDS)
        assert ready, "the module did not come to the gate"
        assert os.read(self.reached, 100) == b"reached\n"

    def open(self, times: int = 1) -> None:
        """Let it go on, also when it comes here again."""
        os.write(self.answer, b"go\n" * times)


@contextlib.contextmanager
def of_program(room: Path, name: str, *, after: bool = False, first: str = "") -> Iterator[Gate]:
    """Before a program of PostgreSQL runs, or after it has ended; C(first) is the first argument of the call that is meant."""
    with _pipes(room) as (reached, answer, descriptors):
        stop = _STOP.format(reached=reached, answer=answer)
        program = wrapper(room, name, first=first, **{"after" if after else "before": stop})
        yield Gate(program.parent, "", *descriptors)


@contextlib.contextmanager
def of_function(
    room: Path, function: str, *, module: str = "pg_backup", after: bool = False, when: str = "True", most: int = 1000
) -> Iterator[Gate]:
    """Before a function is called, or after it has ended; C(function) is like C(_postgres.repository:Repository.publish).

    It stops C(when) that is so of its C(arguments), and at C(most) so many times.
    """
    names = {"function": f"{_COLLECTION}.module_utils.{function}", "module": f"{_COLLECTION}.modules.{module}"}
    with _pipes(room) as (reached, answer, descriptors):
        yield Gate(
            None, _CODE.format(reached=str(reached), answer=str(answer), before=not after, when=when, most=most, **names), *descriptors
        )


@contextlib.contextmanager
def of_phase(room: Path, name: str, *, module: str) -> Iterator[Gate]:
    """Before a phase of a module begins."""
    with of_function(room, "_progress:Progress.phase", module=module, when=f"{name!r} in arguments") as stopped:
        yield stopped


@contextlib.contextmanager
def within_phase(room: Path, name: str, *, module: str) -> Iterator[Gate]:
    """When the module says for the first time how far a phase is."""
    with of_function(room, "_progress:Progress.advance", module=module, when=f"arguments[0]._name == {name!r}", most=1) as stopped:
        yield stopped


def wrapper(room: Path, name: str, *, before: str = "", after: str = "", first: str = "") -> Path:
    """A program that comes first on PATH; its lines of shell run around the real one."""
    case = f'[ "$1" = {first} ]' if first else '[ "$1" != --version ]'
    directory = room / "programs"
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text(_WRAPPER.format(program=servers.BINARIES / name, case=case, before=before, after=after))
    path.chmod(0o755)
    return path


@contextlib.contextmanager
def _pipes(room: Path) -> Iterator[tuple[Path, Path, tuple[int, int]]]:
    """Two named pipes. Both ends are held here, so that nobody waits for a reader or writer."""
    paths = (room / "reached", room / "answer")
    with contextlib.ExitStack() as cleanup:
        opened = []
        for path in paths:
            os.mkfifo(path)
            cleanup.callback(path.unlink)
            support.own(path)
            opened.append(os.open(path, os.O_RDWR | os.O_NONBLOCK))
            cleanup.callback(os.close, opened[-1])
        yield *paths, (opened[0], opened[1])
