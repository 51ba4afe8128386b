# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that the lab runs: their errors are readable, and none outlives its caller."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import process
from lab.errors import LabError
from lab.process import attempt, run, stream


def test_returns_what_a_program_printed() -> None:
    """Input goes in, output comes back."""
    assert run(["cat"], input_text="words") == "words"


def test_an_error_names_program_status_and_reason() -> None:
    """The last lines of what the program said are in the message, with the next step."""
    with pytest.raises(LabError, match=r"(?s)ls -d /does/not/exist: exit status 2\n.*No such file.*next step: look there"):
        run(["ls", "-d", "/does/not/exist"], next_step="look there")


def test_a_failure_can_be_an_answer() -> None:
    """`attempt` raises only when the program does not run at all."""
    assert attempt(["false"]).returncode == 1
    with pytest.raises(LabError, match="not installed"):
        attempt(["no-such-program"])
    with pytest.raises(LabError, match="no end after 0 s"):
        attempt(["sleep", "9"], timeout_seconds=0.1)


def test_lines_arrive_while_a_program_runs() -> None:
    """Both streams are read, and a failure carries them."""
    lines: list[str] = []
    with pytest.raises(LabError, match="exit status 3"):
        stream(["bash", "-c", "echo one; echo two >&2; exit 3"], lines.append)
    assert lines == ["one", "two"]


@pytest.mark.parametrize("trap", ["", "trap '' TERM;"])
def test_an_interrupted_program_takes_its_children_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trap: str) -> None:
    """What a program started ends with it, also where it does not listen."""
    monkeypatch.setattr(process, "_GRACE_SECONDS", 0.5)

    def interrupt(line: str) -> None:
        (tmp_path / "child").write_text(line)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stream(["bash", "-c", f"{trap} bash -c 'echo $$; exec sleep 60' & wait"], interrupt)
    status = Path("/proc", (tmp_path / "child").read_text(), "stat")
    assert not status.exists() or status.read_text().split()[2] == "Z"
