# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each thing the role sets is damaged: a dry run shows it, and a run repairs it.

That the next run finds nothing is seen where the whole site is run again, in tests/e2e/stack/test_converged.py.
"""

from __future__ import annotations

from contextlib import ExitStack

from tests.e2e.cluster.damages import FURTHER, KEPT, ONE_BY_ONE, shown
from tests.e2e.support import Lab


def test_all_damages_are_shown_and_repaired(lab: Lab) -> None:
    """Everything at once: what the dry run shows is what the run repairs."""
    damages = [*ONE_BY_ONE.values(), *FURTHER.values()]
    with ExitStack() as undone:
        for damage in damages:
            undone.enter_context(damage.done(lab))
        lab.paths.kubeconfig.chmod(0o644)
        dry = lab.play(check=True).expect()
        repair = lab.play().expect()
        undone.pop_all()
    expected = set().union(*(damage.expected for damage in damages))
    assert expected <= shown(dry.changes)
    assert {thing for host, thing in shown(dry.changes) - expected if host == "worker-1"} == set()
    assert expected <= shown(repair.changes)
    assert lab.paths.kubeconfig.stat().st_mode & 0o777 == 0o600
    assert lab.ready() == {"control-1", "worker-1"}
    for machine in ("control-1", "worker-1"):
        lab.root(machine, f"rm -f {KEPT}*")
