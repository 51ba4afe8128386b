# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One thing is damaged at a time: a dry run shows exactly that."""

from __future__ import annotations

import pytest

from tests.e2e.cluster.damages import ONE_BY_ONE, shown
from tests.e2e.support import Lab


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_a_dry_run_shows_exactly_what_is_damaged(lab: Lab, name: str) -> None:
    """Nothing else, and nothing is repaired by looking."""
    damage = ONE_BY_ONE[name]
    with damage.done(lab):
        changes = lab.play(check=True).expect().changes
    assert shown(changes) == damage.expected
    assert damage.shown in next(change.diff for change in changes if change.thing == damage.thing)
