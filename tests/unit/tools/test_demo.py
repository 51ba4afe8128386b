# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from tools.demo import changes

RECAP = """\
PLAY RECAP *****
control-1                  : ok=71   changed=3    unreachable=0    failed=0    skipped=9    rescued=0    ignored=0
worker-1                   : ok=40   changed=12   unreachable=0    failed=0    skipped=9    rescued=0    ignored=0
"""
COLOURED = "\x1b[0;33mcontrol-1\x1b[0m : \x1b[0;32mok=71  \x1b[0m \x1b[0;33mchanged=3   \x1b[0m unreachable=0"


@pytest.mark.parametrize(("recap", "expected"), [(RECAP, 15), (RECAP.replace("3 ", "0 ").replace("12", "0 "), 0), (COLOURED, 3)])
def test_changes_of_all_hosts_are_counted(recap: str, expected: int) -> None:
    assert changes(recap) == expected


def test_no_recap_is_no_success() -> None:
    with pytest.raises(ValueError, match="no recap"):
        changes("changed=0")
