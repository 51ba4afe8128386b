# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program `endpoint-stats`. Exit status: 0 done, 1 canary rows are lost, 2 wrong use, 3 it could not be done."""

from __future__ import annotations

import argparse
import logging
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

from endpoint_stats import __version__, logs
from endpoint_stats.canary import State, StateError, Stored, judged
from endpoint_stats.client import NO_ANSWER, Target, TargetError
from endpoint_stats.load import Load, LoadError, Plan, printed
from endpoint_stats.settings import Settings, SettingsError, from_environment
from endpoint_stats.validation import CANARY, InvalidError, stream_name

LOST = 1
WRONG_USE = 2
NOT_DONE = 3

_PAUSE_SECONDS = 1.0
_log = logging.getLogger(__name__)


def _bounded(kind: Callable[[str], float], smallest: float, largest: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = kind(text)
        if not math.isfinite(value) or not smallest <= value <= largest:
            raise argparse.ArgumentTypeError(f"{text} is not from {smallest:g} to {largest:g}")
        return value

    return parse


def _stream(text: str) -> str:
    try:
        return stream_name(text)
    except InvalidError as error:
        raise argparse.ArgumentTypeError(error.reason) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="endpoint-stats", description="Endpoint Statistics: the API and what belongs to it.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("serve", help="answer requests until SIGTERM").set_defaults(work=_serve)
    for name, work, words in (
        ("migrate", _migrate, "bring the schema to this release's state"),
        ("partitions", _partitions, "make the months ahead of the partitioned table"),
    ):
        command = commands.add_parser(name, help=words)
        command.add_argument("--months", type=_bounded(int, 0, 24), default=3, help="months ahead of the current one (default 3)")
        command.add_argument(
            "--wait-seconds", type=_bounded(float, 0, 3600), default=60.0, help="how long to wait for the database (default 60)"
        )
        command.add_argument(
            "--lock-seconds", type=_bounded(int, 1, 3600), default=300, help="how long to wait for another migration (default 300)"
        )
        command.set_defaults(work=work)
    _load_parser(commands.add_parser("load", help="send load and keep a canary stream"))
    canary = commands.add_parser("canary", help="look after a canary stream").add_subparsers(dest="action", required=True, metavar="ACTION")
    _check_parser(canary.add_parser("check", help="count lost rows"))
    return parser


def _target_options(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    parser.add_argument("--host", help="value of the Host header, where an ingress goes by it")
    parser.add_argument("--ca-file", help="certificates to trust for https")
    parser.add_argument("--timeout-seconds", type=_bounded(float, 0.1, 600), default=10.0, help="for one request (default 10)")


def _load_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", required=True, help="where the API is, such as http://flask-api:5000")
    _target_options(parser)
    parser.add_argument("--rate", type=_bounded(float, 0, 10000), default=20.0, help="calls a second, 0 for the canary alone (default 20)")
    parser.add_argument("--duration-seconds", type=_bounded(float, 0.1, 604800), default=60.0, help="how long (default 60)")
    parser.add_argument("--mode", choices=("steady", "spike"), default="steady", help="spike: more calls in the middle fifth")
    parser.add_argument("--spike-factor", type=_bounded(float, 1, 1000), default=5.0, help="how many times more (default 5)")
    parser.add_argument("--connections", type=_bounded(int, 1, 512), default=16, help="calls in flight at most (default 16)")
    parser.add_argument("--endpoints", type=_bounded(int, 1, 100_000), default=20, help="different endpoints (default 20)")
    parser.add_argument("--reads", type=_bounded(float, 0, 1), default=0.1, help="share of questions among the calls (default 0.1)")
    parser.add_argument("--seed", type=int, help="the same calls again")
    parser.add_argument("--canary-stream", type=_stream, metavar="NAME", help="also post the numbered rows of this stream")
    parser.add_argument("--canary-rate", type=_bounded(float, 0.01, 100), default=2.0, help="numbers a second (default 2)")
    parser.add_argument("--state-file", type=Path, metavar="FILE", help="where the last acknowledged number is kept")
    parser.set_defaults(work=_load)


def _check_parser(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--url", help="ask the API")
    where.add_argument("--database", action="store_true", help="ask the database itself, by the variables ENDPOINT_STATS_DATABASE_*")
    _target_options(parser)
    parser.add_argument("--stream", type=_stream, required=True, metavar="NAME")
    parser.add_argument("--state-file", type=Path, required=True, metavar="FILE")
    parser.add_argument("--wait-seconds", type=_bounded(float, 0, 3600), default=60.0, help="how long to wait for an answer (default 60)")
    parser.set_defaults(work=_check)


def _settings() -> Settings:
    return from_environment(os.environ)


def _serve(_options: argparse.Namespace) -> int:
    from endpoint_stats import server  # noqa: PLC0415 - the generator runs without the server's libraries

    server.serve(_settings())
    return 0


def _schema_command(name: str, options: argparse.Namespace) -> int:
    from endpoint_stats import database, schema  # noqa: PLC0415

    settings = _settings()
    logs.configure(settings.log_level, sys.stderr)
    work = getattr(schema, name)
    try:
        printed(work(settings, options.months, options.wait_seconds, options.lock_seconds))
    except database.UNAVAILABLE as error:
        _log.error("%s failed: %s", name, database.reason(error), exc_info=error, extra={"category": "audit"})
        return NOT_DONE
    return 0


def _migrate(options: argparse.Namespace) -> int:
    return _schema_command("migrate", options)


def _partitions(options: argparse.Namespace) -> int:
    return _schema_command("partitions", options)


def _target(options: argparse.Namespace) -> Target:
    target = Target(options.url, options.host, options.ca_file, options.timeout_seconds)
    target.client().close()
    return target


def _load(options: argparse.Namespace) -> int:
    if (options.canary_stream is None) != (options.state_file is None):
        raise SettingsError("--canary-stream", "and --state-file belong together")
    plan = Plan(
        target=_target(options),
        rate=options.rate,
        duration_seconds=options.duration_seconds,
        mode=options.mode,
        spike_factor=options.spike_factor,
        connections=options.connections,
        endpoints=options.endpoints,
        reads=options.reads,
        canary_rate=options.canary_rate,
        seed=options.seed,
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    state = State.read(options.state_file, options.canary_stream) if options.state_file else None
    with state.held() if state else nullcontext():
        result = Load(plan, state).run(stop)
    printed(result)
    return 0 if result["succeeded"] or not result["sent"] else NOT_DONE


def _check(options: argparse.Namespace) -> int:
    if not options.state_file.exists():
        raise StateError(f"{options.state_file} does not exist; `load` writes it with the first acknowledged number")
    state = State.read(options.state_file, options.stream)
    ask = _ask_database if options.database else _ask_api
    deadline = time.monotonic() + options.wait_seconds
    while True:
        stored, cause = ask(options, state)
        if stored is not None:
            break
        if time.monotonic() >= deadline:
            known = {"stream": state.stream, "acknowledged": state.acknowledged}
            printed({"command": "canary check", **known, "verdict": "could_not_check", "cause": cause})
            return NOT_DONE
        time.sleep(_PAUSE_SECONDS)
    result = judged(state, stored)
    printed({"command": "canary check", **result})
    return LOST if result["lost"] else 0


def _ask_api(options: argparse.Namespace, state: State) -> tuple[Stored | None, str]:
    client = _target(options).client()
    try:
        status, document = client.get(f"/api/canary/{state.stream}?first=1&last={max(1, state.acknowledged)}")
    except NO_ANSWER as error:
        return None, str(error) or type(error).__name__
    finally:
        client.close()
    if status != 200 or not isinstance(document, dict):
        return None, f"HTTP status {status}"
    return (Stored.of(document) if state.acknowledged else Stored.none()), ""


def _ask_database(_options: argparse.Namespace, state: State) -> tuple[Stored | None, str]:
    from endpoint_stats import database, queries  # noqa: PLC0415

    if not state.acknowledged:
        return Stored.none(), ""
    try:
        return queries.canary(database.single(_settings(), "canary"), CANARY + state.stream, 1, state.acknowledged), ""
    except database.UNAVAILABLE as error:
        return None, database.reason(error)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command."""
    options = _parser().parse_args(arguments)
    work: Callable[[argparse.Namespace], int] = options.work
    try:
        return work(options)
    except (SettingsError, StateError, TargetError) as error:
        print(f"endpoint-stats: {error}", file=sys.stderr)
        return WRONG_USE
    except LoadError as error:
        print(f"endpoint-stats: {error}", file=sys.stderr)
        return NOT_DONE
