# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How what was seen becomes a verdict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._deadline import Deadline
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import examine, ranges, trial_compare, verdict
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.load_error import LoadError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.manifest import ManifestError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.trial import Trial
from ansible_collections.endpoint_stats.ops.plugins.module_utils._progress import Progress

from tests.unit.plugins.module_utils._postgres import backups

ASKED = verdict.Asked("full", "endpoint_stats", "", "", 2, 60)
LOOKED_AT = {"files": 2, "bytes": 300, "entries": 1, "tables": 2, "rows": 42, "views": 0, "sequences": 0}


def judged(look: Callable[[Any], None], level: str = "full") -> verdict.Seen:
    asked = verdict.Asked(level, "endpoint_stats", "", "", 2, 60)
    return examine._judged(Path("/nowhere/20261125T211700Z"), asked, Progress(), look)


def failing(error: OpsError) -> Callable[[Any], None]:
    def look(_examination: Any) -> None:
        raise error

    return look


def counting(**changes: int) -> Callable[[Any], None]:
    def look(examination: Any) -> None:
        examination.seen.manifest = backups.manifest()
        examination.seen.checked.update({**LOOKED_AT, **changes})
        examination.complete()

    return look


def test_everything_looked_at_and_equal_has_passed() -> None:
    seen = judged(counting())
    assert (seen.verdict, seen.reason, seen.differences) == ("passed", "", [])


@pytest.mark.parametrize("what", ["files", "bytes", "entries", "tables", "rows"])
def test_what_was_not_looked_at_has_not_passed(what: str) -> None:
    seen = judged(counting(**{what: 0}))
    assert seen.verdict == "could_not_verify"
    assert f"0 of {LOOKED_AT[what]} {what}" in seen.reason


@pytest.mark.parametrize(("what", "verdict"), [("rows", "passed"), ("files", "could_not_verify")])
def test_a_level_asks_for_what_it_looks_at(what: str, verdict: str) -> None:
    assert judged(counting(**{what: 0}), level="checksum").verdict == verdict


def test_a_difference_is_a_failure_whatever_else_went_wrong() -> None:
    def look(examination: Any) -> None:
        examination.seen.differ("role_missing", "api", "a role in globals.sql", "none")
        raise OpsError("The scratch server lacks extensions")

    seen = judged(look)
    assert (seen.verdict, seen.reason) == ("failed", "role_missing api: expected a role in globals.sql, found none")


def test_a_difference_stays_one_where_its_rows_cannot_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_arguments: object) -> None:
        raise OpsError("The server ended")

    def look(examination: Any) -> None:
        examination.seen.manifest = backups.manifest()
        examination.seen.differ("rows", "public.t", "2 rows", "1 rows")
        trial_compare.located(Trial(examination, cast("Any", None), ""))

    monkeypatch.setattr(ranges, "located", lost)
    seen = judged(look)
    assert (seen.verdict, seen.reason) == (
        "failed",
        "rows public.t: expected 2 rows, found 1 rows (which rows, could not be told: The server ended)",
    )


def test_a_manifest_nobody_can_rely_on_is_a_failure() -> None:
    seen = judged(failing(ManifestError("The manifest is damaged", cause="its end is missing")))
    assert (seen.verdict, seen.differences[0].kind, seen.differences[0].found) == (
        "failed",
        "manifest",
        "The manifest is damaged: its end is missing",
    )


def test_what_postgresql_does_not_take_is_a_failure_and_everything_else_is_not_known() -> None:
    seen = judged(failing(LoadError("restore", "dump", OpsError("It failed", cause="ERROR: duplicate key"))))
    assert (seen.verdict, seen.differences[0].kind) == ("failed", "restore")
    assert judged(failing(OpsError("A program did not end within 5 seconds"))).verdict == "could_not_verify"


@pytest.mark.parametrize(
    ("cause", "here"),
    [
        ('ERROR:  collation "pg_catalog.de_DE" for encoding "UTF8" does not exist', True),
        ('ERROR:  could not create locale "xx_XX": No such file or directory', True),
        ("ERROR:  pg_cron can only be loaded via shared_preload_libraries", True),
        ('FATAL:  extension "timescaledb" must be preloaded', True),
        ('ERROR:  role "api" does not exist', False),
        ('ERROR:  relation "locale" does not exist', False),
    ],
)
def test_what_is_missing_here_is_no_fault_of_the_backup(cause: str, here: bool) -> None:
    assert LoadError("restore", "dump", OpsError("It failed", cause=cause)).here is here


def test_time_that_is_up_is_an_error() -> None:
    deadline = Deadline(60)
    assert 59 < deadline.left() <= 60
    with pytest.raises(OpsError, match=r"longer than 0 seconds.*timeout_seconds"):
        Deadline(0).left()


@pytest.mark.parametrize("level", ["data", "constraints", "full"])
def test_each_level_that_restores_counts_rows(level: str) -> None:
    assert judged(counting(), level=level).verdict == "passed"
    assert judged(counting(rows=0), level=level).verdict == "could_not_verify"


def test_numbers_that_make_no_sense_are_refused() -> None:
    with pytest.raises(OpsError, match="scratch_niceness must be between 0 and 19, not 20"):
        verdict.Asked("full", "endpoint_stats", "", "", 2, 60, scratch_niceness=20)
    with pytest.raises(OpsError, match="scratch_max_bytes must be at least 0, not -1"):
        verdict.Asked("full", "endpoint_stats", "", "", 2, 60, scratch_max_bytes=-1)
    with pytest.raises(OpsError, match="amcheck looks at the indexes of level full"):
        verdict.Asked("constraints", "endpoint_stats", "", "", 2, 60, amcheck=True)
    assert ASKED.jobs == 2
    with pytest.raises(OpsError, match="jobs must be at least 1, not 0"):
        verdict.Asked("full", "endpoint_stats", "", "", 0, 60)
