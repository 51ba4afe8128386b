# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Newer releases of PostgreSQL as the server that is backed up, and as the one that a backup of PostgreSQL 15 is restored on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.proof.versions.releases import RELEASES, Inside, called, shown

_MUTATION = [f"tests/proof/mutation/test_{name}.py" for name in ("healthy", "rows", "roles", "structure")]
_INTEGRATION = [f"tests/integration/postgres/test_{name}.py" for name in ("buckets", "levels", "restore", "restore_tables")]
_OWN = [f"tests/proof/versions/test_{name}.py" for name in ("older", "newer")]
FILES = [*_OWN, *_MUTATION, *_INTEGRATION]


@pytest.mark.parametrize("at", RELEASES, ids=str, indirect=True)
@pytest.mark.parametrize("file", ["", *FILES], ids=lambda file: called(file) if file else "the programs")
def test_with(at: Inside, file: str, record_property: Callable[[str, object], None]) -> None:
    if not file:
        record_property("shown", at.versions())
        assert at.versions().startswith(f"{at.release}.")
        return
    tests = at.run(file)
    record_property("shown", shown(tests))
    assert not tests.lost, tests.output
