# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._completed import KilledError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._process import output, run, server

COLLECTION = "ansible_collections.endpoint_stats.ops.plugins.module_utils"


def has_ended(pid: int, within_seconds: float = 10) -> bool:
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([watched], [], [], within_seconds)[0])
    finally:
        os.close(watched)


def test_output_status_and_input_are_kept() -> None:
    done = run(["sh", "-c", "cat; echo oops >&2; exit 3"], timeout_seconds=10, input_text="hello")
    assert (done.returncode, done.stdout, done.stderr) == (3, "hello", "oops\n")


def test_programs_speak_english_and_get_the_environment() -> None:
    done = run(["sh", "-c", 'echo "$LC_ALL $SECRET"'], timeout_seconds=10, environment={"SECRET": "s3", "LC_ALL": "de_DE"})
    assert done.stdout == "C s3\n"


def test_nobody_reads_the_terminal() -> None:
    assert run(["cat"], timeout_seconds=10).stdout == ""


def test_arguments_are_not_a_shell_line() -> None:
    assert run(["echo", "$(id); *"], timeout_seconds=10).stdout == "$(id); *\n"


def test_bytes_that_are_no_text_do_no_harm() -> None:
    assert run(["printf", r"a\377b"], timeout_seconds=10).stdout == "a\ufffdb"


def test_check_names_command_status_and_what_was_said() -> None:
    assert run(["true"], timeout_seconds=10).check("no").returncode == 0
    with pytest.raises(OpsError) as caught:
        run(["sh", "-c", "echo why >&2; exit 4"], timeout_seconds=10).check("The step failed", remedy="Do this")
    assert str(caught.value) == "The step failed. Where: sh -c 'echo why >&2; exit 4'. Cause: exit status 4: why. Do this."


def test_one_that_was_killed_has_refused_nothing() -> None:
    """Whoever takes a status for the word of the program on what it read does not see one."""
    with pytest.raises(KilledError) as raised:
        run(["sh", "-c", "echo half; kill -9 $$"], timeout_seconds=10).check("It failed")
    assert "returncode" not in raised.value.details
    assert "SIGKILL" in raised.value.cause
    with pytest.raises(KilledError), output(["sh", "-c", "echo half; kill -9 $$"], "It failed") as stream:
        assert stream.read() == b"half\n"


def test_a_missing_program_is_named() -> None:
    with pytest.raises(OpsError, match=r"could not be started.*no-such-program"):
        run(["no-such-program"], timeout_seconds=10)


def test_a_timeout_ends_the_program_and_its_children(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    started = time.monotonic()
    with pytest.raises(OpsError, match=r"did not end within 0.5 seconds.*Cause: still here"):
        run(["sh", "-c", f"echo still here >&2; tail -f /dev/null & echo $! > {pid_file}; wait"], timeout_seconds=0.5)
    assert time.monotonic() - started < 10
    assert has_ended(int(pid_file.read_text()))


def test_a_child_ends_with_its_parent(tmp_path: Path) -> None:
    fifo = tmp_path / "pid"
    os.mkfifo(fifo)
    program = tmp_path / "parent.py"
    program.write_text(
        "import os\n"
        "from ansible.plugins.loader import init_plugin_loader\n"
        "init_plugin_loader(os.environ['ANSIBLE_COLLECTIONS_PATH'].split(':'))\n"
        f"from {COLLECTION}._process import run\n"
        f"run(['sh', '-c', 'echo $$ > {fifo}; exec tail -f /dev/null'], timeout_seconds=60)\n"
    )
    with subprocess.Popen([sys.executable, str(program)]) as parent:
        child = int(fifo.read_text())
        parent.send_signal(signal.SIGKILL)
    assert has_ended(child)


def test_a_program_can_be_given_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOSTADDR", "192.0.2.1")
    done = run(["/usr/bin/env"], timeout_seconds=10, environment={"HOME": "/nowhere"}, inherit=False)
    assert done.stdout == "HOME=/nowhere\nLC_ALL=C\nLANGUAGE=C\n"


def test_a_server_is_ended_by_its_signal_and_holds_what_it_is_given(tmp_path: Path) -> None:
    log, (reading, writing) = tmp_path / "log", os.pipe()
    script = "import os, signal, sys; signal.signal(signal.SIGQUIT, lambda *_: (print('ended', flush=True), sys.exit()));"
    with server(
        [sys.executable, "-c", f"{script} os.write({writing}, b'held'); signal.pause()"],
        log=log,
        ended_by=signal.SIGQUIT,
        descriptors=[writing],
    ):
        os.close(writing)
        assert os.read(reading, 10) == b"held"
    assert (os.read(reading, 10), log.read_text()) == (b"", "ended\n")
    os.close(reading)


def test_what_is_fed_reaches_a_program_that_may_end_before() -> None:
    assert run(["wc", "-c"], timeout_seconds=10, feed=lambda stream: stream.writelines([b"x" * 1000] * 1000)).stdout == "1000000\n"
    early = run(["sh", "-c", "head -c 5; exit 3"], timeout_seconds=10, feed=lambda stream: stream.writelines([b"y" * 1000] * 1000))
    assert (early.returncode, early.stdout) == (3, "yyyyy")


def test_what_cannot_be_fed_to_its_end_is_an_error_although_the_program_is_content() -> None:
    def broken(stream: IO[bytes]) -> None:
        stream.write(b"half")
        raise OpsError("The rest is damaged")

    with pytest.raises(OpsError, match="The rest is damaged"):
        run(["cat"], timeout_seconds=10, feed=broken)


def test_output_is_read_while_the_program_runs_and_its_status_at_the_end() -> None:
    with output(["sh", "-c", "echo first; cat /dev/zero"], "It failed") as stream:
        assert stream.read(6) == b"first\n"
    with (
        pytest.raises(OpsError, match=r"It failed.*exit status 4: why"),
        output(["sh", "-c", "echo why >&2; exit 4"], "It failed") as stream,
    ):
        assert stream.read(10) == b""
