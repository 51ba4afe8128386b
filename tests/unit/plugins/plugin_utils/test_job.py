# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that run away from their connection: followed, lost, killed, stopped, and what is said of them meanwhile."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.plugin_utils import _detached
from ansible_collections.endpoint_stats.ops.plugins.plugin_utils._job import Answer, Job, LostError, line

SECRET = "Planted-Hw7kQ2mZx9"
BUSY = b"import time\ntime.sleep(1.5)\nprint('done')\n"
ENDLESS = b"import time\nwhile True: time.sleep(60)\n"


class Host:
    """Runs what is sent as a host's interpreter does, and may be out of reach for some questions."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.unreached: list[int] = []
        self.asked = 0
        self.orders: list[str] = []
        self.on_pause: Callable[[], None] = lambda: None

    def send(self, text: str) -> Answer:
        self.asked += 1
        self.orders.append(text.rpartition("{'do': '")[2].partition("'")[0])
        if self.asked in self.unreached:
            raise AnsibleConnectionFailure("connection refused")
        done = subprocess.run([sys.executable, "-"], input=text, capture_output=True, text=True, timeout=60, check=False)
        return {"rc": done.returncode, "stdout": f"Welcome\n{done.stdout}\n", "stderr": done.stderr}

    def job(self, said: list[str] | None = None) -> Job:
        heard = said if said is not None else []
        return Job("pg_backup", "ops", str(self.directory), self.send, heard.append, lambda _seconds: self.on_pause())

    @property
    def jobs(self) -> list[Path]:
        return sorted(self.directory.glob(f"{_detached.PREFIX}*"))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setattr("ansible_collections.endpoint_stats.ops.plugins.plugin_utils._job.SILENT_SECONDS", 0.5)
    monkeypatch.setattr("ansible_collections.endpoint_stats.ops.plugins.plugin_utils._job.EVERY_SECONDS", 0.2)
    made = Host(tmp_path / "tmp")
    yield made
    for directory in made.jobs:
        if _detached._is_kept(directory):
            os.kill(int((directory / "alive").read_text()), signal.SIGTERM)


def soon(question: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 10
    while not (answer := question()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return answer


def is_alive(pid: int | str) -> bool:
    """A process that has ended and is not collected yet has no command line."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_short_program_needs_two_questions(host: Host) -> None:
    result = host.job().run("import sys\nprint('out')\nprint('grüße', file=sys.stderr)\nsys.exit(3)".encode())
    assert (result["rc"], result["stdout_lines"], result["stderr"]) == (3, ["out"], "grüße\n")
    assert host.orders == ["start", "forget"]
    assert host.jobs == []


def test_a_program_is_in_no_file(host: Host) -> None:
    job = host.job()
    begun = host.send(job._text("start", 0, program=_encoded(f"secret = '{SECRET}'\n".encode() + ENDLESS)))
    assert "running" in str(begun["stdout"])
    (directory,) = host.jobs
    assert directory.stat().st_mode & 0o777 == 0o700
    assert not [path for path in directory.iterdir() if SECRET in path.read_text()]
    keeper = int(soon((directory / "alive").read_text))
    children = soon(lambda: Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split())
    commands = [Path(f"/proc/{pid}/cmdline").read_text() for pid in (keeper, *children)]
    assert not [command for command in commands if SECRET in command or _encoded(SECRET.encode()) in command]
    job.stop()
    assert host.jobs == []
    assert soon(lambda: not any(map(is_alive, children)))


def test_what_is_said_is_printed_once(host: Host) -> None:
    said: list[str] = []
    job = host.job(said)
    words = {"phase": "dump", "done": 1 << 20, "total": 3 << 20, "unit": "bytes", "eta_seconds": 4.0}
    program = f"import pathlib\npathlib.Path({job.progress!r}).write_text({json.dumps(words)!r})\n"
    assert job.run(program.encode() + BUSY)["rc"] == 0
    assert said == ["pg_backup: dump 1 of 3 MiB, 4 s left"]


def test_a_connection_that_breaks_while_it_is_followed_is_tried_again(host: Host) -> None:
    host.unreached = [2, 3]
    assert host.job().run(BUSY)["stdout"] == "done\n"


