# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools.steps import Step, cause, run_all, run_stages


def test_all_steps_run_and_one_failure_fails_the_whole(capfd: pytest.CaptureFixture[str]) -> None:
    steps = [Step("first", ["false"]), Step("second", ["sh", "-c", 'echo "$WORD"'], {"WORD": "reached"})]
    assert run_all("Trial", steps) == 1
    output = capfd.readouterr().out
    assert "reached" in output
    assert "FAILED (1)" in output
    assert "failed: first" in output.splitlines()[-1]


def test_success_is_said_last(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_all("Trial", [Step("only", ["true"])]) == 0
    assert capfd.readouterr().out.splitlines()[-1].endswith("all 1 ok")


def test_why_a_step_failed_is_said_again_before_the_table(capfd: pytest.CaptureFixture[str]) -> None:
    broken = ["sh", "-c", "echo early; for n in $(seq 100); do echo line; done; echo 'no route to host' >&2; exit 3"]
    assert run_stages("Trial", [[[Step("broken", broken)]], [[Step("later", ["echo", "well"])]]]) == 1
    passed_on, _heading, end = capfd.readouterr().out.partition("== broken failed:")
    assert "early" in passed_on
    assert "well" in passed_on
    assert "early" not in end
    assert end.index("no route to host") < end.index("FAILED (3)")


def test_what_went_well_is_not_said_again(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_stages("Trial", [[[Step("only", ["echo", "well"])]]]) == 0
    assert capfd.readouterr().out.count("well") == 1


def test_lanes_of_a_stage_run_side_by_side_and_their_lines_tell_whose_they_are(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Each waits for the other: one after the other they would never end."""
    first, second = tmp_path / "first", tmp_path / "second"
    for pipe in (first, second):
        os.mkfifo(pipe)
    one = Step("one", ["sh", "-c", f"echo word > {first}; cat {second}"])
    other = Step("other", ["sh", "-c", f"cat {first}; echo answer > {second}; exit 4"])
    assert run_stages("Trial", [[[one], [other, Step("after", ["echo", "done"])]], [[Step("last", ["echo", "end"])]]]) == 1
    lines = capfd.readouterr().out.splitlines()
    assert {"one: answer", "other: word", "after: done", "end"} <= set(lines)
    assert lines.index("after: done") < lines.index("end")
    assert [line.split()[0] for line in lines[-6:-1]] == ["Trial:", "one", "other", "after", "last"]
    assert lines[-1].endswith("failed: other")


MOLECULE = """\
  \x1b[2m│\x1b[0m TASK [Make the machine]
  \x1b[2m│\x1b[0m changed: [localhost]
  \x1b[2m│\x1b[0m TASK [Take it out]
  \x1b[2m│\x1b[0m fatal: [localhost]: FAILED! =>
  \x1b[2m│\x1b[0m     msg: Cannot evict pod
  \x1b[2m│\x1b[0m PLAY RECAP
  \x1b[2m│\x1b[0m localhost : ok=1 failed=1
  \x1b[2m│\x1b[0m TASK [Stop the machines]
  \x1b[2m│\x1b[0m changed: [localhost]
make: *** [Makefile:53: molecule] Error 2
"""
PYTEST = """\
E   fatal: [localhost] stands in a captured output
=========================== short test summary info ============================
FAILED tests/e2e/test_works.py::test_usage - AssertionError: none
1 failed, 2 passed in 3.00s
"""


def test_the_cause_is_the_failed_task() -> None:
    assert cause(MOLECULE) == ["TASK [Take it out]", "fatal: [localhost]: FAILED! =>", "    msg: Cannot evict pod"]


def test_the_cause_is_the_summary_of_the_tests() -> None:
    assert cause(PYTEST) == PYTEST.splitlines()[1:]


def test_a_long_cause_keeps_its_beginning_and_its_end() -> None:
    lines = ["TASK [Read]", "fatal: [localhost]: FAILED! =>", *(f"line {number}" for number in range(500)), "at last"]
    shown = cause("\n".join(lines))
    assert len(shown) < 60
    assert (shown[0], shown[-1]) == ("TASK [Read]", "at last")
