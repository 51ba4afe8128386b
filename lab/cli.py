# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line of the lab."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from types import FrameType
from typing import Any, NoReturn

from lab import labs, servers, state
from lab.errors import LabError
from lab.progress import Progress, table

_DESCRIPTION = "Turn this Linux machine into a network of bare machines with a registry and a file server."


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    named = argparse.ArgumentParser(add_help=False)
    named.add_argument("--name", default="demo", help="name of the lab (default: demo)")
    whole = argparse.ArgumentParser(prog="python -m lab", description=_DESCRIPTION)
    commands = whole.add_subparsers(dest="command", required=True, metavar="command")
    up = commands.add_parser("up", parents=[named], help="make what is missing, start what is stopped")
    up.add_argument("--control-planes", type=int, default=1, metavar="N", help="machines in control_plane (default: 1)")
    up.add_argument("--workers", type=int, default=1, metavar="N", help="machines in workers (default: 1)")
    commands.add_parser("stop", parents=[named], help="stop all containers, keep their volumes")
    commands.add_parser("down", parents=[named], help="remove everything that is of this lab")
    status = commands.add_parser("status", parents=[named], help="show machines, addresses and states")
    status.add_argument("--json", action="store_true", help="print JSON")
    commands.add_parser("images", parents=[named], help="build the images of our own and push them to the lab's registry")
    commands.add_parser("artifacts", help="make the files and images that labs share")
    gone = commands.add_parser("remove-machine", parents=[named], help="lose one machine with all it holds")
    gone.add_argument("machine", help="name of the machine, such as worker-1")
    return whole


def _terminated(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def render(status: dict[str, Any]) -> str:
    """The status of a lab as a table."""
    rows = [(machine["name"], str(machine["address"]), machine["pod_subnet"], machine["state"]) for machine in status["machines"]]
    addresses = {server: status[server] for server in servers.SERVERS}
    rows += [(server["name"], str(addresses[server["name"]]), "", server["state"]) for server in status["servers"]]
    return table(("machine", "address", "pods", "state"), rows)


def _run(options: argparse.Namespace, progress: Progress) -> None:
    name = labs.checked_name(getattr(options, "name", "demo"))
    match options.command:
        case "up":
            labs.up(name, options.control_planes, options.workers, progress)
        case "stop":
            labs.stop(name, progress)
        case "down":
            labs.down(name, progress)
        case "remove-machine":
            labs.remove_machine(name, options.machine, progress)
        case "images":
            labs.push_images(name, progress)
        case "artifacts":
            labs.make_artifacts(progress)
    if options.command != "status":
        print(f"\n{progress.summary()}")
    if options.command in {"up", "status"}:
        found = state.status(name)
        as_json = options.command == "status" and options.json
        print(json.dumps(found, indent=2) if as_json else f"\n{render(found)}\n\ninventory: {found['inventory']}")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 1 for an error, 130 for an interruption."""
    signal.signal(signal.SIGTERM, _terminated)
    options = parser().parse_args(arguments)
    try:
        _run(options, Progress())
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where this run ended", file=sys.stderr)
        return 130
    return 0
