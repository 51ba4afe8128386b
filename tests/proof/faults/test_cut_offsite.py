# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of backups elsewhere: the network or the service goes away at each phase, or what copies is killed; the next run goes on."""

from __future__ import annotations

import contextlib
import http.server
import shutil
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import manifest

from tests.integration.postgres import deaths, gate, killed, support
from tests.integration.postgres.elsewhere import Elsewhere, files, ids
from tests.integration.postgres.proxy import Network, network
from tests.proof.faults import aftermath

How = Literal["reset", "silence", "503"]
OTHERS: tuple[How, How] = ("silence", "503")
_PHASE = partial(gate.of_phase, module="backup_offsite")
COPY: dict[str, killed.Stop] = {
    **{
        f"before {what}": partial(_PHASE, name=name)
        for what, name in {"it looks": "look", "it sends": "copy", "it checks": "check"}.items()
    },
    "before the manifest": partial(gate.of_function, function="_offsite.remote:Remote.publish", module="backup_offsite"),
    "before it looks at older ones": partial(_PHASE, name="recheck"),
    "before it deletes": partial(_PHASE, name="retention"),
    "in a deletion": partial(gate.of_function, function="_offsite.remote:Remote.delete", module="backup_offsite"),
    "before the records": partial(_PHASE, name="records"),
    "in the records": partial(gate.of_function, function="_offsite.remote:Remote.send_records", module="backup_offsite"),
    "before the probe": partial(_PHASE, name="probe"),
}
FETCH: dict[str, killed.Stop] = {
    "before it looks": partial(_PHASE, name="look"),
    "before the records": partial(gate.of_function, function="_offsite.fetch:_records", module="backup_offsite"),
    "before it fetches": partial(_PHASE, name="fetch"),
}
KILLED_FETCH: dict[str, killed.Stop] = {
    **FETCH,
    "after the records": partial(gate.of_function, function="_offsite.fetch:_records", module="backup_offsite", after=True),
    "when it has fetched": partial(_PHASE, name="checksum"),
    "before the name": partial(_PHASE, name="publish"),
    "after the name": partial(gate.of_function, function="_postgres.repository:Repository.publish", module="backup_offsite", after=True),
}
# A reset at each of them, and the others where something else is under way.
CUTS: list[tuple[str, How]] = [
    *((phase, "reset") for phase in COPY),
    *((phase, how) for phase in ("before it looks", "before it sends", "in a deletion", "in the records") for how in OTHERS),
]
FETCH_CUTS: list[tuple[str, How]] = [*((phase, "reset") for phase in FETCH), *(("before it fetches", how) for how in OTHERS)]
RCLONE: list[tuple[str, deaths.How]] = [
    *((command, "at once") for command in ("lsjson", "copyto", "cat", "copy", "check", "delete")),
    *((command, "at its end") for command in ("copyto", "copy")),
]
OPTIONS: dict[str, Any] = {"backup": "all", "retention": {"last": 2}, "idle_timeout_seconds": 2}
# What is only done where it is wanted.
_WANTED = {"before it looks at older ones": {"recheck": True}, "before the probe": {"expect_immutable": True}}
_BUSY = b'<?xml version="1.0"?><Error><Code>ServiceUnavailable</Code><Message>Reduce your request rate.</Message></Error>'


class _Busy(http.server.BaseHTTPRequestHandler):
    """It has no time for anybody."""

    def handle_one_request(self) -> None:
        """Whatever is asked, when all of it was read."""
        self.close_connection = True
        self.raw_requestline = self.rfile.readline()
        if self.raw_requestline and self.parse_request():
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(503)
            self.send_header("Content-Length", str(len(_BUSY)))
            self.end_headers()
            self.wfile.write(_BUSY if self.command != "HEAD" else b"")

    def log_message(self, *_arguments: object) -> None:
        """Nobody reads it."""