def test_a_start_whose_answer_was_lost_is_found_again(host: Host) -> None:
    job, send = host.job(), host.send
    first = iter([True])

    def lossy(text: str) -> Answer:
        answer = send(text)
        return {"rc": 1, "stdout": "", "stderr": "unexpected EOF"} if next(first, False) else answer

    job.send = lossy
    assert job.run(b"print('done')")["stdout"] == "done\n"


def test_what_cannot_be_started_is_the_answer_of_the_connection(host: Host) -> None:
    job = host.job()
    job.send = lambda _text: {"rc": 127, "stdout": "", "stderr": "python3: not found"}
    assert job.run(b"")["stderr"] == "python3: not found"


def test_a_host_that_stays_away_is_an_error_that_says_the_work_goes_on(host: Host) -> None:
    host.unreached = list(range(2, 20))
    with pytest.raises(LostError, match=r"goes on all the same.*connection refused"):
        host.job().run(ENDLESS)
    (directory,) = host.jobs
    assert _detached._is_kept(directory)


@pytest.mark.parametrize(("who", "words"), [("program", "was ended by SIGKILL in the phase dump"), ("keeper", "is gone in the phase dump")])
def test_a_killed_program_is_a_clear_error(host: Host, who: str, words: str) -> None:
    job = host.job()

    def kill() -> None:
        (directory,) = host.jobs
        keeper = int((directory / "alive").read_text())
        (child,) = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
        os.kill(int(child) if who == "program" else keeper, signal.SIGKILL)
        host.on_pause = lambda: None

    host.on_pause = kill
    said = "{'phase': 'dump', 'done': 0, 'total': 0, 'unit': '', 'eta_seconds': None}"
    program = f"import json, pathlib\npathlib.Path({job.progress!r}).write_text(json.dumps({said}))\n".encode() + ENDLESS
    with pytest.raises(OpsError, match=words):
        job.run(program)
    assert host.jobs == []


def test_what_interrupts_the_waiting_ends_the_program(host: Host) -> None:
    keepers: list[int] = []

    def interrupt() -> None:
        keepers.append(int((host.jobs[0] / "alive").read_text()))
        raise KeyboardInterrupt

    host.on_pause = interrupt
    with pytest.raises(KeyboardInterrupt):
        host.job().run(ENDLESS)
    assert host.jobs == []
    assert soon(lambda: not is_alive(keepers[0]))


def test_a_directory_that_cannot_be_made_is_an_error(host: Host) -> None:
    host.directory.write_text("in the way")
    with pytest.raises(OpsError, match=r"could not be started.*ops:.*ansible_remote_tmp"):
        host.job().run(b"")


def test_what_nobody_came_back_for_is_taken_away_after_a_day(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    jobs = [host.directory / f"{_detached.PREFIX}{name}" for name in ("old", "fresh")]
    code = [tmp_path / f"ansible_endpoint_stats.ops.pg_backup_payload_{name}" for name in ("old", "fresh")]
    for directory in (*jobs, *code):
        directory.mkdir(parents=True)
        (directory / "ended").write_text("{}")
    for old, _fresh in (jobs, code):
        os.utime(old, (0, 0))
    host.job().run(b"")
    assert [directory.exists() for directory in (*jobs, *code)] == [False, True, False, True]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (None, ""),
        (("connect", 0, 0, "", None), "pg_backup: connect"),
        (("dump", 45 << 20, 120 << 20, "bytes", 12.4), "pg_backup: dump 45 of 120 MiB, 12 s left"),
        (("dump", 1536, 4096, "bytes", 130.0), "pg_backup: dump 1.5 of 4 KiB, 2.2 min left"),
        (("dump", 45 << 20, 0, "bytes", None), "pg_backup: dump 45 MiB"),
        (("verify", 3, 40, "tables", 7200.0), "pg_backup: verify 3 of 40 tables, 2 h left"),
        (("scan", 0, 1000, "keys", None), "pg_backup: scan 0 of 1000 keys"),
        (("dump", 12, 20, "bytes", 0.2), "pg_backup: dump 12 of 20 B, 0 s left"),
    ],
)
def test_a_line_says_how_far_it_is(said: tuple[Any, ...] | None, shown: str) -> None:
    names = ("phase", "done", "total", "unit", "eta_seconds")
    assert line("pg_backup", dict(zip(names, said, strict=True)) if said else None) == shown


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()
