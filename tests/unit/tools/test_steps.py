# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from tools.steps import Step, run_all


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