@contextlib.contextmanager
def _busy(directory: Path) -> Iterator[int]:
    """A service with the real one's certificate that has no time for anybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "tls.crt", directory / "tls.key")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Busy) as made:
        made.daemon_threads = True
        made.handle_error = lambda *_arguments: None  # type: ignore[method-assign]
        made.socket = context.wrap_socket(made.socket, server_side=True)
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made.server_address[1]
        made.shutdown()
        thread.join()


@dataclass(frozen=True)
class Line:
    """The way to the service, which can be cut."""

    network: Network
    busy: int
    port: int

    def cut(self, how: How) -> None:
        if how == "503":
            self.network.mend(self.busy)
        else:
            self.network.cut(how)

    def mend(self) -> None:
        self.network.mend(self.port)


@pytest.fixture
def line(elsewhere: Elsewhere) -> Iterator[Line]:
    service = elsewhere.service
    with network(service.port) as made, _busy(service.directory) as busy:
        config = Path(elsewhere.options()["config_file"])
        config.write_text(config.read_text().replace(f":{service.port}", f":{made.port}"))
        yield Line(made, busy, service.port)


@dataclass(frozen=True)
class Copies:
    """Two backups here, of which the older has a copy there, and a third that is only there and may go."""

    elsewhere: Elsewhere
    here: dict[str, dict[str, str]]
    content: dict[str, str]

    def whole(self) -> list[str]:
        """Copies that count are whole; nothing here is another one."""
        place = self.elsewhere
        for name, tree in self.here.items():
            assert support.tree(place.backups / name) == tree
        assert aftermath.before(place.place, place.backups).repository.records().problems == ()
        assert place.place.content() == self.content
        published = sorted(path.parent.name for path in place.there.glob("2*/manifest.json"))
        for name in published:
            made = manifest.load(place.there / name)
            assert {file.path: file.bytes for file in made.files}.items() <= {
                name: len(data) for name, data in files(place.there / name).items()
            }.items()
        return published

    def completed(self, **options: Any) -> dict[str, Any]:
        """The next run sends what lacks and no byte more."""
        place = self.elsewhere
        lacking = {
            (name, path): len(data)
            for name in place.names
            for path, data in files(place.backups / name).items()
            if path != "manifest.json" and not (place.there / name / path).exists()
        }
        result = place.good(**{**OPTIONS, **options})
        assert result["transferred_bytes"] == sum(lacking.values())
        assert set(self.whole()) == {*place.names}
        for name in place.names:
            assert files(place.there / name) == files(place.backups / name)
        assert files(place.there / "records") == {
            name: data for name, data in files(place.backups / "records").items() if name in ("chain.jsonl", "head.json")
        }
        return result


@pytest.fixture
def copies(elsewhere: Elsewhere, line: Line) -> Copies:
    """On the way that can be cut."""
    return begun(elsewhere)


def begun(elsewhere: Elsewhere) -> Copies:
    """One copy is there, one lacks, and one may go."""
    elsewhere.more(2)
    oldest, older, newest = elsewhere.names
    aside = elsewhere.room / newest
    (elsewhere.backups / newest).rename(aside)
    elsewhere.good(backup="all", retention={"last": 9})
    aside.rename(elsewhere.backups / newest)
    shutil.rmtree(elsewhere.backups / oldest)
    here = {name: support.tree(elsewhere.backups / name) for name in (older, newest)}
    return Copies(elsewhere, here, elsewhere.place.content())


@pytest.mark.parametrize(("phase", "how"), CUTS)
def test_a_copy_is_cut_off(copies: Copies, line: Line, phase: str, how: How) -> None:
    """A finding; nothing is deleted here, and the next run goes on."""
    elsewhere, metrics = copies.elsewhere, copies.elsewhere.room / "offsite.prom"
    options = elsewhere.options(**OPTIONS, **_WANTED.get(phase, {}), metrics_path=str(metrics))
    with COPY[phase](elsewhere.room) as stopped:
        running = elsewhere.place.start("backup_offsite", options, code=stopped.code)
        stopped.wait()
        line.cut(how)
        stopped.open(9)
        result = elsewhere.place.good(aftermath.ended(running)).result
    assert (result["reachable"], ids(result)[-1]) == (False, "offsite_unreachable")
    unreachable = result["findings"][-1]
    assert unreachable["subject"] == elsewhere.options()["remote"]
    assert unreachable["evidence"]
    assert unreachable["remedy"]
    assert f'endpoint_stats_backup_offsite_reachable{{database="{support.DATABASE}"}} 0' in metrics.read_text()
    line.mend()
    copies.whole()
    copies.completed()


@pytest.mark.parametrize("how", ["reset", "silence"])
def test_a_copy_is_cut_off_in_the_middle_of_a_file(copies: Copies, line: Line, how: Literal["reset", "silence"]) -> None:
    elsewhere = copies.elsewhere
    newest = elsewhere.names[-1]
    with COPY["before it sends"](elsewhere.room) as stopped:
        running = elsewhere.place.start("backup_offsite", elsewhere.options(**OPTIONS), code=stopped.code)
        stopped.wait()
        line.network.cut_after(300_000, how)
        stopped.open(9)
        result = elsewhere.place.good(aftermath.ended(running)).result
    assert (result["reachable"], result["copied"], result["deleted"]) == (False, [], [])
    line.mend()
    assert newest not in copies.whole()
    assert newest in copies.completed()["copied"]


@pytest.mark.parametrize("phase", COPY)
def test_a_copy_is_killed(copies: Copies, phase: str) -> None:
    elsewhere = copies.elsewhere
    options = elsewhere.options(**OPTIONS, **_WANTED.get(phase, {}))
    with COPY[phase](elsewhere.room) as stopped:
        running = elsewhere.place.start("backup_offsite", options, code=stopped.code)
        stopped.wait()
        running.kill()
        elsewhere.place.await_nobody("backup", elsewhere.room)
    copies.whole()
    assert copies.completed()["reachable"]


@pytest.mark.parametrize(("command", "how"), RCLONE)
def test_rclone_is_killed(copies: Copies, command: str, how: deaths.How) -> None:
    elsewhere = copies.elsewhere
    programs = deaths.dying(elsewhere.room, "rclone", how, f" {command} ")
    outcome = elsewhere.run(programs=programs, **OPTIONS)
    aftermath.explained(outcome, f"rclone {command} was killed", "SIGKILL", "archive:")
    copies.whole()
    assert copies.completed()["reachable"]


@pytest.mark.parametrize(("phase", "how"), FETCH_CUTS)
def test_a_fetch_is_cut_off(copies: Copies, line: Line, phase: str, how: How) -> None:
    with fetching(copies) as (target, options):
        with FETCH[phase](copies.elsewhere.room) as stopped:
            running = copies.elsewhere.place.start("backup_offsite", options, code=stopped.code)
            stopped.wait()
            line.cut(how)
            stopped.open(9)
            outcome = aftermath.ended(running)
        aftermath.explained(outcome, "The off-site does not answer", "archive:")
        line.mend()
        assert fetched(copies, target, options)["records_copied"] is (phase != "before it fetches")


@pytest.mark.parametrize("phase", KILLED_FETCH)
def test_a_fetch_is_killed(copies: Copies, phase: str) -> None:
    with fetching(copies) as (target, options):
        with KILLED_FETCH[phase](copies.elsewhere.room) as stopped:
            running = copies.elsewhere.place.start("backup_offsite", options, code=stopped.code)
            stopped.wait()
            running.kill()
            copies.elsewhere.place.await_nobody("backup", copies.elsewhere.room)
        assert fetched(copies, target, options)["backup"] == copies.elsewhere.names[-1]


@contextlib.contextmanager
def fetching(copies: Copies) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Everything there is elsewhere; the directory is gone."""
    assert copies.completed()["reachable"]
    target = copies.elsewhere.room / "fetched"
    yield target, copies.elsewhere.options(state="fetched", directory=str(target))


def fetched(copies: Copies, target: Path, options: dict[str, Any]) -> dict[str, Any]:
    """The backup with its records, as if nothing had been in the way."""
    elsewhere, newest = copies.elsewhere, copies.elsewhere.names[-1]
    assert not [path for path in target.glob("2*") if files(path) != files(elsewhere.backups / path.name)]
    result = elsewhere.place.good(elsewhere.place.run("backup_offsite", options)).result
    assert files(target / newest) == files(elsewhere.backups / newest)
    assert files(target / "records") == files(elsewhere.there / "records")
    left = [path.name for path in target.iterdir() if path.name.startswith((".incomplete", ".records"))]
    assert left == []
    return result
