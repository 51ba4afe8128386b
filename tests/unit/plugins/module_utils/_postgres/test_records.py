# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records that were changed, lost or cut off are seen, prove nothing, and stay seen; healthy ones are taken at their word."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.endpoint_stats.ops.plugins.module_utils._errors import OpsError
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres import chain
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.chain import CHAIN, HEAD
from ansible_collections.endpoint_stats.ops.plugins.module_utils._postgres.records import Head, Records

A, B = "20261125T201700Z", "20261125T204700Z"
PASSED = {"level": "full", "verdict": "passed"}
FAILED = {"level": "full", "verdict": "failed"}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Four records: A passed, A and B read, B failed."""
    made = tmp_path / "records"
    for backup, entry in ((A, PASSED), (A, {"level": "checksum", "verdict": "passed"}), (B, PASSED), (B, FAILED)):
        chain.append(made, "verification", backup, entry)
    return made


def lines(directory: Path) -> list[bytes]:
    return (directory / CHAIN).read_bytes().splitlines(keepends=True)


def write(directory: Path, *kept: bytes) -> None:
    (directory / CHAIN).write_bytes(b"".join(kept))


def findings(directory: Path) -> list[tuple[str, str]]:
    return [(finding.id, finding.severity) for finding in chain.read(directory).findings(directory)]


def test_what_was_kept_is_read_and_whole(directory: Path) -> None:
    seen = chain.read(directory)
    assert [entry["sequence"] for entry in seen.entries] == [1, 2, 3, 4]
    assert (seen.problems, seen.reliable, seen.head.length, findings(directory)) == ((), True, 4, [])
    assert json.loads((directory / HEAD).read_text()) == {"length": 4, "sha256": seen.head.sha256}
    assert seen.to_result() == {"length": 4, "sha256": seen.head.sha256, "intact": True}
    assert (seen.is_proven(A), seen.is_proven(B), seen.has_failed(A), seen.has_failed(B)) == (True, False, False, True)
    assert {path.stat().st_mode & 0o077 for path in (directory, *directory.iterdir())} == {0}


def test_there_may_be_none(tmp_path: Path) -> None:
    assert chain.read(tmp_path / "absent") == Records((), (), 0, ())
    assert chain.read(tmp_path).head.length == 0


@pytest.mark.parametrize("name", [CHAIN, HEAD])
def test_records_that_cannot_be_read_are_no_records_that_are_not_there(directory: Path, name: str) -> None:
    (directory / name).unlink()
    (directory / name).mkdir()
    with pytest.raises(OpsError, match=r"could not be read.*Is a directory.*the user that the operations run as"):
        chain.read(directory)


def edited(directory: Path) -> None:
    """A failure becomes a pass."""
    kept = lines(directory)
    write(directory, *kept[:3], kept[3].replace(b'"failed"', b'"passed"'))


def forged_in_the_middle(directory: Path) -> None:
    kept = lines(directory)
    write(directory, kept[0].replace(b'"full"', b'"data"'), *kept[1:])


def without_one(directory: Path) -> None:
    kept = lines(directory)
    write(directory, kept[0], *kept[2:])


def without_the_first(directory: Path) -> None:
    write(directory, *lines(directory)[1:])


def without_the_tail(directory: Path) -> None:
    write(directory, *lines(directory)[:3])


def without_all(directory: Path) -> None:
    (directory / CHAIN).unlink()


def without_the_head(directory: Path) -> None:
    (directory / HEAD).unlink()


def with_a_damaged_head(directory: Path) -> None:
    (directory / HEAD).write_text("{")


def swapped(directory: Path) -> None:
    kept = lines(directory)
    write(directory, kept[0], kept[2], kept[1], kept[3])


def doubled(directory: Path) -> None:
    kept = lines(directory)
    write(directory, *kept, kept[0])


def with_rot(directory: Path) -> None:
    kept = lines(directory)
    write(directory, *kept[:3], b"\0" + kept[3])


def with_rot_in_the_middle(directory: Path) -> None:
    kept = lines(directory)
    write(directory, kept[0], b"\xff" + kept[1], *kept[2:])


def with_a_strangers_line(directory: Path) -> None:
    write(directory, *lines(directory), b"null\n")


HARM: list[Callable[[Path], None]] = [
    edited,
    forged_in_the_middle,
    without_one,
    without_the_first,
    without_the_tail,
    without_all,
    without_the_head,
    with_a_damaged_head,
    swapped,
    doubled,
    with_rot,
    with_rot_in_the_middle,
    with_a_strangers_line,
]


@pytest.mark.parametrize("harm", HARM)
def test_harm_is_seen_and_what_came_before_it_proves_nothing(harm: Callable[[Path], None], directory: Path) -> None:
    harm(directory)
    seen = chain.read(directory)
    assert (seen.is_proven(A), seen.is_proven(B), seen.reliable, seen.to_result()["intact"]) == (False, False, False, False)
    assert findings(directory) == [("records_damaged", "critical")]


@pytest.mark.parametrize("harm", HARM)
def test_harm_stays_seen_and_new_records_count(harm: Callable[[Path], None], directory: Path) -> None:
    harm(directory)
    chain.append(directory, "deletion", B, {"why": "a test"})
    assert findings(directory) == [("records_damaged", "critical")]
    chain.append(directory, "verification", A, PASSED)
    seen = chain.read(directory)
    assert (seen.is_proven(A), seen.is_proven(B), seen.reliable) == (True, False, True)
    assert findings(directory) == [("records_damaged", "info")]
    assert len(seen.problems) >= 1


def recomputed(directory: Path, kept: list[dict[str, Any]]) -> None:
    """Somebody who may write there and knows how it is done."""
    without_all(directory)
    without_the_head(directory)
    for entry in kept:
        chain.append(directory, "verification", entry["backup"], {key: entry[key] for key in ("level", "verdict", "at")})


def test_only_an_anchor_elsewhere_sees_what_was_computed_anew(directory: Path) -> None:
    before = chain.read(directory)
    assert before.contradiction(before.head) == ""
    recomputed(directory, list(before.entries[:3]))
    seen = chain.read(directory)
    assert (seen.problems, seen.is_proven(B)) == ((), True)
    assert seen.contradiction(before.head) == "record 4 is missing; the last one is 3"
    recomputed(directory, [*before.entries[:3], {**before.entries[3], "verdict": "passed"}])
    assert chain.read(directory).contradiction(before.head) == "record 4 is another one than it was"


def test_an_older_anchor_still_holds(directory: Path) -> None:
    anchor = chain.read(directory).head
    chain.append(directory, "deletion", B, {"why": "a test"})
    seen = chain.read(directory)
    assert [seen.contradiction(head) for head in (anchor, seen.head, Head(0, ""))] == ["", "", ""]


def test_a_run_that_was_killed_between_a_record_and_the_head_did_no_harm(directory: Path) -> None:
    head = (directory / HEAD).read_bytes()
    chain.append(directory, "verification", B, PASSED)
    (directory / HEAD).write_bytes(head)
    assert (chain.read(directory).is_proven(B), findings(directory)) == (True, [])
    chain.append(directory, "verification", A, FAILED)
    assert (chain.read(directory).head.length, findings(directory)) == (6, [])


def test_a_first_run_that_was_killed_there_did_none_either(tmp_path: Path) -> None:
    chain.append(tmp_path, "verification", A, PASSED)
    (tmp_path / HEAD).unlink()
    chain.append(tmp_path, "verification", B, PASSED)
    assert (chain.read(tmp_path).is_proven(A), findings(tmp_path)) == (True, [])


@pytest.mark.parametrize("torn", ['{"level": "data", "verdict": "pas\u017c'.encode()[:-1], b"{", b'{"sequence": 5}'])
def test_half_a_record_of_a_killed_run_is_none(torn: bytes, directory: Path) -> None:
    write(directory, *lines(directory), torn)
    assert findings(directory) == []
    chain.append(directory, "verification", B, PASSED)
    assert [entry["sequence"] for entry in chain.read(directory).entries] == [1, 2, 3, 4, 5]
    assert findings(directory) == []


def test_a_whole_record_without_the_end_of_its_line_is_one(directory: Path) -> None:
    kept = lines(directory)
    write(directory, *kept[:3], kept[3].rstrip(b"\n"))
    assert (chain.read(directory).head.length, findings(directory)) == (4, [])
    chain.append(directory, "verification", B, PASSED)
    assert (len(lines(directory)), findings(directory)) == (5, [])


def test_words_with_odd_separators_stay_one_record(tmp_path: Path) -> None:
    entry = {"level": "data", "verdict": "failed", "why": "a\u2028b\x85c\nd\udcff", "at": "2026-11-25T21:20:00Z"}
    chain.append(tmp_path, "verification", A, entry)
    assert chain.read(tmp_path).verifications(A) == [{**entry, "backup": A}]


def test_who_writes_at_the_same_time_breaks_nothing(tmp_path: Path) -> None:
    def work(backup: str) -> None:
        for _ in range(20):
            chain.append(tmp_path, "verification", backup, PASSED)
            assert chain.read(tmp_path).problems == ()

    writers = [threading.Thread(target=work, args=(backup,)) for backup in (A, B, A)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert (chain.read(tmp_path).head.length, findings(tmp_path)) == (60, [])
