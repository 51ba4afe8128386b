# Copyright: Endpoint Statistics Operations contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was restored in a trial, compared with what the manifest says."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from .._errors import OpsError
from . import amcheck, compare, content, ranges, sequence_values, snapshot
from .reading import Opened
from .scratch_place import NoScratchError
from .trial import Trial
from .trial_load import Loaded, indexed
from .verdict import DATA, EXACT, FULL, STRUCTURAL


def compared(trial: Trial, loaded: Loaded) -> None:
    """Rows are read while indexes are made, as neither uses all of a machine."""

    def opened() -> AbstractContextManager[Any]:
        return trial.session(trial.manifest.database.name)

    with opened() as connection:
        if otherwise := compare.known_answers(connection, trial.manifest.known_answers):
            cause = f"samples of {', '.join(otherwise)}"
            raise NoScratchError("The scratch server computes otherwise than the one that was backed up", cause=cause)
    with opened() as connection:
        twin = _content(trial, loaded, connection, opened)
        if trial.asked.level != DATA:
            # Without their indexes, tables would be read once more for it.
            trial.progress.phase("sequences")
            trial.seen.odd += sequence_values.behind(connection, trial.examination.advance)
    if trial.asked.level == DATA:
        return
    trial.progress.phase("structure")
    structure = compare.structure(trial.statements, trial.loader.structure(trial.manifest.database.name), twin, across=trial.seen.across)
    trial.seen.differences += structure.differences
    trial.seen.structure, trial.seen.rewritten = STRUCTURAL if trial.seen.across else EXACT, list(structure.odd)
    if trial.asked.amcheck:
        trial.progress.phase("amcheck")
        with opened() as connection:
            trial.seen.add(amcheck.examined(connection, trial.examination.advance), "relations_examined")


def _content(trial: Trial, loaded: Loaded, connection: Any, opened: Opened) -> compare.Twin:
    twins: list[compare.Twin] = []
    sequences: list[compare.Comparison] = []
    present = snapshot.asked(connection)

    def meanwhile() -> None:
        trial.progress.phase("sequences")
        sequences.append(sequence_values.sequences(connection, trial.statements, trial.examination.advance))
        twins.append(indexed(trial, loaded, connection))
        trial.progress.phase("rows", sum(question.bytes for question in present.all), "bytes")

    tables = compare.tables(trial.manifest.tables, present.tables, opened, trial.asked.jobs, trial.examination.advance, meanwhile=meanwhile)
    trial.seen.add(tables, "tables")
    trial.seen.checked["rows"] += tables.rows
    trial.seen.odd += tables.odd
    trial.seen.add(sequences[0], "sequences")
    trial.seen.odd += sequence_values.since_snapshot(trial.manifest, trial.statements)
    what = [content.LARGE_OBJECTS, *([] if trial.asked.level == DATA else [content.LARGE_OBJECT_RIGHTS])]
    trial.seen.differences += compare.large_objects(trial.manifest, present, opened, what).differences
    if trial.asked.level == FULL:
        trial.seen.add(compare.views(connection, trial.manifest), "views")
    return twins[0]


def located(trial: Trial) -> None:
    """Which rows of the tables that differ; that they do is known already, whatever becomes of this."""
    try:
        tables, database = trial.manifest.tables, trial.manifest.database.name
        trial.seen.differences = ranges.located(trial.seen.differences, tables, lambda: trial.session(database))
    except OpsError as error:
        trial.seen.note += f" (which rows, could not be told: {error.summary})"
