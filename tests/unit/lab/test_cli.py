# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line."""

from __future__ import annotations

import pytest

from lab import cli, labs
from lab.errors import LabError
from lab.progress import Progress, table


@pytest.mark.parametrize("name", ["Demo", "1lab", "a_b", "", "../x", "a" * 21])
def test_refuses_names_that_are_no_host_names(name: str) -> None:
    """A name becomes part of paths, host names and container names."""
    with pytest.raises(LabError, match="choose another --name"):
        labs.checked_name(name)


def test_an_error_is_printed_and_ends_with_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Subject, cause and next step, without a traceback."""
    assert cli.main(["status", "--name", "Not-A-Name"]) == 1
    assert capsys.readouterr().err.startswith("error: lab Not-A-Name: a name is")


def test_a_table_is_as_wide_as_its_cells() -> None:
    """Columns line up."""
    assert table(("a", "b"), [("long", "x")]).splitlines() == ["a     b", "----  -", "long  x"]


def test_a_failed_step_is_not_in_the_summary(capsys: pytest.CaptureFixture[str]) -> None:
    """The table lists what was done."""
    progress = Progress()
    with progress.step("first"):
        pass
    with pytest.raises(LabError), progress.step("broken"):
        raise LabError("x", "y")
    assert "broken: failed" in capsys.readouterr().out
    assert "broken" not in progress.summary()
