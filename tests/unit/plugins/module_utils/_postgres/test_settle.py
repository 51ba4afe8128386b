# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.administrator import Outcome
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.verifier import verifier


def test_a_verifier_has_the_form_postgresql_keeps() -> None:
    text = verifier("api", "a-password-of-a-test")
    kind, iterations, rest = text.replace("SCRAM-SHA-256$", "SCRAM-SHA-256 ").replace(":", " ", 1).split(" ")
    salt, keys = rest.split("$")
    stored, served = keys.split(":")
    assert (kind, iterations) == ("SCRAM-SHA-256", "4096")
    assert [len(part) for part in (salt, stored, served)] == [24, 44, 44]


def test_the_same_password_gives_the_same_text_and_never_itself() -> None:
    assert verifier("api", "secret-of-a-test") == verifier("api", "secret-of-a-test")
    assert verifier("api", "secret-of-a-test") != verifier("owner", "secret-of-a-test")
    assert verifier("api", "secret-of-a-test") != verifier("api", "another-of-a-test")
    assert "secret-of-a-test" not in verifier("api", "secret-of-a-test")


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [(["a", "b"], ["a", "b"], False), (["a", "b"], ["a"], True), (["a"], ["a", "c"], True)],
)
def test_an_outcome_has_only_what_differs(before: list[str], after: list[str], changed: bool) -> None:
    outcome = Outcome()
    outcome.differ("postgres", before, after)
    assert outcome.changed is changed
    assert "postgres: a" not in outcome.before + outcome.after
